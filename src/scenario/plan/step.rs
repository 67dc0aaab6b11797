//! What a drill does, one step after the other. An action is the same in the plan as in the file of a
//! scenario; in a plan, what the file may leave out is filled in.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{BackupKind, Fault, PRIMARY, ServerPlan, TargetAction, TargetTimeline};
use crate::units::{Time, is_default};

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Line of the scenario file, from 1.
    pub line: usize,
    /// What it does, in one line.
    pub title: String,
    /// It must have ended by then.
    pub deadline: Time,
    /// The server it acts on, where its action names none.
    pub server: String,
    /// The database it acts in, where it does not act on a whole server.
    pub database: String,
    /// What the fault that it injects is called, no two alike; empty where it injects none.
    pub fault: String,
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Take a backup of a server.
    Backup(BackupStep),
    /// Let the workloads run.
    Run(RunFor),
    /// `CHECKPOINT`.
    Checkpoint {},
    /// `pg_switch_wal()`, then wait until the segment is archived.
    SwitchWal {},
    /// `pg_create_restore_point()` with this name.
    RestorePoint(#[schemars(extend("format" = "restore-point"))] String),
    /// Inject a fault.
    Inject(Fault),
    /// Undo the fault of this name by itself, where it can be.
    Heal(String),
    /// Revoke the writes of this workload's business.
    Freeze(String),
    /// Grant the writes of this workload's business back.
    Thaw(String),
    /// Shut down the application whose clients these are: their connections are closed.
    StopWorkload(String),
    /// Start the application of this workload again.
    StartWorkload(String),
    /// Restore into a new server.
    Restore(Restore),
    /// Bring lost or damaged rows home from a scratch server.
    Salvage(Salvage),
    /// `REINDEX` of an index or a table, with its schema.
    Reindex(String),
    /// Start this server, which is down, in place (crash recovery).
    Start(String),
    /// Promote this standby.
    Promote(String),
    /// Move workloads to another server.
    CutOver(CutOver),
    /// Make the gate checks on this server: RTO ends no earlier than this.
    Verify(String),
    /// Make every backup and WAL file in all stores look this much older.
    Age(Time),
    /// Apply the strategy's retention.
    Expire {},
    /// Wait for a condition.
    Wait(Wait),
    /// Run SQL as the superuser.
    Sql(String),
    /// Run a shell command in the server's node, as its unprivileged user.
    Command(String),
}

impl Action {
    pub fn restore(&self) -> Option<&Restore> {
        match self {
            Self::Restore(restore) => Some(restore),
            _other => None,
        }
    }

    /// Whether this step may harm rows that clients wrote, or write them anew.
    pub fn may_harm_rows(&self) -> bool {
        matches!(
            self,
            Self::Inject(_) | Self::Salvage(_) | Self::Sql(_) | Self::Command(_)
        )
    }
}

impl Step {
    /// Whether it repairs a server in place.
    pub fn repairs(&self, server: &str) -> bool {
        match &self.action {
            Action::Salvage(salvage) => salvage.into() == server,
            Action::Reindex(_) => self.server == server,
            Action::Start(started) => started == server,
            _other => false,
        }
    }
}

/// The cluster that a server is of: itself where it is there from the beginning, else the one that it
/// is a standby of, or whose backup it is restored from.
pub fn cluster_of<'s>(
    servers: &'s BTreeMap<String, ServerPlan>,
    mut restores: impl Iterator<Item = &'s Restore>,
    server: &'s str,
) -> &'s str {
    if let Some(stated) = servers.get(server) {
        return stated.standby_of.as_deref().unwrap_or(server);
    }
    let made = restores.find(|one| !one.in_place && one.into == server);
    made.map_or(server, Restore::of)
}

/// Whether a server of this name is a scratch server.
pub fn is_scratch(server: &str) -> bool {
    server == "scratch" || server.starts_with("scratch-")
}

/// A backup: its name in the strategy, or that and more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BackupStep {
    /// Its name.
    Named(String),
    /// Its name and kind.
    Of(BackupOf),
}

/// A backup of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupOf {
    /// The backup's name in the strategy.
    pub of: String,
    /// What kind of it. Default: the first that its tool can take.
    pub kind: Option<BackupKind>,
}

impl BackupStep {
    /// The backup's name in the strategy.
    pub fn of(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Of(backup) => &backup.of,
        }
    }

    /// The kind, which every plan states.
    pub fn kind(&self) -> Option<BackupKind> {
        match self {
            Self::Named(_) => None,
            Self::Of(backup) => backup.kind,
        }
    }
}

/// How long the workloads run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum RunFor {
    /// This long.
    Time(Time),
    /// Until so many more transactions were acknowledged, over all workloads.
    Transactions {
        /// So many more, over all workloads.
        #[schemars(range(min = 1))]
        transactions: u64,
    },
}

/// A restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restore {
    /// Name of the server it becomes. `scratch` (or a name that begins with `scratch-`) never
    /// serves clients, archives nothing and is removed at the end.
    #[schemars(extend("format" = "name"))]
    pub into: String,
    /// Whose backup it is: a server that is there from the beginning. Default: `primary`, or in place
    /// the one that `into` comes from.
    pub of: Option<String>,
    /// The backup's name in the strategy. Default: the only one of a whole cluster.
    pub from: Option<String>,
    /// A backup's own label, as its tool lists it. Default: the newest that reaches the target.
    pub backup: Option<String>,
    /// The so manieth that its tool lists, counted from the newest, which is 1. Default: as `backup`.
    #[schemars(range(min = 1))]
    pub nth: Option<u32>,
    /// The store it is restored from. Default: the first of its stores that has one of use.
    pub store: Option<String>,
    /// Up to where. Default: `latest`.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub target: Target,
    /// The timeline that recovery follows: its number, `latest`, or `current`, which is the backup's.
    /// Default: as the server's settings say it, else `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<TargetTimeline>,
    /// What the server does at its target, in place of what the strategy states.
    pub action: Option<TargetAction>,
    /// Into a server that is there, in the place of its data. Default: a new server.
    #[serde(default)]
    pub in_place: bool,
    /// Of several databases only these, into a scratch server: the others can't be used there.
    /// Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Of a dump the rows of these schemas alone, into a scratch server. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// Of a dump the rows of these tables alone, partitions included, into a scratch server. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

impl Restore {
    /// The cluster whose backup it is, by its first server.
    pub fn of(&self) -> &str {
        self.of.as_deref().unwrap_or(PRIMARY)
    }

    /// The backup's name in the strategy, which every plan states.
    pub fn from(&self) -> &str {
        self.from.as_deref().unwrap_or_default()
    }
}

/// A recovery target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = before_first)]
pub enum Target {
    /// All WAL there is.
    #[default]
    Latest,
    /// As soon as the backup is consistent.
    Immediate,
    /// A point in time, with its zone: `2026-01-31T12:00:00Z`.
    Time(#[schemars(extend("format" = "instant"))] String),
    /// A WAL position: `0/3000148`.
    Lsn(#[schemars(extend("format" = "lsn"))] String),
    /// Just before this transaction's commit.
    Xid(u64),
    /// A named restore point.
    Name(String),
    // The bad statement's own commit LSN, exclusive; for other faults the server's WAL position just
    // before.
    /// Relative to a fault.
    #[serde(untagged)]
    Before {
        /// The fault of this name; `fault`: the newest.
        #[serde(rename = "before")]
        fault: String,
        /// By this much time (divided by the scale). Default: just before.
        by: Option<Time>,
        /// What tells where just before is. Default: `lsn`.
        #[serde(default, rename = "type", skip_serializing_if = "is_default")]
        kind: TargetType,
        /// The time is written as clocks of this zone show it, without an offset: the server takes it
        /// for its own. Default: with its offset.
        #[serde(skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
}

/// What tells of a point in WAL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum TargetType {
    /// The position of the bad statement's commit record.
    #[default]
    Lsn,
    /// The bad statement's transaction.
    Xid,
}

impl Target {
    /// Before a fault: just before it, by WAL position, or by so much time.
    pub fn before(fault: &str, by: Option<Time>) -> Self {
        Self::Before {
            fault: fault.to_owned(),
            by,
            kind: TargetType::default(),
            zone: None,
        }
    }
}

/// The target of most scenarios is told of first.
fn before_first(schema: &mut Schema) {
    if let Some(Json::Array(targets)) = schema.get_mut("anyOf") {
        targets.rotate_right(1);
    }
}

/// What is brought home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Salvage {
    /// Tables, with their schemas.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Whole schemas, with their grants.
    #[serde(default)]
    pub schemas: Vec<String>,
    /// The server with the loss. Default: `primary`.
    pub into: Option<String>,
    /// The scratch server. Default: the one restored last.
    pub from: Option<String>,
    /// How. Default: `rows`.
    #[serde(default)]
    pub by: SalvageBy,
}

impl Salvage {
    /// The server with the loss.
    pub fn into(&self) -> &str {
        self.into.as_deref().unwrap_or(PRIMARY)
    }

    /// The scratch server, which every plan states.
    pub fn from(&self) -> &str {
        self.from.as_deref().unwrap_or_default()
    }
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

/// A cut-over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutOver {
    /// The server.
    pub to: String,
    /// The workloads. Default: all.
    #[schemars(length(min = 1))]
    pub workloads: Option<Vec<String>>,
}

impl CutOver {
    /// The workloads, which every plan states.
    pub fn workloads(&self) -> &[String] {
        self.workloads.as_deref().unwrap_or_default()
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// A query that returns one boolean; waited for until true.
    pub until: String,
}
