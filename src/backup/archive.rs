//! Where WAL is archived: the commands that put a segment there and fetch it, and how its files
//! are found without the tool.

use crate::{
    postgres::configuration::fill_in,
    runtime::{Layout, exec::quoted},
    store::{local, named_at, placeholder},
};

/// A WAL archive. Placeholders of its texts are not yet filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalArchive {
    pub archive_command: String,
    pub restore_command: String,
    /// The directories that its files lie in, each with its store.
    directories: Vec<(String, String)>,
    /// How many directories lie between that and a file: 0 where it holds the files itself.
    depth: u32,
    /// A `sed` script that makes of a file's name the segment's, with the ending that says how it
    /// is packed.
    rename: &'static str,
}

impl WalArchive {
    /// What pgdrill's script archives, into the `{archive}` of each of these stores.
    pub fn safe(stores: &[String]) -> Self {
        let archive = |store: &String| {
            let archive = placeholder("archive", store);
            format!("sh {{store}}/archive-wal \"%p\" \"{archive}/%f\"")
        };
        let commands: Vec<String> = stores.iter().map(archive).collect();
        Self::directories(&commands.join(" && "), stores)
    }

    /// What a command archives: into those of the stores whose `{archive}` stands in it.
    pub fn command(command: &str, stores: &[String]) -> Self {
        let named = |store: &&String| command.contains(&placeholder("archive", store));
        let mut stores: Vec<String> = stores.iter().filter(named).cloned().collect();
        if stores.is_empty() {
            stores.push(local());
        }
        Self::directories(command, &stores)
    }

    /// Files are called as their segments are.
    fn directories(archive_command: &str, stores: &[String]) -> Self {
        let archives = stores.iter().map(|store| placeholder("archive", store));
        let fetch = archives
            .clone()
            .map(|archive| format!("cp {archive}/%f %p"));
        Self {
            archive_command: archive_command.to_owned(),
            restore_command: fetch.collect::<Vec<_>>().join(" || "),
            directories: stores.iter().cloned().zip(archives).collect(),
            depth: 0,
            rename: "",
        }
    }

    /// One of a tool's own; its directories each with their store.
    pub fn of_tool(
        (archive_command, restore_command): (String, String),
        directories: Vec<(String, String)>,
        depth: u32,
        rename: &'static str,
    ) -> Self {
        Self {
            archive_command,
            restore_command,
            directories,
            depth,
            rename,
        }
    }

    /// The stores that its files lie in.
    pub fn stores(&self) -> impl Iterator<Item = &str> {
        self.directories.iter().map(|(store, _)| store.as_str())
    }

    /// The directories that its files lie in.
    pub fn places(&self, layout: &Layout) -> Vec<String> {
        let directories = self.directories.iter();
        directories
            .map(|(_, directory)| fill_in(layout, directory))
            .collect()
    }

    /// The shell lines of a function `wal_files` that prints a line for each file: the segment's
    /// name with the store beside it ([`named_at`]), the file's bytes and its path.
    pub fn listing(&self, layout: &Layout) -> String {
        let depth = self.depth + 1;
        let only = if self.depth == 0 { "" } else { " -type f" };
        let list = |(store, directory): &(String, String)| {
            let directory = quoted(&fill_in(layout, directory));
            let (rename, at) = (self.rename, named_at(store, ""));
            format!(
                "find {directory} -mindepth {depth}{only} -printf '%f %s %p\\n' 2> /dev/null | \
                 LC_ALL=C sort | sed '{rename};s/ /{at} /'\n"
            )
        };
        let lists: String = self.directories.iter().map(list).collect();
        format!("wal_files() {{\n{lists}}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores() -> [String; 2] {
        [local(), "offsite".into()]
    }

    #[test]
    fn what_is_archived_goes_into_each_store_and_comes_from_any() {
        let archive = WalArchive::safe(&stores());
        let commands = r#"sh {store}/archive-wal "%p" "{archive}/%f" && sh {store}/archive-wal "%p" "{archive.offsite}/%f""#;
        assert_eq!(archive.archive_command, commands);
        let fetch = "cp {archive}/%f %p || cp {archive.offsite}/%f %p";
        assert_eq!(archive.restore_command, fetch);
    }

    #[test]
    fn a_command_says_where_it_archives() {
        let into = |command: &str| {
            let archive = WalArchive::command(command, &stores());
            archive.stores().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(into("cp %p {archive.offsite}/%f"), ["offsite"]);
        assert_eq!(into("cp %p {archive}/%f"), ["local"]);
        assert_eq!(into("somebody-elses %p"), ["local"]);
    }
}
