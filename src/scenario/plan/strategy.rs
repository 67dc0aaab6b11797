//! How a system backs up and recovers: named backups, each taken by one tool, and how WAL is
//! archived beside them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::{Nature, TargetAction, settings};
use crate::{
    backup::{Tool, WalArchive},
    scenario::schema,
    store::{LOCAL, Store, local},
    units::{Time, is_default},
};

/// How a system backs up and recovers. Settings and commands may use the placeholders
/// `{store}`, `{archive}`, `{data}`, `{bin}` and `{run}`, and `{store.NAME}` and `{archive.NAME}` of
/// the stores beside `local`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "pgdrill strategy")]
pub struct StrategyPlan {
    /// The shipped one's, or its file's; `inline` where it stands in the scenario.
    #[serde(default)]
    #[schemars(skip)]
    pub name: String,
    /// What it does, for people.
    pub about: String,
    /// Server settings it demands.
    #[serde(default, deserialize_with = "settings::read")]
    #[schemars(schema_with = "settings::schema", skip_serializing_if = "is_default")]
    pub settings: BTreeMap<String, String>,
    /// How a running server learns of them. Default: `restart`.
    #[serde(default)]
    pub apply: Apply,
    /// What archives WAL: `safe` (pgdrill's own script), `none`, a `command`, or `by` the tool of
    /// one of the backups. Default: `safe`.
    #[serde(default)]
    pub wal: Wal,
    /// The stores beside `local`, which is always there, by names of your own.
    #[serde(default)]
    pub stores: BTreeMap<String, Store>,
    /// The backups by names of your own, each taken by one tool.
    #[schemars(extend("minProperties" = 1))]
    pub backups: BTreeMap<String, BackupPlan>,
    /// Scripts that lie in `{run}` of every server, executable, under these names. Where each is: a
    /// shipped one's name, or a path from this file, with a `/` in it. In a plan: its text.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub scripts: BTreeMap<String, String>,
    /// What removes old backups and WAL.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub retention: Retention,
    /// How recovery is asked for.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub recovery: Recovery,
}

impl StrategyPlan {
    /// As it stands in a plan: under its name, and with the local store.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self.stores.entry(local()).or_default();
        self
    }

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

/// A backup: the tool that takes it, with its options, and beside it `to`, `on` and `keep`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Backup", description = "A backup", transform = alternatives)]
pub struct BackupPlan {
    /// The stores it goes to; it is taken into the first. Default: `[local]`
    #[serde(default = "only_local")]
    #[schemars(length(min = 1), skip_serializing_if = "is_only_local")]
    pub to: Vec<String>,
    /// The node of the scenario that it is taken on. Default: the server's own
    pub on: Option<String>,
    /// It is kept this long. Default: for ever
    pub keep: Option<Time>,
    #[serde(flatten)]
    pub tool: Tool,
}

fn only_local() -> Vec<String> {
    vec![local()]
}

fn is_only_local(to: &[String]) -> bool {
    *to == only_local()
}

/// Each tool with what may stand beside it.
fn alternatives(backup: &mut Schema) {
    schema::beside(backup, |_tool, _key| true);
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// WAL is kept at least this long. Default: for ever.
    pub wal: Option<Time>,
    /// What decides: `computed`, or a shell `command` run in the backup storage. Default: `computed`.
    #[serde(default)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Which file asks for it. Default: `recovery-signal`.
    #[serde(default)]
    pub signal: RecoverySignal,
    /// The `restore_command`. Default: what fetches from where WAL is archived.
    pub restore_command: Option<String>,
    /// The `recovery_target_action`. Default: PostgreSQL's own, which pauses at a target.
    #[serde(rename = "recovery_target_action")]
    pub target_action: Option<TargetAction>,
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
