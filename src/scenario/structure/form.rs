//! One form of a value in JSON Schema: whether a value has it, and how it is described.

use serde_json::Value as Json;

use crate::scenario::{
    format,
    problem::one_of,
    yaml::{Node, Value},
};

/// Whether a value has the form that a schema asks for.
pub(super) fn is_form(node: &Node, form: &Json) -> bool {
    let name = match &node.value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => return has_type(form, "integer") || has_type(form, "number"),
        Value::Text(_) => return has_type(form, "string") || !words_of(form).is_empty(),
        Value::List(_) => "array",
        Value::Map(_) => "object",
    };
    has_type(form, name)
}

pub(super) fn has_type(form: &Json, name: &str) -> bool {
    match &form["type"] {
        Json::String(only) => only == name,
        Json::Array(many) => many.iter().any(|t| t == name),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

/// The words that a form is limited to; none when it is not.
pub(super) fn words_of(form: &Json) -> Vec<&str> {
    let listed = form["enum"].as_array().into_iter().flatten();
    listed
        .chain(form.get("const"))
        .filter_map(Json::as_str)
        .collect()
}

/// The key that tells one map from the other possible ones.
pub(super) fn main_key(form: &Json) -> Option<&str> {
    form["required"][0].as_str()
}

/// What a form asks for, in words.
pub(super) fn describe(form: &Json) -> String {
    let words = words_of(form);
    if !words.is_empty() {
        return one_of(&words);
    }
    if let Some(text) = form["format"].as_str().and_then(format::describe) {
        return text.to_owned();
    }
    let has = |name| has_type(form, name);
    let anything = !form["properties"].is_null() || form["additionalProperties"] != false;
    match main_key(form) {
        _ if has("string") => "text".into(),
        _ if has("array") => "a list".into(),
        Some(key) if has("object") => format!("a map with `{key}`"),
        None if has("object") && !anything => "`{}`".into(),
        None if has("object") => "a map".into(),
        _ if has("integer") => "a whole number".into(),
        _ => "a number".into(),
    }
}
