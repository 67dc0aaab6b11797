//! How a problem of structure is put into words. `path` is how a message names a value;
//! empty for the whole file.

use serde_json::Value as Json;

use super::form::{describe, has_type, main_key};
use crate::{
    scenario::{
        problem::{Problem, one_of},
        yaml::{Key, Node, Value},
    },
    text::on_one_line,
};

fn unknown(key: &Key, path: &str) -> Problem {
    let message = format!("unknown key `{}`{}", key.text, within(path));
    Problem::at(key.place, message)
}

pub(super) fn unknown_key(
    key: &Key,
    properties: Option<&serde_json::Map<String, Json>>,
    path: &str,
) -> Problem {
    let known = properties.into_iter().flatten();
    let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
    let (name, problem) = (key.text.as_str(), unknown(key, path));
    let in_step = path.starts_with("steps[") && path.contains('.');
    if in_step && ["server", "deadline"].contains(&name) {
        let help = format!("`{name}` stands beside the step's own key, not inside it");
        return problem.expected(one_of(&known)).help(help);
    }
    problem.known(name, known)
}

/// None of the keys that tell the possible maps apart is there.
pub(super) fn none_of(forms: &[&Json], node: &Node, path: &str) -> Problem {
    let keys: Vec<&str> = forms.iter().filter_map(|f| main_key(f)).collect();
    match node.entries().first() {
        Some((key, _)) => unknown(key, path).known(&key.text, keys),
        None => {
            let message = format!("{} is empty", named(path));
            Problem::at(node.place, message).expected(one_of(&keys))
        }
    }
}

/// Two keys that exclude each other.
pub(super) fn beside(first: &Key, second: &Key, path: &str) -> Problem {
    let message = format!("`{}` stands beside `{}`", second.text, first.text);
    let help = match path.ends_with(']') {
        true => "only one of them can stand here; begin a new item for the other",
        false => "only one of them can stand here",
    };
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
    let free_text = |form: &&Json| has_type(form, "string") && form["format"].is_null();
    let text_wanted = forms.iter().any(free_text);
    match node.value {
        Value::Number(_) | Value::Bool(_) if text_wanted => problem.help("put it in quotes"),
        Value::Text(ref text) if text.parse::<f64>().is_ok() => {
            problem.help("leave the quotes out")
        }
        _ => problem,
    }
}

pub(super) fn first_sentence(text: &str) -> String {
    let line = on_one_line(text);
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_owned()
}

pub(super) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

pub(super) fn within(path: &str) -> String {
    match path {
        "" => String::new(),
        _ => format!(" in `{path}`"),
    }
}

pub(super) fn named(path: &str) -> String {
    match path {
        "" => "the file".into(),
        _ => format!("`{path}`"),
    }
}
