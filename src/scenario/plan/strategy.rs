//! How a system backs up and recovers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Time;

/// How a system backs up and recovers. Settings and commands may use the
/// placeholders `{store}`, `{archive}`, `{data}` and `{bin}`: paths inside the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyPlan {
    /// Its name.
    pub name: String,
    /// Server settings it demands, placeholders not yet filled in.
    pub settings: BTreeMap<String, String>,
    /// How a running server learns of them.
    pub apply: Apply,
    /// The WAL archive command: what the strategy states, or pgdrill's own safe one.
    pub archive: Archive,
    /// The full backup.
    pub full: FullBackup,
    /// Tables dumped by themselves; empty: none.
    pub tables: Vec<String>,
    /// What removes old backups and WAL.
    pub retention: Retention,
    /// How recovery is asked for.
    pub recovery: Recovery,
}

/// How a running server learns of changed settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Apply {
    /// Written before the server starts, or followed by a restart.
    #[default]
    Restart,
    /// `ALTER SYSTEM` and `pg_reload_conf()` on the running server.
    Reload,
}

/// What archives WAL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Archive {
    /// pgdrill's script: never overwrites, never leaves a short file, syncs.
    #[default]
    Safe,
    /// No WAL archive at all.
    None,
    /// This `archive_command`, placeholders to be filled in.
    Command(String),
}

/// What takes a full backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FullBackup {
    /// `pg_basebackup` in plain format with these further options.
    PgBasebackup(Vec<String>),
    /// The user's own script, run as the operator. Environment: `PGDRILL_BACKUP` (the
    /// empty directory to fill with a data directory), `PGDRILL_STORE`, `PGDRILL_DATA`,
    /// `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`. `{tablespaces}` stands for the options with
    /// which `pg_basebackup` lays each tablespace beside the backup.
    Command(String),
}

/// What removes old backups and WAL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Full backups are kept this long.
    pub full: Time,
    /// WAL is kept at least this long.
    pub wal: Time,
    /// Table dumps are kept this long.
    pub tables: Time,
    /// What decides.
    pub rule: RetentionRule,
}

/// What decides which backups go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionRule {
    /// Computed so that no kept backup loses WAL it needs, and the newest is never removed.
    #[default]
    Computed,
    /// This shell command, run in the backup storage.
    Command(String),
}

/// How recovery is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// `recovery.signal` (version 12 on) or the `recovery.conf` of older ones.
    pub signal: RecoverySignal,
    /// `restore_command`, placeholders to be filled in.
    pub restore_command: String,
    /// `recovery_target_action`; none: PostgreSQL's own, which is to pause at a target.
    pub target_action: Option<TargetAction>,
}

/// What a server does once it has reached its recovery target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetAction {
    /// It waits, read-only, until somebody promotes it.
    Pause,
    /// It leaves recovery and accepts writes.
    Promote,
    /// It ends.
    Shutdown,
}

impl TargetAction {
    /// Its name, as PostgreSQL has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Which file asks for recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecoverySignal {
    /// `recovery.signal` and settings: version 12 on.
    #[default]
    RecoverySignal,
    /// `recovery.conf`: before version 12; later servers refuse to start with it.
    RecoveryConf,
}
