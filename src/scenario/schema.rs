//! The JSON Schema of scenarios and strategies: for editors, and for our own structural check.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

use super::{file::ScenarioFile, model::Manifest, plan::StrategyPlan};

pub fn scenario() -> Json {
    generate::<ScenarioFile>()
}

pub fn model() -> Json {
    generate::<Manifest>()
}

pub fn strategy() -> Json {
    generate::<StrategyPlan>()
}

/// Of an action, or a tool, and keys that stand beside it: the alternatives, each with those of the
/// keys that may stand beside its word.
pub fn beside(schema: &mut Schema, may: impl Fn(&str, &str) -> bool) {
    schema.remove("type");
    let keys = schema.remove("properties").unwrap_or_default();
    if let Some(Json::Array(alternatives)) = schema.get_mut("oneOf") {
        for one in alternatives {
            let word = one["required"][0].as_str().unwrap_or_default().to_owned();
            one["additionalProperties"] = Json::Bool(false);
            let keys = keys.as_object().into_iter().flatten();
            for (key, value) in keys.filter(|(key, _)| may(&word, key)) {
                one["properties"][key] = value.clone();
            }
        }
    }
}

fn generate<T: JsonSchema>() -> Json {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let mut json = schema.to_value();
    forbid_null(&mut json);
    json
}

/// An optional key may be left out; `null` is not a way to say so.
fn forbid_null(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(forbid_null),
        Json::Object(map) => {
            map.values_mut().for_each(forbid_null);
            if let Some(Json::Array(types)) = map.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            drop_null_alternative(map);
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// `anyOf: [X, null]` becomes X itself.
fn drop_null_alternative(map: &mut serde_json::Map<String, Json>) {
    let Some(Json::Array(alternatives)) = map.get_mut("anyOf") else {
        return;
    };
    let before = alternatives.len();
    alternatives.retain(|a| a["type"] != "null");
    if let ([Json::Object(only)], true) = (alternatives.as_slice(), alternatives.len() < before) {
        let only = only.clone();
        map.remove("anyOf");
        map.extend(only);
    }
    if map.get("default") == Some(&Json::Null) {
        map.remove("default");
    }
}
