//! How a system backs up and recovers: named backups, each taken by one tool, and how WAL is
//! archived beside them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nature;
use crate::{
    backup::{Tool, WalArchive},
    store::{LOCAL, Store},
    units::Time,
};

/// How a system backs up and recovers. Settings and commands may use the
/// placeholders `{store}`, `{archive}`, `{data}`, `{bin}` and `{run}`: paths inside the node.
/// `{store.NAME}` and `{archive.NAME}` are those of a store beside the local one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyPlan {
    pub name: String,
    /// Server settings it demands, placeholders not yet filled in.
    pub settings: BTreeMap<String, String>,
    /// How a running server learns of them.
    pub apply: Apply,
    pub wal: Wal,
    /// The stores by their names, the local one among them.
    pub stores: BTreeMap<String, Store>,
    /// The backups by their names.
    pub backups: BTreeMap<String, BackupPlan>,
    /// What removes old backups and WAL.
    pub retention: Retention,
    /// How recovery is asked for.
    pub recovery: Recovery,
}

impl StrategyPlan {
    /// Where WAL is archived, and by which commands; none when it is not.
    pub fn archive(&self) -> Option<WalArchive> {
        match &self.wal {
            Wal::None => None,
            Wal::Safe => Some(WalArchive::safe(&self.stores_of_wal())),
            Wal::Command(command) => {
                let stores: Vec<String> = self.stores.keys().cloned().collect();
                Some(WalArchive::command(command, &stores))
            }
            Wal::By(name) => {
                let backup = self.backups.get(name)?;
                backup.tool.archive(&backup.to)
            }
        }
    }

    /// WAL goes wherever a backup goes that needs it: one store alone is to be enough.
    fn stores_of_wal(&self) -> Vec<String> {
        let needs = |one: &&BackupPlan| one.tool.abilities().nature == Nature::Physical;
        let mut stores: Vec<String> = Vec::new();
        for store in self.backups.values().filter(needs).flat_map(|one| &one.to) {
            if !stores.contains(store) {
                stores.push(store.clone());
            }
        }
        if stores.is_empty() {
            vec![LOCAL.to_owned()]
        } else {
            stores
        }
    }
}

/// A backup that is taken again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupPlan {
    /// What takes it, with its options.
    pub tool: Tool,
    /// The stores it goes to, the one that is taken into first.
    pub to: Vec<String>,
    /// The node that its tool takes it on; none: the server's own.
    pub on: Option<String>,
    /// It is kept this long; none: for ever.
    pub keep: Option<Time>,
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
pub enum Wal {
    /// pgdrill's script: never overwrites, never leaves a short file, syncs.
    #[default]
    Safe,
    /// No WAL archive at all.
    None,
    /// This `archive_command`, placeholders to be filled in.
    Command(String),
    /// The tool of this backup, into its own repository.
    By(String),
}

/// What removes old backups and WAL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// WAL is kept at least this long; none: for ever.
    pub wal: Option<Time>,
    /// What decides.
    pub rule: RetentionRule,
}

/// What decides which backups go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionRule {
    /// Each backup's tool, by its `keep`; of an archive without a tool, no WAL that a kept backup
    /// needs. The newest backup is never removed.
    #[default]
    Computed,
    /// This shell command, run in the backup storage.
    Command(String),
}

/// How recovery is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// `recovery.signal` (version 12 on) or the `recovery.conf` of older ones.
    pub signal: RecoverySignal,
    /// `restore_command`, placeholders to be filled in; none: the archive's own.
    pub restore_command: Option<String>,
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
