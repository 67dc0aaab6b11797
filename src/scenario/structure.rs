//! The structural check: a tree against the JSON Schema that its types generate.
//!
//! Every problem is collected. Only the part of JSON Schema that our types generate is
//! known here; what names mean is checked later, in `semantics`.

use serde_json::Value as Json;

use super::{
    format,
    problem::{Problem, one_of},
    yaml::{Key, Node, Place, Value},
};

/// All that is wrong with a tree's structure.
pub fn check(node: &Node, schema: &Json) -> Vec<Problem> {
    let mut walk = Walk {
        root: schema,
        problems: Vec::new(),
    };
    walk.node(node, schema, "");
    walk.problems
}

struct Walk<'a> {
    root: &'a Json,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    /// The forms that a value may take, `$ref`, `oneOf` and `anyOf` followed.
    fn forms(&self, schema: &'a Json) -> Vec<&'a Json> {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            let target = self.root.pointer(pointer);
            return target.map(|t| self.forms(t)).unwrap_or_default();
        }
        let nested = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
        match nested {
            Some(nested) => nested.iter().flat_map(|s| self.forms(s)).collect(),
            None => vec![schema],
        }
    }

    /// `path`: how a message names the value; empty at the top.
    fn node(&mut self, node: &Node, schema: &'a Json, path: &str) {
        let all = self.forms(schema);
        let forms: Vec<&Json> = all.iter().copied().filter(|f| is_form(node, f)).collect();
        if forms.is_empty() {
            self.problems.push(wrong_form(node, &all, path));
            return;
        }
        match &node.value {
            Value::Text(text) => self.text(text, node.place, &forms, &all),
            Value::Number(number) => self.number(number, node.place, forms[0]),
            Value::List(items) => self.list(items, node.place, forms[0], path),
            Value::Map(entries) => self.map(entries, node.place, &forms, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, text: &str, place: Place, forms: &[&'a Json], all: &[&'a Json]) {
        let words: Vec<&str> = forms.iter().flat_map(|f| words_of(f)).collect();
        if words.contains(&text) {
            return;
        }
        if let Some(free) = forms.iter().find(|f| words_of(f).is_empty()) {
            let format = free["format"].as_str().unwrap_or_default();
            if let Err(message) = format::check(format, text) {
                self.problems.push(Problem::at(place, message));
            }
            return;
        }
        let keys: Vec<&str> = all.iter().filter_map(|f| main_key(f)).collect();
        let problem = if keys.contains(&text) {
            let help = format!("write it as a map, `{text}: …`");
            Problem::at(place, format!("`{text}` needs to say more")).help(help)
        } else {
            let known = words.into_iter().chain(keys);
            Problem::at(place, format!("unknown word `{text}`")).known(text, known)
        };
        self.problems.push(problem);
    }

    fn number(&mut self, number: &serde_json::Number, place: Place, form: &Json) {
        let value = number.as_f64().unwrap_or_default();
        let least = form["minimum"].as_f64().unwrap_or(f64::MIN);
        let most = form["maximum"]
            .as_f64()
            .unwrap_or(match form["format"].as_str() {
                Some("uint32") => f64::from(u32::MAX),
                _ => f64::MAX,
            });
        if value < least {
            self.push(place, format!("{number} is too small: at least {least}"));
        } else if value > most {
            self.push(place, format!("{number} is too large: at most {most}"));
        }
    }

    fn list(&mut self, items: &[Node], place: Place, form: &'a Json, path: &str) {
        let least = form["minItems"].as_u64().unwrap_or(0);
        if (items.len() as u64) < least {
            self.push(place, format!("{} must not be empty", named(path)));
        }
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{}]", index + 1);
            self.node(item, &form["items"], &path);
        }
    }

    fn map(&mut self, entries: &[(Key, Node)], place: Place, forms: &[&'a Json], path: &str) {
        self.twice(entries);
        let form = match forms {
            [only] => Some(*only),
            many => self.choose(entries, place, many, path),
        };
        if let Some(form) = form {
            self.object(entries, place, form, path);
        }
    }

    fn twice(&mut self, entries: &[(Key, Node)]) {
        for (index, (key, _)) in entries.iter().enumerate() {
            let earlier = entries[..index].iter().find(|(k, _)| k.text == key.text);
            if let Some((first, _)) = earlier {
                let message = format!("key `{}` stands twice", key.text);
                let help = format!("the first is in line {}", first.place.line);
                self.problems
                    .push(Problem::at(key.place, message).help(help));
            }
        }
    }

    /// Of several maps that are possible, the one whose main key is there.
    fn choose(
        &mut self,
        entries: &[(Key, Node)],
        place: Place,
        forms: &[&'a Json],
        path: &str,
    ) -> Option<&'a Json> {
        let main = |key: &Key| {
            forms
                .iter()
                .copied()
                .find(|f| main_key(f) == Some(&key.text))
        };
        let found: Vec<(&Key, &Json)> = entries
            .iter()
            .filter_map(|(k, _)| Some((k, main(k)?)))
            .collect();
        match found.as_slice() {
            [(_, form)] => return Some(form),
            [] => {
                let keys: Vec<&str> = forms.iter().filter_map(|f| main_key(f)).collect();
                let problem = match entries.first() {
                    Some((key, _)) => {
                        Problem::at(key.place, unknown(&key.text, path)).known(&key.text, keys)
                    }
                    None => Problem::at(place, format!("{} is empty", named(path)))
                        .expected(one_of(&keys)),
                };
                self.problems.push(problem);
            }
            [(first, _), (second, _), ..] => {
                let message = format!("`{}` stands beside `{}`", second.text, first.text);
                let help = "only one of them can stand here; begin a new item for the other";
                self.problems
                    .push(Problem::at(second.place, message).help(help));
            }
        }
        None
    }

    fn object(&mut self, entries: &[(Key, Node)], place: Place, form: &'a Json, path: &str) {
        let properties = form["properties"].as_object();
        for (key, node) in entries {
            let inner = join(path, &key.text);
            match (
                properties.and_then(|p| p.get(&key.text)),
                &form["additionalProperties"],
            ) {
                (Some(schema), _) => self.node(node, schema, &inner),
                (None, schema @ Json::Object(_)) => self.node(node, schema, &inner),
                (None, _) => self.problems.push(unknown_key(key, properties, path)),
            }
        }
        self.missing(entries, place, form, path);
    }

    fn missing(&mut self, entries: &[(Key, Node)], place: Place, form: &Json, path: &str) {
        let required = form["required"].as_array().into_iter().flatten();
        for key in required.filter_map(Json::as_str) {
            if !entries.iter().any(|(k, _)| k.text == key) {
                let message = format!("key `{key}` is missing{}", within(path));
                let about = form["properties"][key]["description"].as_str();
                let problem = Problem::at(place, message);
                self.problems.push(match about {
                    Some(about) => problem.help(format!("`{key}`: {}", first_sentence(about))),
                    None => problem,
                });
            }
        }
        let least = form["minProperties"].as_u64().unwrap_or(0);
        if (entries.len() as u64) < least {
            self.push(place, format!("{} must not be empty", named(path)));
        }
    }

    fn push(&mut self, place: Place, message: String) {
        self.problems.push(Problem::at(place, message));
    }
}

/// Whether a value has the form that a schema asks for.
fn is_form(node: &Node, form: &Json) -> bool {
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

fn has_type(form: &Json, name: &str) -> bool {
    match &form["type"] {
        Json::String(only) => only == name,
        Json::Array(many) => many.iter().any(|t| t == name),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

/// The words that a form is limited to; none when it is not.
fn words_of(form: &Json) -> Vec<&str> {
    let listed = form["enum"].as_array().into_iter().flatten();
    listed
        .chain(form.get("const"))
        .filter_map(Json::as_str)
        .collect()
}

/// The key that tells one map from the other possible ones.
fn main_key(form: &Json) -> Option<&str> {
    form["required"][0].as_str()
}

fn unknown(key: &str, path: &str) -> String {
    format!("unknown key `{key}`{}", within(path))
}

fn unknown_key(
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

fn wrong_form(node: &Node, forms: &[&Json], path: &str) -> Problem {
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

/// What a form asks for, in words.
fn describe(form: &Json) -> String {
    let words = words_of(form);
    if !words.is_empty() {
        return one_of(&words);
    }
    if let Some(text) = form["format"].as_str().and_then(format::describe) {
        return text.to_owned();
    }
    if has_type(form, "string") {
        return "text".into();
    }
    if has_type(form, "array") {
        return "a list".into();
    }
    if has_type(form, "object") {
        return match main_key(form) {
            Some(key) => format!("a map with `{key}`"),
            None if form["properties"].is_null() && form["additionalProperties"] == false => {
                "`{}`".into()
            }
            None => "a map".into(),
        };
    }
    if has_type(form, "integer") {
        return "a whole number".into();
    }
    "a number".into()
}

/// The first sentence, on one line.
fn first_sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_owned()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn within(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" in `{path}`")
    }
}

fn named(path: &str) -> String {
    if path.is_empty() {
        "the file".into()
    } else {
        format!("`{path}`")
    }
}
