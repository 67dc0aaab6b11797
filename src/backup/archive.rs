//! Where WAL is archived: the commands that put a segment there and fetch it, and how its files
//! are found without the tool.

use crate::{
    postgres::configuration::fill_in,
    runtime::{Layout, exec::quoted},
};

/// A WAL archive. Placeholders of its texts are not yet filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalArchive {
    pub archive_command: String,
    pub restore_command: String,
    /// The directory that its files lie in.
    directory: String,
    /// How many directories lie between that and a file: 0 where it holds the files itself.
    depth: u32,
    /// A `sed` script that makes of a file's name the segment's, with the ending that says how it
    /// is packed.
    rename: &'static str,
}

impl WalArchive {
    /// `{archive}` of the backup storage, where files are called as their segments are.
    pub fn directory(archive_command: &str) -> Self {
        Self {
            archive_command: archive_command.to_owned(),
            restore_command: "cp {archive}/%f %p".to_owned(),
            directory: "{archive}".to_owned(),
            depth: 0,
            rename: "",
        }
    }

    /// One of a tool's own.
    pub fn of_tool(
        (archive_command, restore_command): (String, String),
        directory: String,
        depth: u32,
        rename: &'static str,
    ) -> Self {
        Self {
            archive_command,
            restore_command,
            directory,
            depth,
            rename,
        }
    }

    /// The directory that its files lie in.
    pub fn place(&self, layout: &Layout) -> String {
        fill_in(layout, &self.directory)
    }

    /// The shell lines of a function `wal_files` that prints a line for each file: the segment's
    /// name, the file's bytes and its path.
    pub fn listing(&self, layout: &Layout) -> String {
        let directory = quoted(&self.place(layout));
        let depth = self.depth + 1;
        let only = if self.depth == 0 { "" } else { " -type f" };
        format!(
            "wal_files() {{\n\
             find {directory} -mindepth {depth}{only} -printf '%f %s %p\\n' 2> /dev/null | \
             LC_ALL=C sort | sed '{}'\n}}\n",
            self.rename
        )
    }
}
