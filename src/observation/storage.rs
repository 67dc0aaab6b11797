//! What can be seen of files: the WAL archive, and the structure of tables and indexes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The WAL archive, as it was found, beside what the server that archives into it said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveState {
    /// `pg_stat_archiver.archived_count`, before the files were listed.
    pub archived: u64,
    /// Bytes of a WAL segment.
    pub segment_size: u64,
    pub system_identifier: u64,
    pub files: BTreeMap<String, ArchivedFile>,
    /// Digests of segments that the server wrote and archived and still has in its `pg_wal`.
    pub written: BTreeMap<String, String>,
}

/// A file of a WAL archive; but for its size only what holds a segment is looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedFile {
    pub bytes: u64,
    /// BLAKE2b-128 of its content, 32 hexadecimal digits; empty: not looked into.
    pub digest: String,
    /// Its first 40 bytes, hexadecimal: the header of a segment's first page.
    pub head: String,
    /// The same digest of what is inside, where it is compressed or encrypted and the node can
    /// read that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// The first 40 bytes of what is inside, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inside_head: String,
    /// What `pg_waldump` said against its records, or those inside; empty: nothing, or not asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
    /// Why what is inside could not be read, where that is known to be there; empty: it could.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub closed: String,
}

/// Structure of tables and indexes. Indexes are named `database: schema.index`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// Exit code of `pg_amcheck`: 0 nothing found, 2 corruption.
    pub exit: i32,
    /// What it printed; without what it said of an index in [`refused`](Self::refused), and of
    /// one that is in order when it is asked for by the role's own `search_path`.
    pub messages: Vec<String>,
    pub databases: Vec<String>,
    /// Of these, those without the extension `amcheck`, which it skips.
    pub unchecked: Vec<String>,
    /// Indexes that it leaves out, read through a query that used them: they answered as a
    /// sequential scan did.
    pub read: Vec<String>,
    /// Those that know no scan of the whole: a thousand rows of the table were found through them.
    #[serde(default)]
    pub sampled: Vec<String>,
    /// Those that answered otherwise, and how.
    pub different: Vec<String>,
    /// Those that could not be read, or whose rows `pg_amcheck` could not look up, and why.
    pub refused: BTreeMap<String, Refused>,
}

/// Collation versions beside those of their providers, in every database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collations {
    pub looked_at: u64,
    /// Those whose version is not the provider's.
    pub different: Vec<Collation>,
}

/// A database's default collation, or a collation in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    pub object: String,
    /// The version it was made with; none: not recorded.
    pub recorded: Option<String>,
    /// The version that the provider has; none: it has none, as for `C` and `POSIX`.
    pub actual: Option<String>,
}

/// Why something could not be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The SQLSTATE; empty: the server was not asked, or did not answer.
    pub sqlstate: String,
    pub message: String,
}

impl Refused {
    /// Whether it speaks of the object: corrupted, or a file that can't be read. Anything else
    /// is for want of something beside it, such as a function not found by its `search_path`.
    pub fn is_damage(&self) -> bool {
        let class = self.sqlstate.get(..2).unwrap_or_default();
        class == "XX" || class == "58"
    }
}
