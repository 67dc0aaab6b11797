//! What a drill does, one step after the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, TargetAction};
use crate::units::Time;

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Line of the scenario file, from 1.
    pub line: usize,
    /// What it does, in one line.
    pub title: String,
    /// It must have ended by then.
    pub deadline: Time,
    /// The database it acts in, where it does not act on a whole server.
    pub database: String,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Take a backup of a server.
    Backup {
        /// The server.
        server: String,
        /// Which of the strategy's.
        of: String,
        kind: BackupKind,
    },
    /// Let the workloads run.
    Run(RunFor),
    /// `CHECKPOINT`.
    Checkpoint {
        /// The server.
        server: String,
    },
    /// `pg_switch_wal()`, then wait until the segment is archived.
    SwitchWal {
        /// The server.
        server: String,
    },
    /// `pg_create_restore_point()`.
    RestorePoint {
        /// The server.
        server: String,
        /// The point's name.
        name: String,
    },
    /// Inject a fault.
    Inject {
        /// The server.
        server: String,
        /// What it is called; no two are called alike.
        name: String,
        /// The fault.
        fault: Fault,
    },
    /// Undo a fault by itself.
    Heal {
        /// The fault's name.
        fault: String,
    },
    /// Revoke a business's writes.
    Freeze {
        /// The workload.
        workload: String,
        /// The server.
        server: String,
    },
    /// Grant a business's writes back.
    Thaw {
        /// The workload.
        workload: String,
        /// The server.
        server: String,
    },
    /// Restore a backup.
    Restore {
        /// Which of the strategy's.
        from: String,
        /// Its label; none: the newest that reaches the target.
        label: Option<String>,
        /// The store it lies in; none: the first that has one of use.
        #[serde(default)]
        store: Option<String>,
        /// The cluster whose backup it is, by its first server.
        of: String,
        /// Name of the server it becomes.
        into: String,
        /// Never to serve clients, archives nothing, removed at the end.
        scratch: bool,
        /// In the place of a server's data that is there, and not into a new one.
        in_place: bool,
        /// Up to where.
        target: Target,
        /// What the server does there, in place of what the strategy states.
        action: Option<TargetAction>,
    },
    /// Bring lost or damaged rows home.
    Salvage {
        /// The scratch server.
        from: String,
        /// The server with the loss.
        into: String,
        /// Tables, schema-qualified; those of `schemas` are added when it runs.
        tables: Vec<String>,
        /// Whole schemas.
        schemas: Vec<String>,
        /// How.
        by: SalvageBy,
    },
    /// `REINDEX`.
    Reindex {
        /// The server.
        server: String,
        /// An index or a table, schema-qualified.
        object: String,
    },
    /// Start a server that is down, in place (crash recovery).
    Start {
        /// The server.
        server: String,
    },
    /// Have a standby leave recovery and accept writes.
    Promote {
        /// The server.
        server: String,
    },
    /// Move workloads to another server.
    CutOver {
        /// The workloads.
        workloads: Vec<String>,
        /// The server.
        to: String,
    },
    /// Make the gate checks: RTO ends no earlier than this.
    Verify {
        /// The server.
        server: String,
    },
    /// Make every backup and WAL file in all stores look this much older.
    Age(Time),
    /// Apply the strategy's retention.
    Expire,
    /// Wait for a condition.
    Wait {
        /// The server.
        server: String,
        /// A query that returns one boolean; waited for until true.
        until: String,
    },
    /// Run SQL as the superuser.
    Sql {
        /// The server.
        server: String,
        /// The statements.
        sql: String,
    },
    /// Run a shell command in a server's node as its unprivileged user.
    Command {
        /// The server.
        server: String,
        /// The command, placeholders to be filled in.
        command: String,
    },
}

impl Action {
    /// Whether this step may harm rows that clients wrote, or write them anew.
    pub fn may_harm_rows(&self) -> bool {
        matches!(
            self,
            Self::Inject { .. } | Self::Salvage { .. } | Self::Sql { .. } | Self::Command { .. }
        )
    }

    /// Whether this step, in a recovery, brings a workload's service back or a part of it.
    pub fn brings_back(&self, workload: &str) -> bool {
        match self {
            Self::Salvage { .. } | Self::Reindex { .. } | Self::Start { .. } => true,
            Self::Thaw {
                workload: thawed, ..
            } => thawed == workload,
            Self::CutOver { workloads, .. } => workloads.iter().any(|name| name == workload),
            Self::Backup { .. }
            | Self::Run(_)
            | Self::Checkpoint { .. }
            | Self::SwitchWal { .. }
            | Self::RestorePoint { .. }
            | Self::Inject { .. }
            | Self::Heal { .. }
            | Self::Freeze { .. }
            | Self::Restore { .. }
            | Self::Promote { .. }
            | Self::Verify { .. }
            | Self::Age(_)
            | Self::Expire
            | Self::Wait { .. }
            | Self::Sql { .. }
            | Self::Command { .. } => false,
        }
    }
}

/// What kind of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackupKind {
    /// Everything, physically.
    #[default]
    Full,
    /// What changed since the last full one.
    Diff,
    /// What changed since the last one of any kind.
    Incr,
    /// A dump.
    Logical,
}

impl BackupKind {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diff => "differential",
            Self::Incr => "incremental",
            Self::Logical => "logical",
        }
    }
}

/// What a backup is, and so what a restore of it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// The files of a cluster: restored, it is the same cluster, and WAL leads it to any point.
    #[default]
    Physical,
    /// What SQL makes anew: restored, it is another cluster as of the backup's snapshot.
    Logical,
}

/// How long the workloads run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunFor {
    /// This long.
    Time(Time),
    /// Until so many more transactions were acknowledged, over all workloads.
    Transactions(u64),
}

/// How salvage brings rows home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SalvageBy {
    /// Insert missing rows, replace damaged ones; tables that are gone are created.
    #[default]
    Rows,
    /// Build all rows of the damaged table beside it, then truncate it and put them in.
    Swap,
}

/// A recovery target in PostgreSQL's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// All WAL there is.
    Latest,
    /// As soon as the backup is consistent.
    Immediate,
    /// A point in time, with zone.
    Time(String),
    /// A WAL position.
    Lsn(String),
    /// Just before this transaction's commit.
    Xid(u64),
    /// A named restore point.
    Name(String),
    /// Just before a fault: the bad statement's own commit LSN, exclusive; for other faults the
    /// server's WAL position just before.
    Before {
        /// The fault's name.
        fault: String,
        /// In place of it by time, so much earlier (divided by the scale).
        by: Option<Time>,
    },
}
