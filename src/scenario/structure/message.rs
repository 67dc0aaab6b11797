//! How a problem of structure is put into words. `path` is how a message names a value;
//! empty for the whole file.

use serde_json::Value as Json;

use super::form::{describe, has_type, main_key};
use crate::{
    scenario::{
        problem::{Problem, one_of},
        yaml::{Key, Node, Position, Value},
    },
    text::on_one_line,
};

fn unknown(key: &str, path: &str) -> String {
    format!("unknown key `{key}`{}", within(path))
}

pub(super) fn unknown_key(
    key: &Key,
    properties: Option<&serde_json::Map<String, Json>>,
    path: &str,
) -> Problem {
    let known = properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str());
    let problem = Problem::at(key.place, unknown(&key.text, path));
    let in_step = path.starts_with("steps[") && path.contains('.');
    if in_step && ["server", "deadline"].contains(&key.text.as_str()) {
        let known: Vec<&str> = known.collect();
        let help = format!(
            "`{}` stands beside the step's own key, not inside it",
            key.text
        );
        return problem.expected(one_of(&known)).help(help);
    }
    problem.known(&key.text, known)
}

/// None of the keys that tell the possible maps apart is there.
pub(super) fn none_of(
    forms: &[&Json],
    entries: &[(Key, Node)],
    place: Position,
    path: &str,
) -> Problem {
    let keys: Vec<&str> = forms.iter().filter_map(|f| main_key(f)).collect();
    match entries.first() {
        Some((key, _)) => Problem::at(key.place, unknown(&key.text, path)).known(&key.text, keys),
        None => Problem::at(place, format!("{} is empty", named(path))).expected(one_of(&keys)),
    }
}

/// Two keys that exclude each other.
pub(super) fn beside(first: &Key, second: &Key) -> Problem {
    let message = format!("`{}` stands beside `{}`", second.text, first.text);
    let help = "only one of them can stand here; begin a new item for the other";
    Problem::at(second.place, message).help(help)
}

pub(super) fn wrong_form(node: &Node, forms: &[&Json], path: &str) -> Problem {
    let mut wanted: Vec<String> = Vec::new();
    for form in forms {
        let text = describe(form);
        if !wanted.contains(&text) {
            wanted.push(text);
        }
    }
    let message = format!("{} cannot be {}", named(path), node.value);
    let problem = Problem::at(node.place, message).expected(wanted.join(", or "));
    let text_wanted = forms
        .iter()
        .any(|f| has_type(f, "string") && f["format"].is_null());
    match node.value {
        Value::Number(_) | Value::Bool(_) if text_wanted => problem.help("put it in quotes"),
        _ => problem,
    }
}

pub(super) fn first_sentence(text: &str) -> String {
    let line = on_one_line(text);
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_owned()
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

pub(super) fn within(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" in `{path}`")
    }
}

pub(super) fn named(path: &str) -> String {
    if path.is_empty() {
        "the file".into()
    } else {
        format!("`{path}`")
    }
}
