//! The event kinds: the one interface between doing and telling.
//!
//! A drill appends events to its history; checks, measures and reports are folds
//! over them. All times are microseconds of the harness's monotonic clock since
//! the drill began (`*_us`); wall time stands once, in [`EventKind::DrillStarted`],
//! and where a server's own clock matters. Nothing here does or judges anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    observation::Observation,
    scenario::plan::{Phase, StepIndex},
};

/// One line of `history.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the history, from 0, without gaps.
    pub seq: u64,
    /// When it was recorded, in microseconds since the drill began.
    pub at_us: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The first event of every history.
    DrillStarted {
        /// The scenario's name.
        scenario: String,
        /// The drill's identity within its run, e.g. `oa-table-dropped-pg17`.
        drill: String,
        /// Wall time at which the monotonic clock read zero (RFC 3339, UTC).
        wall: String,
        /// Version of pgdrill that performed it.
        pgdrill: String,
    },
    /// What the drill ran on.
    Environment {
        /// `docker` or `local`.
        runtime: String,
        /// PostgreSQL's major version.
        postgres: u32,
        /// The image and its digest; empty on `local`.
        image: String,
        /// Tool → version as the tool itself states it.
        versions: BTreeMap<String, String>,
    },
    /// From now on, until the next mark, time counts towards this span.
    PhaseBegan {
        /// The span.
        phase: Phase,
    },
    /// A step of the plan began.
    StepBegan {
        /// Which one.
        step: StepIndex,
        /// What it does, in one line.
        title: String,
    },
    /// A step of the plan ended.
    StepEnded {
        /// Which one.
        step: StepIndex,
        /// How.
        outcome: StepOutcome,
    },
    /// How far long work has come. Shown live, not kept in the history.
    Progress {
        /// The work, e.g. `load`, `backup`, `fetch`.
        work: String,
        /// Bytes done.
        done: u64,
        /// Bytes to do; 0 when not known.
        total: u64,
    },
    /// A command ended in a node: one line of the runbook that was performed.
    Command(CommandRecord),
    /// A server accepts connections.
    ServerReady {
        /// Its name in the scenario.
        server: String,
        /// `server_version_num`.
        version: u32,
        /// `system_identifier` of the cluster.
        system_identifier: u64,
        /// Its timeline.
        timeline: u32,
    },
    /// The data model was created and filled.
    DataLoaded {
        /// `pg_database_size` after the load, in bytes.
        bytes: u64,
        /// Bytes demanded by the scenario.
        wanted: u64,
        /// Rows loaded.
        rows: u64,
        /// How long the load took.
        took_us: u64,
    },
    /// A workload's clients began.
    WorkloadBegan {
        /// Its name.
        workload: String,
        /// Number of clients.
        clients: u32,
    },
    /// One second of a workload.
    Throughput(Throughput),
    /// A workload's clients ended.
    WorkloadEnded(WorkloadSummary),
    /// Where the WAL of a server stood.
    WalPosition {
        /// The server.
        server: String,
        /// `pg_current_wal_insert_lsn()` as a number.
        lsn: u64,
        /// `last_archived_wal` of `pg_stat_archiver`; empty when none.
        last_archived: String,
        /// `failed_count` of `pg_stat_archiver`.
        archive_failures: u64,
    },
    /// A backup ended well.
    BackupTaken(BackupRecord),
    /// Retention ran over the backup storage.
    RetentionApplied {
        /// Labels of the backups removed.
        removed_backups: Vec<String>,
        /// Names of the WAL segments removed.
        removed_wal: Vec<String>,
    },
    /// What a tool's own verifier said, to be held against the truth.
    VerifierSaid {
        /// E.g. `pg_verifybackup`.
        tool: String,
        /// What it looked at, e.g. a backup's label.
        object: String,
        /// Whether it called the object good.
        good: bool,
        /// The last lines of its output.
        output: String,
    },
    /// A fault was injected.
    FaultInjected(FaultRecord),
    /// A business's writes were revoked.
    Frozen {
        /// The workload.
        workload: String,
    },
    /// A business's writes were granted back.
    Thawed {
        /// The workload.
        workload: String,
    },
    /// A restore ended and the server runs.
    Restored(RestoreRecord),
    /// Lost rows were brought home.
    Salvaged {
        /// From the scratch server.
        from: String,
        /// Into this one.
        into: String,
        /// A row for each table touched.
        tables: Vec<SalvagedTable>,
    },
    /// Clients of these workloads now go to another server.
    CutOver {
        /// The workloads moved.
        workloads: Vec<String>,
        /// The server they go to.
        to: String,
    },
    /// A probe looked at a server.
    Observed {
        /// Before the fault, at a gate, or after the last step.
        moment: Moment,
        /// The server.
        server: String,
        /// How long the probe took.
        took_us: u64,
        /// What it saw.
        observation: Observation,
    },
    /// A probe could not look; the checks that need it are `unknown`.
    ProbeFailed {
        /// Before the fault, at a gate, or after the last step.
        moment: Moment,
        /// The server.
        server: String,
        /// The probe's name.
        probe: String,
        /// Why.
        error: String,
    },
    /// Resources a node used since it was created (CPU, I/O) and uses now (memory).
    NodeStats {
        /// The node.
        node: String,
        /// CPU time in microseconds.
        cpu_us: u64,
        /// Memory in use, in bytes.
        memory: u64,
        /// Bytes read from block devices.
        read_bytes: u64,
        /// Bytes written to block devices.
        written_bytes: u64,
    },
    /// A server's log was read to its end; the lines worth a finding are the `ServerLog`
    /// events. Without this event nobody looked, and `server-log` is `unknown`.
    ServerLogRead {
        /// The server.
        server: String,
        /// Lines read.
        lines: u64,
    },
    /// A line of a server's log with severity ERROR or worse that no step declared.
    ServerLog {
        /// The server.
        server: String,
        /// `ERROR`, `FATAL` or `PANIC`.
        severity: String,
        /// The SQLSTATE.
        sqlstate: String,
        /// The message.
        message: String,
    },
    /// Something a reader should know that is no failure.
    Note {
        /// The text.
        text: String,
    },
    /// The last event of every history that was closed properly.
    DrillEnded {
        /// Whether every step was performed; a cancelled or broken drill was not.
        completed: bool,
        /// Why not; empty when completed.
        reason: String,
        /// Objects that could not be removed; empty when nothing leaked.
        leaked: Vec<String>,
    },
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// As planned.
    Done,
    /// With an error (the whole message, with command line and last lines).
    Failed(String),
    /// Not tried, because an earlier step failed.
    Skipped,
}

/// A command that was executed in a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The node.
    pub node: String,
    /// The user it ran as.
    pub user: String,
    /// The command line, quoted for a shell.
    pub command: String,
    /// Exit code; 128 + signal when killed; -1 when it did not start.
    pub exit: i32,
    /// Wall time it took.
    pub took_us: u64,
    /// The last lines of its standard output.
    pub stdout: String,
    /// The last lines of its standard error.
    pub stderr: String,
}

/// One second of a workload, for the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// The workload.
    pub workload: String,
    /// Begin of the window.
    pub from_us: u64,
    /// Transactions acknowledged in it.
    pub ok: u64,
    /// Transactions refused in it.
    pub fail: u64,
    /// Transactions whose answer was lost in it.
    pub info: u64,
    /// 95th percentile of latency from the intended start, in microseconds.
    pub p95_us: u64,
}

/// A workload over its whole life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSummary {
    /// The workload.
    pub workload: String,
    /// Transactions acknowledged.
    pub ok: u64,
    /// Transactions refused.
    pub fail: u64,
    /// Transactions whose answer was lost.
    pub info: u64,
    /// Latency from the intended start, in microseconds: median.
    pub p50_us: u64,
    /// 95th percentile.
    pub p95_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Maximum.
    pub max_us: u64,
    /// The commonest errors, `SQLSTATE message` → count.
    pub errors: BTreeMap<String, u64>,
}

/// A backup that a tool reported as good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// Its name in the backup storage.
    pub label: String,
    /// `full` or `tables`.
    pub kind: String,
    /// The server it was taken of.
    pub server: String,
    /// Start LSN; 0 for a logical backup.
    pub start_lsn: u64,
    /// End LSN; 0 for a logical backup.
    pub end_lsn: u64,
    /// Begin, in the drill's clock.
    pub began_us: u64,
    /// Bytes in the backup storage.
    pub bytes: u64,
}

/// A fault, and the evidence that it bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its name in a scenario, e.g. `drop-table`.
    pub fault: String,
    /// What it hit, e.g. `internal_oa.users`.
    pub target: String,
    /// The server.
    pub server: String,
    /// Which kind of boundary it draws.
    pub boundary: Boundary,
    /// Begin of the injection.
    pub began_us: u64,
    /// End of the injection.
    pub ended_us: u64,
    /// The server's clock just before it, RFC 3339 with microseconds.
    pub server_time: String,
    /// WAL insert position just before it (the last one known for a lost server).
    pub lsn: u64,
    /// Transaction id of a bad statement.
    pub xid: Option<u64>,
    /// LSN of the statement's commit record, read with `pg_waldump`.
    pub commit_lsn: Option<u64>,
    /// Whether it was shown to have bitten.
    pub bit: bool,
    /// What shows it.
    pub evidence: String,
}

/// Where "before" ends (see `measures.md`, Boundary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Lost server or storage: the instant the injection begins.
    Instant,
    /// A bad statement: the commit of that statement.
    Statement,
    /// Nothing is lost by the fault itself (damaged index, revoked grants, stopped archiving).
    None,
}

/// A restore that ended in a running server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// The new server.
    pub server: String,
    /// Label of the backup it began from.
    pub backup: String,
    /// The recovery target as given to the server, e.g. `recovery_target_lsn = 0/3000148`.
    pub target: String,
    /// Whether it is a scratch server, never to serve clients.
    pub scratch: bool,
    /// Timeline after recovery.
    pub timeline: u32,
    /// LSN of the last record replayed, as the server's log states it; 0 when it does not.
    pub reached_lsn: u64,
    /// Commit time of the last transaction replayed, as the server's log states it.
    pub reached_time: String,
    /// Bytes fetched from the backup storage.
    pub bytes: u64,
}

/// What salvage did to one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SalvagedTable {
    /// Schema-qualified name.
    pub table: String,
    /// Whether the table itself had to be created again.
    pub created: bool,
    /// Rows inserted because they were missing.
    pub inserted: u64,
    /// Rows replaced because they were damaged.
    pub replaced: u64,
}

/// When a probe looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Steady state, before the fault.
    Before,
    /// At a `verify` step: the gate before clients come back.
    Gate,
    /// After the last step, workloads ended.
    After,
}
