//! What a probe can see of a server: facts, not judgements.
//!
//! Probes (`probe/`) produce these, checks (`check/`) compare the ones from before
//! the fault with those from after the restore. Which probes a check is judged by is said
//! here, once for both.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::scenario::plan::CheckKind;

/// Who looks, in the order in which they begin; each makes the observation of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    Server,
    Tables,
    LargeObjects,
    Privileges,
    Definitions,
    Catalog,
    Settings,
    Access,
    Sequences,
    Business,
    Audit,
    Archive,
    Amcheck,
    Collations,
    /// Timings of business queries: last, when nothing else runs.
    Performance,
    Readback,
    /// Every one of them: the server could not be reached.
    All,
}

impl Probe {
    /// Its name, as a failed probe is recorded and told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tables => "tables",
            Self::LargeObjects => "large-objects",
            Self::Privileges => "privileges",
            Self::Definitions => "definitions",
            Self::Catalog => "catalog",
            Self::Settings => "settings",
            Self::Access => "access",
            Self::Sequences => "sequences",
            Self::Business => "business",
            Self::Audit => "audit",
            Self::Archive => "archive",
            Self::Amcheck => "amcheck",
            Self::Collations => "collations",
            Self::Performance => "performance",
            Self::Readback => "readback",
            Self::All => "all",
        }
    }

    /// What a check is judged by; a server's log is no probe's, but whether it tells errors is.
    pub fn needed_by(check: CheckKind) -> &'static [Self] {
        match check {
            CheckKind::Rows => &[Self::Tables],
            CheckKind::Digests => &[Self::Tables, Self::LargeObjects],
            CheckKind::Permissions => &[Self::Privileges, Self::Definitions],
            CheckKind::Catalog => &[Self::Definitions, Self::Catalog],
            CheckKind::Settings => &[Self::Settings],
            CheckKind::Access => &[Self::Access],
            CheckKind::Sequences => &[Self::Sequences],
            CheckKind::Business => &[Self::Business],
            CheckKind::Ledger | CheckKind::ClientRows => &[Self::Readback],
            CheckKind::Audit => &[Self::Audit],
            CheckKind::Timeline | CheckKind::Checksums => &[Self::Server],
            CheckKind::Collations => &[Self::Collations],
            CheckKind::Amcheck => &[Self::Amcheck],
            CheckKind::Performance => &[Self::Performance],
            CheckKind::ServerLog => &[Self::Settings],
            CheckKind::Archive => &[Self::Archive],
        }
    }

    /// Whether a check is left without an answer when this could not look.
    pub fn serves(self, check: CheckKind) -> bool {
        self == Self::All || Self::needed_by(check).contains(&self)
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Begins the names of definitions that say who may do what: `acl table sales.orders`.
pub const ACL: &str = "acl ";

/// What one probe saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Every table's rows and digest, by schema-qualified name.
    Tables(BTreeMap<String, TableState>),
    /// Every privilege, as `role kind object privilege` (a `*` at the end: with grant option).
    Privileges(Vec<String>),
    /// Every object of every database and of the cluster, `kind name` → its definition as
    /// `pg_dump` and `pg_dumpall` write it. `acl kind name`: who may do what with it.
    Definitions(BTreeMap<String, String>),
    /// Every row of the system catalogs by what it is about, `kind name` → lines `field: value`.
    Catalog(BTreeMap<String, String>),
    Settings(SettingsState),
    Access(AccessState),
    Sequences(Vec<SequenceState>),
    /// Logins, refusals and business operations as the app roles.
    Business(Vec<BusinessResult>),
    Server(ServerState),
    Amcheck(Structure),
    Collations(Collations),
    LargeObjects(BTreeMap<String, LargeObjectsState>),
    Performance(Vec<QueryTiming>),
    /// Every row with a key, of the tables that workloads write, was written to a file in the
    /// drill's directory (see `workload::readback`).
    Readback {
        file: String,
        rows: u64,
    },
    Audit(AuditState),
    Archive(ArchiveState),
}

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
    /// SHA-256 of its content, the first 32 hexadecimal digits; empty: not looked into.
    pub digest: String,
    /// Its first 40 bytes, hexadecimal: the header of a segment's first page.
    pub head: String,
    /// The same digest of what is inside, where it begins as a compressed file does and the node
    /// can decompress it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// The first 40 bytes of what is inside, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inside_head: String,
    /// What `pg_waldump` said against its records, or those inside; empty: nothing, or not asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn not_any(count: &u64) -> bool {
    *count == 0
}

/// Rows of one table that no workload wrote: those without a key, or all where no column holds one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    pub rows: u64,
    /// Order-independent digest: sum of the rows' xxh3-128 modulo 2^128, 32 hexadecimal digits;
    /// [`NOT_POPULATED`](Self::NOT_POPULATED) of a materialised view that holds no data yet.
    pub digest: String,
    /// Rows that a workload wrote; judged through the ledger.
    pub live_rows: u64,
    /// Rows without a key that the fault's own transaction left: entries of triggers, say, or
    /// what it made of rows that were there.
    #[serde(default, skip_serializing_if = "not_any")]
    pub by_fault: u64,
    /// Whether it, or each of its partitions, is unlogged: empty after a crash or a restore, by
    /// design.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unlogged: bool,
    /// The server's error when the table could not be read to its end: nothing else is then
    /// known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn is_false(it: &bool) -> bool {
    !it
}

impl TableState {
    /// In place of the digest of a materialised view made `WITH NO DATA`, which is none the
    /// worse for it: a restore brings it back as it was.
    pub const NOT_POPULATED: &str = "not populated";
}

/// An audit trail beside the changes it tells of: versions of rows that clients wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditState {
    /// How many have one entry, as it should be; a row deleted since, and told as deleted, too.
    pub right: u64,
    /// Those without an entry.
    pub missing: Changes,
    /// Those that an entry tells of, and that are not there.
    pub unfounded: Changes,
    /// Those with more than one entry.
    pub repeated: Changes,
    /// Those whose entry tells another row than there is.
    pub different: Changes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub count: u64,
    /// The first of them, at most 10,000.
    pub first: Vec<Change>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub table: String,
    /// What its key column holds.
    pub request_id: String,
    /// The version, from 0.
    pub version: u32,
    /// The ledger's key; none when no client of this drill has it.
    #[serde(default)]
    pub key: Option<u64>,
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjectsState {
    pub count: u64,
    /// Order-independent digest of their content, 32 hexadecimal digits.
    pub digest: String,
}

/// A sequence beside a column that it feeds; one that feeds several is there as often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceState {
    /// Schema-qualified name.
    pub sequence: String,
    /// The value `nextval` would return at least.
    pub next: i64,
    /// Whether its increment is negative.
    pub descends: bool,
    /// Whether it begins anew at its end.
    pub cycles: bool,
    /// The column, `schema.table.column`; none where it feeds none.
    pub column: Option<String>,
    /// The column's maximum, its minimum where the sequence descends; none when the table is
    /// empty.
    pub max: Option<i64>,
}

/// One business operation, permitted or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessResult {
    pub name: String,
    /// The role that logged in.
    pub role: String,
    /// What must happen: `rows`, `no rows` or an SQLSTATE.
    pub expected: String,
    /// What happened, in the same words.
    pub got: String,
    /// Whether it writes; none in histories that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// `pg_is_in_recovery()`.
    pub in_recovery: bool,
    /// `transaction_read_only` of a fresh session.
    pub read_only: bool,
    pub timeline: u32,
    /// `server_version_num`.
    pub version: u32,
    pub system_identifier: u64,
    /// Sum of `checksum_failures` over all databases; none when checksums are off.
    pub checksum_failures: Option<u64>,
    /// `archive_mode` in force.
    pub archive_mode: String,
    /// `pg_stat_archiver.archived_count`.
    pub archived: u64,
    /// `archive_timeout` in force, in seconds; none when it was not asked for.
    #[serde(default)]
    pub archive_timeout: Option<u64>,
}

/// A server's settings, names in lower case. Values that may hold a password are digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsState {
    /// What a new session of the superuser gets (`pg_settings`).
    pub in_force: BTreeMap<String, Setting>,
    /// The last line of each in the configuration files (`pg_file_settings`); of a line that can't
    /// be read, its number.
    pub files: BTreeMap<String, FileSetting>,
    /// `role database name=value` (`pg_db_role_setting`).
    pub of_roles: Vec<String>,
    /// Files of its data directory that make its next start a recovery, or none at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_start: Vec<String>,
    /// Placeholder → path: where things lie on its node.
    pub places: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its value, in its own unit.
    pub value: String,
    /// Where it comes from, e.g. `configuration file` or `command line`.
    pub source: String,
    /// Whether another value waits for a restart.
    pub pending_restart: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSetting {
    /// Its value, as written.
    pub value: String,
    pub file: String,
    /// Whether it can be applied without a restart.
    pub applied: bool,
    pub error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessState {
    /// The rules of `pg_hba.conf`, in their order.
    pub rules: Vec<String>,
    /// The mappings of `pg_ident.conf`, in their order.
    pub mappings: Vec<String>,
    /// Role that may log in → what a wrong password ended with: an SQLSTATE or
    /// [`LET_IN`](Self::LET_IN).
    pub wrong_password: BTreeMap<String, String>,
}

impl AccessState {
    /// A login that was not refused.
    pub const LET_IN: &str = "let in";
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryTiming {
    pub name: String,
    pub runs: u32,
    /// Median, in microseconds.
    pub p50_us: u64,
    pub p95_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_its_error_and_without_one() {
        let old = r#"{"rows":5,"digest":"0c","live_rows":7}"#;
        let read: TableState = serde_json::from_str(old).unwrap();
        assert_eq!((read.rows, &read.error), (5, &None));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let unreadable = TableState {
            error: Some("could not open file".into()),
            ..TableState::default()
        };
        let text = serde_json::to_string(&unreadable).unwrap();
        assert_eq!(
            serde_json::from_str::<TableState>(&text).unwrap(),
            unreadable
        );
    }

    #[test]
    fn a_probe_is_recorded_by_its_name() {
        for check in CheckKind::ALL {
            for probe in Probe::needed_by(check) {
                let recorded = serde_json::to_value(probe).unwrap();
                assert_eq!(recorded, probe.name());
            }
        }
        assert_eq!(serde_json::to_value(Probe::All).unwrap(), "all");
    }
}
