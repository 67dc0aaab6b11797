//! The file format of steps: one key that says what is done, and beside it `server`, `database`,
//! `deadline` and `as`. A step without anything to say may be written as a bare word.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value as Json, json};

use super::{plan::Action, schema};
use crate::units::Time;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Step", description = "One step", transform = alternatives)]
pub struct StepFile {
    /// The server it acts on. Default: that of its workload or database, else `primary`
    pub server: Option<String>,
    /// The database it acts in. Default: the only one
    pub database: Option<String>,
    /// It must have ended by then. Default: 10m, of a `run` at least twice its length
    pub deadline: Option<Time>,
    /// What later steps call this fault. Default: its own word, numbered from the second on
    #[serde(rename = "as")]
    #[schemars(extend("format" = "name"))]
    pub name: Option<String>,
    #[serde(flatten)]
    pub action: Action,
}

/// Steps that may be written as a bare word.
const BARE: [&str; 3] = ["checkpoint", "switch-wal", "expire"];

/// Each action with what may stand beside it, and the bare words.
fn alternatives(step: &mut Schema) {
    schema::beside(step, |word, key| {
        key == "deadline" || Action::beside(word).contains(&key)
    });
    if let Some(Json::Array(alternatives)) = step.get_mut("oneOf") {
        alternatives.push(json!({"type": "string", "enum": BARE}));
    }
}

/// The steps, those written as a bare word among them.
pub fn steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StepFile>, D::Error> {
    let step = |step| match step {
        Json::String(word) => StepFile::deserialize(json!({ word: {} })),
        map => StepFile::deserialize(map),
    };
    let steps = Vec::<Json>::deserialize(deserializer)?.into_iter();
    steps
        .map(|one| step(one).map_err(D::Error::custom))
        .collect()
}

#[cfg(test)]
mod tests {
    use schemars::SchemaGenerator;

    use super::*;

    #[test]
    fn steps_are_called_in_the_file_as_in_the_plan() {
        let schema = Action::json_schema(&mut SchemaGenerator::default()).to_value();
        let branches = schema["oneOf"].as_array().unwrap().iter();
        let words = branches.map(|branch| branch["required"][0].as_str().unwrap());
        assert_eq!(words.collect::<Vec<_>>(), Action::WORDS);
    }
}
