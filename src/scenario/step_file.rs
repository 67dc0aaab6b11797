//! The file format of steps: one key that says what is done, and beside it `server`, `database`,
//! `deadline` and `as`. A step without anything to say may be written as a bare word.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value as Json, json};

use super::plan::Action;
use crate::units::Time;

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self")]
pub struct StepFile {
    /// The server it acts on, where it stands beside the step.
    pub server: Option<String>,
    /// The database, likewise.
    pub database: Option<String>,
    /// It must have ended by then.
    pub deadline: Option<Time>,
    /// What the fault that it injects is called.
    #[serde(rename = "as")]
    pub name: Option<String>,
    #[serde(flatten)]
    pub action: Action,
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
pub const WITH_DATABASE: [&str; 5] = ["inject", "salvage", "reindex", "wait", "sql"];

/// Steps that act on a workload's server.
const WITH_WORKLOAD: [&str; 2] = ["freeze", "thaw"];

/// Steps that may be written as a bare word.
const BARE: [&str; 3] = ["checkpoint", "switch-wal", "expire"];

impl<'de> Deserialize<'de> for StepFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let step = match Json::deserialize(deserializer)? {
            Json::String(word) => json!({ word: {} }),
            map => map,
        };
        Self::deserialize(step).map_err(D::Error::custom)
    }
}

impl JsonSchema for StepFile {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    /// The actions' own alternatives, each with what may stand beside it, and the bare words.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Action::json_schema(generator);
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
    let word = branch["required"][0].clone();
    let among = |words: &[&str]| words.iter().any(|one| word == *one);
    let mut deadline = time.clone();
    deadline["description"] = json!("It must have ended by then. Default: 10m");
    branch["properties"]["deadline"] = deadline;
    if among(&WITH_SERVER) || among(&WITH_WORKLOAD) {
        let text =
            "The server it acts on. Default: that of its workload or database, else `primary`";
        branch["properties"]["server"] = json!({"type": "string", "description": text});
    }
    if among(&WITH_DATABASE) {
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

    #[test]
    fn steps_are_called_in_the_file_as_in_the_plan() {
        let schema = Action::json_schema(&mut SchemaGenerator::default()).to_value();
        let branches = schema["oneOf"].as_array().unwrap().iter();
        let words = branches.map(|branch| branch["required"][0].as_str().unwrap());
        assert_eq!(words.collect::<Vec<_>>(), Action::WORDS);
    }
}
