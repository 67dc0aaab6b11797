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
    directories: Vec<Directory>,
    /// How many directories lie between that and a file: 0 where it holds the files itself.
    depth: u32,
    /// A `sed` script that makes of a file's name the segment's, with the ending that says how it
    /// is packed.
    rename: &'static str,
}

/// One that an archive's files lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub store: String,
    pub path: String,
    /// A command that prints what is in the file whose path below the directory is `$below`, and
    /// fails where that could not be read; none: what is in it is the file itself.
    pub content: Option<String>,
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
        let directory = |store: &String| Directory {
            store: store.clone(),
            path: placeholder("archive", store),
            content: None,
        };
        let directories: Vec<Directory> = stores.iter().map(directory).collect();
        let fetch = directories.iter().map(|it| format!("cp {}/%f %p", it.path));
        Self {
            archive_command: archive_command.to_owned(),
            restore_command: fetch.collect::<Vec<_>>().join(" || "),
            directories,
            depth: 0,
            rename: "",
        }
    }

    /// One of a tool's own.
    pub fn of_tool(
        (archive_command, restore_command): (String, String),
        directories: Vec<Directory>,
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
        self.directories.iter().map(|it| it.store.as_str())
    }

    /// The directories that its files lie in.
    pub fn places(&self, layout: &Layout) -> Vec<String> {
        let directories = self.directories.iter();
        directories
            .map(|directory| fill_in(layout, &directory.path))
            .collect()
    }

    /// The shell lines of a function `wal_files` that prints a line for each file: the segment's
    /// name with the store beside it ([`named_at`]), the file's bytes and its path.
    pub fn listing(&self, layout: &Layout) -> String {
        let depth = self.depth + 1;
        let only = if self.depth == 0 { "" } else { " -type f" };
        let list = |directory: &Directory| {
            let path = quoted(&fill_in(layout, &directory.path));
            let (rename, at) = (self.rename, named_at(&directory.store, ""));
            format!(
                "find {path} -mindepth {depth}{only} -printf '%f %s %p\\n' 2> /dev/null | \
                 LC_ALL=C sort | sed '{rename};s/ /{at} /'\n"
            )
        };
        let lists: String = self.directories.iter().map(list).collect();
        format!("wal_files() {{\n{lists}}}\n")
    }

    /// The shell lines of a function `wal_content` that prints what is in a file, by its path; none
    /// where that is the file itself.
    pub fn reading(&self, layout: &Layout) -> String {
        let reads = |directory: &Directory| {
            let command = fill_in(layout, directory.content.as_ref()?);
            let path = quoted(&fill_in(layout, &directory.path));
            Some(format!("{path}/*) below=${{1#{path}/}}; {command} ;;\n"))
        };
        let cases: String = self.directories.iter().filter_map(reads).collect();
        match cases.is_empty() {
            true => String::new(),
            false => format!("wal_content() {{\ncase $1 in\n{cases}*) cat \"$1\" ;;\nesac\n}}\n"),
        }
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
