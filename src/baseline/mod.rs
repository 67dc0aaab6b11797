//! A baseline: what a server in production held at one moment, as a role saw it that can only read.
//!
//! `record` looks, `dumps` asks PostgreSQL's programs of this machine, `queries` are the user's own;
//! [`Baseline`] is the file that it comes to. Nothing here judges, and nothing is written into the
//! server: every session is in a transaction that can't.

mod dumps;
mod queries;
mod record;

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

pub use dumps::Programs;
pub use queries::{Query, QueryError, QueryResult};
pub use record::{RecordError, Recording, record};

use crate::observation::{LargeObjectsState, SequenceState, Setting, TableState};

/// Of this file.
pub const FORMAT: u32 = 1;

/// Digests of all rows.
pub const ALL: u32 = 1000;

/// What a server held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub format: u32,
    /// Version of the pgdrill that made it.
    pub pgdrill: String,
    /// Wall time, RFC 3339, UTC.
    pub began: String,
    pub took_us: u64,
    /// Rows of a thousand that digests are made of, chosen by their primary keys.
    pub sample: u32,
    pub server: Origin,
    pub databases: BTreeMap<String, DatabaseBaseline>,
    /// Roles, tablespaces and memberships, as `pg_dumpall --globals-only` writes them.
    pub globals: Option<BTreeMap<String, String>>,
    /// Rows of the catalogs that all databases share.
    pub shared_catalog: Option<BTreeMap<String, String>>,
    /// What a new session of the role gets, but for values that may hold a password.
    pub settings: Option<BTreeMap<String, Setting>>,
    /// `role database name=value`.
    pub settings_of_roles: Option<Vec<String>>,
    /// What could not be looked at, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_recorded: BTreeMap<String, String>,
}

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `server_version_num`.
    pub version: u32,
    pub system_identifier: u64,
    pub timeline: u32,
    /// Whether it was a standby.
    pub in_recovery: bool,
    /// Version of the `pg_dump` that wrote definitions: another one writes them otherwise.
    pub pg_dump: Option<String>,
}

/// What one of its databases held, all at one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseBaseline {
    /// No commit that the snapshot sees is later than this position of WAL.
    pub lsn: String,
    /// Which transactions it sees (`pg_current_snapshot()`).
    pub snapshot: String,
    pub tables: BTreeMap<String, TableState>,
    pub large_objects: Option<LargeObjectsState>,
    /// `kind name` → definition as `pg_dump --schema-only` writes it.
    pub definitions: Option<BTreeMap<String, String>>,
    /// `kind name` → lines `field: value` of the system catalogs.
    pub catalog: Option<BTreeMap<String, String>>,
    /// `role kind object privilege`.
    pub privileges: Option<Vec<String>>,
    pub sequences: Option<Vec<SequenceState>>,
    /// The user's own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, QueryResult>,
}

impl Baseline {
    /// Writes it in one step: a file that was there is whole until then, and keeps its content where
    /// this fails.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let mut new = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(&mut new, self)?;
        new.as_file().sync_all()?;
        new.persist(file)?;
        Ok(())
    }

    /// Tables that could not be read, each with its database and why.
    pub fn unread(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.databases.iter().flat_map(|(database, held)| {
            let failed = |(name, table)| {
                let (name, table): (&String, &TableState) = (name, table);
                Some((database.as_str(), name.as_str(), table.error.as_deref()?))
            };
            held.tables.iter().filter_map(failed)
        })
    }
}
