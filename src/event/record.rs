//! What the larger events carry.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{fault::Fault, observation::ArchivedFile};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    Done,
    /// With an error (the whole message, with command line and last lines).
    Failed(String),
    /// Not tried, because an earlier step failed.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    pub node: String,
    pub user: String,
    /// The command line, quoted for a shell.
    pub command: String,
    /// Exit code; 128 + signal when killed; -1 when it did not start.
    pub exit: i32,
    pub took_us: u64,
    /// The last lines of its standard output.
    pub stdout: String,
    /// The last lines of its standard error.
    pub stderr: String,
}

/// One second of a workload, for the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    pub workload: String,
    pub from_us: u64,
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// 95th percentile of latency from the intended start, in microseconds.
    pub p95_us: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSummary {
    pub workload: String,
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// Latency from the intended start, in microseconds: median.
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    /// The commonest errors, `SQLSTATE message` → count.
    pub errors: BTreeMap<String, u64>,
}

/// A fault, and the evidence that it took effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// What the scenario calls it, e.g. `drop-table`; no two of a drill are called alike.
    pub name: String,
    pub fault: Fault,
    /// What it hit, e.g. `sales.orders`.
    pub target: String,
    pub server: String,
    /// The database it was injected in; of a fault of a whole server the one logged in to.
    pub database: String,
    pub boundary: BoundaryKind,
    pub began_us: u64,
    pub ended_us: u64,
    /// The server's clock just before it, RFC 3339 with microseconds.
    pub server_time: String,
    /// WAL insert position just before it (the last one known for a lost server).
    pub lsn: u64,
    /// Transaction id of a bad statement.
    pub xid: Option<u64>,
    /// LSN of the statement's commit record, read with `pg_waldump`.
    pub commit_lsn: Option<u64>,
    pub took_effect: bool,
    pub evidence: String,
}

/// Where "before" ends (see `measures.md`, Boundary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundaryKind {
    /// Lost server or storage: the instant the injection begins.
    Instant,
    /// A bad statement: the commit of that statement.
    Statement,
    /// Nothing is lost by the fault itself (damaged index, revoked grants, stopped archiving).
    None,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SalvagedTable {
    /// Schema-qualified name.
    pub table: String,
    /// Whether the table had to be created again, or all its rows were swapped.
    pub created: bool,
    /// Rows inserted because they were missing.
    pub inserted: u64,
    /// Rows replaced because they were damaged.
    pub replaced: u64,
}

/// A look at the rows that clients wrote, each of which left an image (`row_images`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    pub server: String,
    /// `before` a step that may harm rows, or `after` the last step.
    pub moment: Moment,
    /// The file that holds the images, in the drill's directory.
    pub file: String,
    pub rows: u64,
    /// The first transaction that may be a client's.
    pub since: u64,
    /// From which transaction to which each earlier step ran that may harm rows, before any
    /// fault; the second is not the step's any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<(u64, u64)>,
    pub began_us: u64,
    /// The tables there were; images name them by their places.
    pub tables: Vec<ImagedTable>,
    /// Why there are no images; empty: there are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// A table of which images were taken, or could have been.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagedTable {
    /// Schema-qualified name, quoted where needed.
    pub name: String,
    /// Whether it is a table that the ledger tells of.
    pub ledgered: bool,
    /// Whether it is unlogged: a restore or a crash empties it.
    pub unlogged: bool,
    /// Whether every row was taken: clients write rows without a key there.
    pub whole: bool,
    /// Rows deleted from it so far, by the server's statistics.
    pub deleted: u64,
    /// Of those, the ones deleted before the clients began, or while a step before any fault ran
    /// that may harm rows.
    #[serde(default)]
    pub deleted_by_others: u64,
    /// Why it could not be read; empty: it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Where the WAL of a server stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalPosition {
    pub server: String,
    /// `pg_current_wal_insert_lsn()` as a number.
    pub lsn: u64,
    /// `last_archived_wal` of `pg_stat_archiver`; empty when none.
    pub last_archived: String,
    /// `failed_count` of `pg_stat_archiver`.
    pub archive_failures: u64,
    /// How long it took, from when the server was asked until this was recorded.
    pub took_us: u64,
    /// Segments that arrived in the archive since the last look, by file name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arrived: BTreeMap<String, ArchivedFile>,
    /// Digests of the same segments in the server's own `pg_wal`, of those still there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<String, String>,
}

/// What a tool's own verifier said, to be held against the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifierSaid {
    /// The server that the backup is of.
    pub server: String,
    /// E.g. `pg_verifybackup`.
    pub tool: String,
    /// What it looked at, e.g. a backup's label.
    pub object: String,
    /// Whether it called the object good; none: it could not look.
    pub good: Option<bool>,
    /// Whether it looked again, after the last step.
    pub again: bool,
    /// The last lines of its output, or why it could not look.
    pub output: String,
}

/// Resources a node used since it was created (CPU, I/O) and uses now (memory).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStats {
    pub node: String,
    pub cpu_us: u64,
    pub memory: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written to block devices.
    pub written_bytes: u64,
}

/// When a probe looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Steady state, before the fault.
    #[default]
    Before,
    /// At a `verify` step: the gate before clients come back.
    Gate,
    /// After the last step, workloads ended.
    After,
}

/// What a freeze takes from a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoked {
    /// The membership in this group, which may write.
    Membership(String),
    /// The writes that the role itself was granted on this table and its columns.
    Writes(String),
}

/// What makes servers log errors for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Freeze(String),
    Fault(String),
    /// Probes try what must be refused.
    Look,
    /// A server is restored, and is in recovery: read-only to its clients, where it is in place.
    Restore,
    /// Standbys of a server that was restored in place: none streams from it any more.
    Standbys,
}

/// An error that belongs in a server's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedError {
    pub sqlstate: String,
    /// The server whose log it belongs in; none: any.
    pub server: Option<String>,
    /// The role that runs into it; none: any.
    pub role: Option<String>,
}

/// Lines of a server's log that differ in their time alone and follow each other closely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLines {
    pub server: String,
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The SQLSTATE; empty for lines of background processes.
    pub sqlstate: String,
    /// The role that was logged in; empty: none, or not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The message; a long one is cut.
    pub message: String,
    pub count: u64,
    /// When the first was written, by the clock of the server's host.
    pub first: Timestamp,
    /// When the last was written; a second later at most.
    pub last: Timestamp,
}
