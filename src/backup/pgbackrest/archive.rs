//! Its WAL archive: what puts a segment into each repository, what fetches one from any of them, and
//! what reads one of an encrypted repository.

use super::{FETCH, Pgbackrest, REPOSITORY, read_directly};
use crate::{
    backup::{WalArchive, archive::Directory},
    store::placeholder,
};

/// Takes of a file's name in the archive the checksum that pgBackRest adds to a segment's.
const RENAME: &str = r"s/^\([0-9A-F]\{24\}[^ ]*\)-[0-9a-f]\{40\}/\1/";

/// How it ends where a file is not what was encrypted.
const UNDECIPHERED: i32 = 95;

impl Pgbackrest {
    pub(super) fn wal_archive(&self, to: &[String]) -> WalArchive {
        let commands = (self.command("archive-push %p"), self.command(FETCH));
        let directories = (1..).zip(to).map(|(number, store)| {
            let repository = format!("{}/{REPOSITORY}", placeholder("store", store));
            Directory {
                store: store.clone(),
                path: format!("{repository}/archive/{}", self.stanza),
                content: self.encrypted.then(|| self.deciphers(number, &repository)),
            }
        });
        WalArchive::of_tool(commands, directories.collect(), 1, RENAME)
    }

    /// A file that can't be deciphered is read as far as it can, provided that the key can be read,
    /// which is in `archive.info`.
    fn deciphers(&self, number: usize, repository: &str) -> String {
        let repo = read_directly(number, repository).join(" ");
        let get = self.command(&format!(
            "{repo} --log-level-console=off --log-level-stderr=error repo-get archive/{}",
            self.stanza
        ));
        format!(
            "{get}/\"$below\" || {{ [ $? = {UNDECIPHERED} ] && {get}/archive.info > /dev/null; }}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Layout;

    #[test]
    fn segments_of_an_encrypted_repository_are_read_by_its_number() {
        let reading = |encrypted: bool| {
            let tool = Pgbackrest {
                encrypted,
                ..Pgbackrest::default()
            };
            let layout = Layout {
                stores: [("r2".to_owned(), "/r2".into())].into(),
                run: "/run".into(),
                ..Layout::default()
            };
            let stores = ["local", "r2"].map(str::to_owned);
            tool.wal_archive(&stores).reading(&layout)
        };
        assert_eq!(reading(false), "");
        let text = reading(true);
        let case = "/r2/pgbackrest/archive/main/*) below=${1#/r2/pgbackrest/archive/main/}; \
                    pgbackrest --config=/run/pgbackrest.conf --stanza=main --repo=2 \
                    --repo2-type=posix --repo2-path=/r2/pgbackrest ";
        assert!(text.contains(case), "{text}");
        assert!(text.contains("repo-get archive/main/\"$below\" || { [ $? = 95 ] && "));
        assert!(text.contains(" --repo=1 --repo1-type=posix "), "{text}");
    }
}
