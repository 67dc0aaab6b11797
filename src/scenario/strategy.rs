//! Strategies: how a system backs up, as YAML under `fixtures/strategies/` or inline.

use std::{borrow::Cow, collections::BTreeMap};

use include_dir::{Dir, include_dir};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value as Json, json};

use super::{
    plan::{
        Apply, BackupPlan, Recovery, RecoverySignal, Retention, RetentionRule, StrategyPlan,
        TargetAction, Wal,
    },
    step_file::take,
};
use crate::{
    backup::Tool,
    store::{Store, local},
    units::Time,
};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/strategies");

/// How a system backs up and recovers. Settings and commands may use the placeholders
/// `{store}`, `{archive}`, `{data}`, `{bin}` and `{run}`, and `{store.NAME}` and `{archive.NAME}` of
/// the stores beside `local`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "pgdrill strategy")]
pub struct StrategyFile {
    /// What it does, for people.
    pub about: String,
    /// Server settings it demands.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingValue>,
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
    pub backups: BTreeMap<String, BackupFile>,
    /// What removes old backups and WAL.
    #[serde(default)]
    pub retention: RetentionFile,
    /// How recovery is asked for.
    #[serde(default)]
    pub recovery: RecoveryFile,
}

/// A backup: the tool that takes it, with its options, and beside it `to` and `keep`.
#[derive(Clone, Debug)]
pub struct BackupFile {
    pub to: Option<Vec<String>>,
    pub on: Option<String>,
    pub keep: Option<Time>,
    pub tool: Tool,
}

impl<'de> Deserialize<'de> for BackupFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let (to, on) = (take(&mut map, "to")?, take(&mut map, "on")?);
        let keep = take(&mut map, "keep")?;
        let tool = serde_json::from_value(Json::Object(map)).map_err(D::Error::custom)?;
        Ok(Self { to, on, keep, tool })
    }
}

impl JsonSchema for BackupFile {
    fn schema_name() -> Cow<'static, str> {
        "Backup".into()
    }

    /// The tools' own alternatives, each with what may stand beside it.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Tool::json_schema(generator);
        let mut keep = generator.subschema_for::<Time>().to_value();
        keep["description"] = json!("It is kept this long. Default: for ever");
        let text = "The stores it goes to; it is taken into the first. Default: `[local]`";
        let to = json!({
            "type": "array", "items": {"type": "string"}, "minItems": 1, "description": text
        });
        let text = "The node of the scenario that it is taken on. Default: the server's own";
        let on = json!({"type": "string", "description": text});
        if let Some(Json::Array(branches)) = schema.get_mut("oneOf") {
            for branch in branches {
                branch["properties"]["keep"] = keep.clone();
                branch["properties"]["on"] = on.clone();
                branch["properties"]["to"] = to.clone();
            }
        }
        schema.insert("description".into(), json!("A backup"));
        schema
    }
}

/// What removes old backups and WAL.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetentionFile {
    /// WAL is kept at least this long. Default: for ever.
    pub wal: Option<Time>,
    /// What decides: `computed`, or a shell `command` run in the backup storage. Default: `computed`.
    #[serde(default)]
    pub rule: RetentionRule,
}

/// How recovery is asked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecoveryFile {
    /// Which file asks for it. Default: `recovery-signal`.
    #[serde(default)]
    pub signal: RecoverySignal,
    /// The `restore_command`. Default: what fetches from where WAL is archived.
    #[serde(rename = "restore_command")]
    pub restore_command: Option<String>,
    /// The `recovery_target_action`. Default: PostgreSQL's own, which pauses at a target.
    #[serde(rename = "recovery_target_action")]
    pub target_action: Option<TargetAction>,
}

/// A server setting's value: text, a number, or true/false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue(pub String);

impl<'de> Deserialize<'de> for SettingValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde_json::Value;
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(true) => Ok(Self("on".into())),
            Value::Bool(false) => Ok(Self("off".into())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(serde::de::Error::custom("a setting is text or a number"))
            }
        }
    }
}

impl JsonSchema for SettingValue {
    fn schema_name() -> Cow<'static, str> {
        "SettingValue".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"], "description": "A server setting's value"})
    }
}

impl BackupFile {
    pub fn to(&self) -> Vec<String> {
        self.to.clone().unwrap_or_else(|| vec![local()])
    }
}

impl StrategyFile {
    /// With the local one.
    pub fn stores(&self) -> BTreeMap<String, Store> {
        let mut stores = self.stores.clone();
        stores.entry(local()).or_default();
        stores
    }

    /// With the defaults filled in.
    pub fn plan(&self, name: &str) -> StrategyPlan {
        let plan = |(name, backup): (&String, &BackupFile)| {
            let plan = BackupPlan {
                tool: backup.tool.clone(),
                to: backup.to(),
                on: backup.on.clone(),
                keep: backup.keep,
            };
            (name.clone(), plan)
        };
        StrategyPlan {
            name: name.to_owned(),
            settings: settings(&self.settings),
            apply: self.apply,
            wal: self.wal.clone(),
            stores: self.stores(),
            backups: self.backups.iter().map(plan).collect(),
            retention: Retention {
                wal: self.retention.wal,
                rule: self.retention.rule.clone(),
            },
            recovery: Recovery {
                signal: self.recovery.signal,
                restore_command: self.recovery.restore_command.clone(),
                target_action: self.recovery.target_action,
            },
        }
    }
}

/// Settings as the plan has them.
pub fn settings(written: &BTreeMap<String, SettingValue>) -> BTreeMap<String, String> {
    let pairs = written.iter();
    pairs
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect()
}

/// Names of the shipped strategies, sorted.
pub fn shipped_names() -> Vec<&'static str> {
    let stem = |file: &'static include_dir::File<'_>| file.path().file_stem()?.to_str();
    let mut names: Vec<&str> = SHIPPED.files().filter_map(stem).collect();
    names.sort_unstable();
    names
}

/// Text of a shipped strategy.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.get_file(format!("{name}.yaml"))?.contents_utf8()
}
