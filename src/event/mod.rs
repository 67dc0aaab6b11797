//! The event kinds: the one interface between doing and telling.
//!
//! A drill appends events to its history; checks, measures and reports are folds
//! over them. All times are microseconds of the harness's monotonic clock since
//! the drill began (`*_us`); wall time stands once, in [`EventKind::DrillStarted`],
//! and where a server's own clock matters. Nothing here does or judges anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod backup;
mod record;

pub use backup::*;
pub use record::*;

use crate::{
    meter::Spent,
    observation::{Observation, Probe},
    scenario::plan::{Phase, StepIndex},
};

/// One line of `history.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the history, from 0, without gaps.
    pub seq: u64,
    /// When it was recorded, in microseconds since the drill began.
    pub at_us: u64,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The first event of every history.
    DrillStarted {
        /// The [format](crate::history::FORMAT) of the history and of the plan beside it.
        format: u32,
        scenario: String,
        /// The drill's identity within its run, e.g. `oa-table-dropped-pg17`.
        drill: String,
        /// Wall time at which the monotonic clock read zero (RFC 3339, UTC).
        wall: String,
        /// Version of pgdrill that performed it.
        pgdrill: String,
    },
    Environment {
        /// `docker` or `local`.
        runtime: String,
        postgres: u32,
        /// The image and its digest; empty on `local`.
        image: String,
        /// Tool → version as the tool itself states it.
        versions: BTreeMap<String, String>,
    },
    /// From now on, until the next mark, time counts towards this span.
    PhaseBegan {
        phase: Phase,
    },
    StepBegan {
        step: StepIndex,
        title: String,
    },
    StepEnded {
        step: StepIndex,
        outcome: StepOutcome,
    },
    /// What a stretch of the drill, which ends now, was spent on.
    Spent(Spent),
    /// How far long work has come; at the end everything is done.
    Progress {
        /// The work: `load`, `backup`, `fetch` or `replay`.
        work: String,
        done: u64,
        /// Bytes to do; 0 when not known.
        total: u64,
    },
    /// A command ended in a node: one line of the runbook that was performed.
    Command(CommandRecord),
    ServerReady {
        server: String,
        /// `server_version_num`.
        version: u32,
        system_identifier: u64,
        timeline: u32,
        /// Bytes of a WAL segment.
        segment_size: u64,
    },
    DataLoaded {
        /// `pg_database_size` after the load, in bytes.
        bytes: u64,
        /// Bytes demanded by the scenario.
        wanted: u64,
        rows: u64,
        took_us: u64,
    },
    WorkloadBegan {
        workload: String,
        clients: u32,
    },
    Throughput(Throughput),
    WorkloadEnded(WorkloadSummary),
    WalPosition(WalPosition),
    BackupTaken(BackupRecord),
    /// What a tool said that it has.
    BackupsListed {
        /// The backup's name in the strategy.
        backup: String,
        /// The cluster in whose stores it looked, by its first server.
        cluster: String,
        /// Oldest first.
        listed: Vec<Listed>,
    },
    RetentionApplied {
        /// The cluster whose stores they are, by its first server.
        cluster: String,
        removed_backups: Vec<String>,
        removed_wal: Vec<String>,
    },
    /// What was asked of a store that speaks S3, in the whole drill.
    ObjectStoreServed(ObjectStoreRecord),
    VerifierSaid(VerifierSaid),
    FaultInjected(FaultRecord),
    /// A business's writes were revoked.
    Frozen {
        workload: String,
        role: String,
        /// What exactly.
        revoked: Revoked,
    },
    /// A business's writes were granted back.
    Thawed {
        workload: String,
    },
    /// Recovery ended in a new timeline: what it had before it, and where it ended.
    Recovered(RecoveryRecord),
    /// A restore ended and the server runs.
    Restored(RestoreRecord),
    /// Lost rows were brought home.
    Salvaged {
        from: String,
        into: String,
        tables: Vec<SalvagedTable>,
    },
    /// Clients of these workloads now go to another server.
    CutOver {
        workloads: Vec<String>,
        to: String,
    },
    Observed {
        moment: Moment,
        server: String,
        took_us: u64,
        observation: Observation,
    },
    RowsImaged(ImageRecord),
    /// A probe could not look; the checks that need it are `unknown`.
    ProbeFailed {
        moment: Moment,
        server: String,
        probe: Probe,
        error: String,
    },
    NodeStats(NodeStats),
    /// From now on, until the end of the same cause, these errors belong in the servers' logs.
    ErrorsExpected {
        cause: Cause,
        errors: Vec<ExpectedError>,
    },
    /// Their cause is gone. A fault may be healed by one step after the other: its last end
    /// counts.
    ErrorsOver {
        cause: Cause,
    },
    /// A server's log was read; its lines of severity ERROR and worse are the `ServerLog`
    /// events. Without this event nobody looked, and `server-log` is `unknown`.
    ServerLogRead {
        server: String,
        lines: u64,
        /// What of it could not be read or told, and why; empty when nothing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        unread: String,
    },
    /// Lines of a server's log with severity ERROR or worse, whatever explains them.
    ServerLog(LogLines),
    /// Something happened that could not be recorded without a secret: the history is no
    /// evidence.
    Withheld,
    /// Something a reader should know that is no failure.
    Note {
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
        /// Why nothing could be removed: the engine does not answer. Empty: it did.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        unanswered: String,
    },
}
