//! The file format of steps: one key that says what is done, and beside it `server`, `database`,
//! `deadline` and `as`. A step without anything to say may be written as a bare word.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value as Json, json};

use super::plan::{BackupKind, Fault, SalvageBy, TargetAction};
use crate::units::Time;

/// One step.
#[derive(Clone, Debug)]
pub struct StepFile {
    /// The server it acts on, where it stands beside the step.
    pub server: Option<String>,
    /// The database, likewise.
    pub database: Option<String>,
    /// It must have ended by then.
    pub deadline: Option<Time>,
    /// What the fault that it injects is called.
    pub name: Option<String>,
    /// What it does.
    pub action: ActionFile,
}

/// What a step does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ActionFile {
    /// Take a backup of a server.
    Backup(BackupFile),
    /// Let the workloads run.
    Run(RunFile),
    /// `CHECKPOINT`.
    Checkpoint {},
    /// `pg_switch_wal()`, then wait until the segment is archived.
    SwitchWal {},
    /// `pg_create_restore_point()` with this name.
    RestorePoint(String),
    /// Inject a fault.
    Inject(Fault),
    /// Undo the fault of this name by itself, where it can be: `stop-archiving`, `close-store`.
    Heal(String),
    /// Revoke the writes of this workload's business.
    Freeze(String),
    /// Grant the writes of this workload's business back.
    Thaw(String),
    /// Restore into a new server.
    Restore(RestoreFile),
    /// Bring lost or damaged rows home from a scratch server.
    Salvage(SalvageFile),
    /// `REINDEX` of an index or a table, with its schema.
    Reindex(String),
    /// Start this server, which is down, in place (crash recovery).
    Start(String),
    /// Promote this standby.
    Promote(String),
    /// Move workloads to another server.
    CutOver(CutOverFile),
    /// Make the gate checks on this server: RTO ends no earlier than this.
    Verify(String),
    /// Make every backup and WAL file in all stores look this much older.
    Age(Time),
    /// Apply the strategy's retention.
    Expire {},
    /// Wait for a condition.
    Wait(WaitFile),
    /// Run SQL as the superuser.
    Sql(String),
    /// Run a shell command in the server's node, as its unprivileged user.
    Command(String),
}

/// A backup: its name in the strategy, or that and more.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BackupFile {
    /// Its name.
    Named(String),
    /// Its name and kind.
    Of(BackupOfFile),
}

/// A backup of a kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BackupOfFile {
    /// The backup's name in the strategy.
    pub of: String,
    /// What kind of it. Default: the first that its tool can take.
    pub kind: Option<BackupKind>,
}

impl BackupFile {
    /// The backup's name, the place where it stands in the step, and the kind.
    pub fn named(&self) -> (&str, &'static str, Option<BackupKind>) {
        match self {
            Self::Named(name) => (name, "backup", None),
            Self::Of(file) => (&file.of, "backup.of", file.kind),
        }
    }
}

/// How long the workloads run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RunFile {
    /// This long.
    Time(Time),
    /// Until so many more transactions were acknowledged, over all workloads.
    Transactions(TransactionsFile),
}

/// A number of transactions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TransactionsFile {
    /// So many more, over all workloads.
    #[schemars(range(min = 1))]
    pub transactions: u64,
}

/// A restore.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RestoreFile {
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
    /// The store it is restored from. Default: the first of its stores that has one of use.
    pub store: Option<String>,
    /// Up to where. Default: `latest`.
    pub target: Option<TargetFile>,
    /// What the server does at its target, in place of what the strategy states.
    pub action: Option<TargetAction>,
    /// Into a server that is there, in the place of its data. Default: a new server.
    #[serde(default)]
    pub in_place: bool,
}

/// A recovery target.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TargetFile {
    /// Relative to a fault.
    Before(BeforeFile),
    /// In PostgreSQL's words.
    Plain(PlainTarget),
}

/// A target just before something that the drill did.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BeforeFile {
    /// The fault of this name; `fault`: the newest.
    pub before: String,
    /// By this much time (divided by the scale). Default: just before, by WAL position.
    pub by: Option<Time>,
}

/// A recovery target in PostgreSQL's words.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlainTarget {
    /// All WAL there is.
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
}

/// What is brought home.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SalvageFile {
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

/// A cut-over.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CutOverFile {
    /// The server.
    pub to: String,
    /// The workloads. Default: all.
    #[schemars(length(min = 1))]
    pub workloads: Option<Vec<String>>,
}

/// A condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WaitFile {
    /// A query that returns one boolean; waited for until true.
    pub until: String,
}

/// Steps that act on a server which is named beside them.
const WITH_SERVER: [&str; 9] = [
    "backup",
    "checkpoint",
    "switch-wal",
    "restore-point",
    "inject",
    "reindex",
    "wait",
    "sql",
    "command",
];

/// Steps that act in one database, where they do not act on the whole server.
const WITH_DATABASE: [&str; 5] = ["inject", "salvage", "reindex", "wait", "sql"];

/// Steps that act on a workload's server.
const WITH_WORKLOAD: [&str; 2] = ["freeze", "thaw"];

/// Steps that may be written as a bare word.
const BARE: [&str; 3] = ["checkpoint", "switch-wal", "expire"];

impl<'de> Deserialize<'de> for StepFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut step = match Json::deserialize(deserializer)? {
            Json::String(word) => Map::from_iter([(word, json!({}))]),
            Json::Object(map) => map,
            other => return Err(D::Error::custom(format!("`{other}` is not a step"))),
        };
        let server = take(&mut step, "server")?;
        let database = take(&mut step, "database")?;
        let deadline = take(&mut step, "deadline")?;
        let name = take(&mut step, "as")?;
        let action = serde_json::from_value(Json::Object(step)).map_err(D::Error::custom)?;
        Ok(Self {
            server,
            database,
            deadline,
            name,
            action,
        })
    }
}

pub(super) fn take<T: serde::de::DeserializeOwned, E: Error>(
    map: &mut Map<String, Json>,
    key: &str,
) -> Result<Option<T>, E> {
    let value = map.remove(key);
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(E::custom)
}

impl JsonSchema for StepFile {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    /// The actions' own alternatives, each with what may stand beside it, and the bare words.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ActionFile::json_schema(generator);
        let time = generator.subschema_for::<Time>().to_value();
        if let Some(Json::Array(branches)) = schema.get_mut("oneOf") {
            for branch in branches.iter_mut() {
                add_siblings(branch, &time);
            }
            branches.push(json!({"type": "string", "enum": BARE}));
        }
        schema.insert("description".into(), json!("One step"));
        schema
    }
}

fn add_siblings(branch: &mut Json, time: &Json) {
    let word = branch["required"][0]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut deadline = time.clone();
    deadline["description"] = json!("It must have ended by then. Default: 10m");
    branch["properties"]["deadline"] = deadline;
    if WITH_SERVER.contains(&word.as_str()) || WITH_WORKLOAD.contains(&word.as_str()) {
        let text =
            "The server it acts on. Default: that of its workload or database, else `primary`";
        branch["properties"]["server"] = json!({"type": "string", "description": text});
    }
    if WITH_DATABASE.contains(&word.as_str()) {
        let text = "The database it acts in. Default: the only one";
        branch["properties"]["database"] = json!({"type": "string", "description": text});
    }
    if word == "inject" {
        let text =
            "What later steps call this fault. Default: its own word, numbered from the second on";
        let name = json!({"type": "string", "format": "name", "description": text});
        branch["properties"]["as"] = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::Action;

    #[test]
    fn steps_are_called_in_the_file_as_in_the_plan() {
        let schema = ActionFile::json_schema(&mut SchemaGenerator::default()).to_value();
        let branches = schema["oneOf"].as_array().unwrap().iter();
        let words = branches.map(|branch| branch["required"][0].as_str().unwrap());
        assert_eq!(words.collect::<Vec<_>>(), Action::WORDS);
    }
}
