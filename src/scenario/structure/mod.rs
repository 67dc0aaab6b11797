//! The structural check: a tree against the JSON Schema that its types generate.
//!
//! Every problem is collected. Only the part of JSON Schema that our types generate is
//! known here; what names mean is checked later, in `semantics`.

mod form;
mod message;

use serde_json::Value as Json;

use super::{
    format,
    problem::Problem,
    yaml::{Key, Node, Position, Value},
};
use form::{has_type, is_form, main_key, words_of};
use message::{beside, first_sentence, join, named, none_of, unknown_key, within, wrong_form};

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
            Value::List(_) => self.list(node, forms[0], path),
            Value::Map(_) => self.map(node, &forms, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, text: &str, place: Position, forms: &[&'a Json], all: &[&'a Json]) {
        let words: Vec<&str> = forms.iter().flat_map(|f| words_of(f)).collect();
        if words.contains(&text) {
            return;
        }
        if let Some(free) = forms.iter().find(|f| words_of(f).is_empty()) {
            // A setting's value may be empty, and a number.
            if text.trim().is_empty() && !has_type(free, "number") {
                return self.push(place, "this text must not be empty".to_owned());
            }
            let format = free["format"].as_str().unwrap_or_default();
            if let Err(message) = format::check(format, text) {
                self.problems.push(Problem::at(place, message));
            }
            return;
        }
        let keys: Vec<&str> = all.iter().filter_map(|f| main_key(f)).collect();
        let problem = if keys.contains(&text) {
            let help = format!("write it as a map, `{text}: …`");
            Problem::nowhere(format!("`{text}` needs to say more")).help(help)
        } else {
            let problem = Problem::unknown("word", text, words.into_iter().chain(keys));
            match all.iter().any(|form| has_type(form, "integer")) {
                true => problem.help("a whole number serves as well"),
                false => problem,
            }
        };
        self.problems.push(problem.placed(place));
    }

    fn number(&mut self, number: &serde_json::Number, place: Position, form: &Json) {
        let value = number.as_f64().unwrap_or_default();
        let least = form["minimum"].as_f64().unwrap_or(f64::MIN);
        let largest = match form["format"].as_str() {
            Some("uint32") => f64::from(u32::MAX),
            _ => f64::MAX,
        };
        let most = form["maximum"].as_f64().unwrap_or(largest);
        if value < least {
            self.push(place, format!("{number} is too small: at least {least}"));
        } else if value > most {
            self.push(place, format!("{number} is too large: at most {most}"));
        }
    }

    fn list(&mut self, list: &Node, form: &'a Json, path: &str) {
        if (list.items().len() as u64) < at_least(form, "minItems") {
            self.empty(list, path);
        }
        for (index, item) in list.items().iter().enumerate() {
            let path = format!("{path}[{}]", index + 1);
            self.node(item, &form["items"], &path);
        }
    }

    fn empty(&mut self, node: &Node, path: &str) {
        self.push(node.place, format!("{} must not be empty", named(path)));
    }

    fn map(&mut self, map: &Node, forms: &[&'a Json], path: &str) {
        self.twice(map);
        let form = match forms {
            [only] => Some(*only),
            many => self.choose(map, many, path),
        };
        if let Some(form) = form {
            self.object(map, form, path);
        }
    }

    fn twice(&mut self, map: &Node) {
        let entries = map.entries();
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
    fn choose(&mut self, map: &Node, forms: &[&'a Json], path: &str) -> Option<&'a Json> {
        let with = |key: &Key| forms.iter().find(|f| main_key(f) == Some(&key.text));
        let keys = map.entries().iter().map(|(key, _)| key);
        let found: Vec<(&Key, &Json)> = keys.filter_map(|k| Some((k, *with(k)?))).collect();
        let problem = match found.as_slice() {
            [(_, form)] => return Some(form),
            [] => none_of(forms, map, path),
            [(first, _), (second, _), ..] => beside(first, second, path),
        };
        self.problems.push(problem);
        None
    }

    fn object(&mut self, map: &Node, form: &'a Json, path: &str) {
        let properties = form["properties"].as_object();
        let any = Some(&form["additionalProperties"]).filter(|any| any.is_object());
        for (key, node) in map.entries() {
            match properties.and_then(|all| all.get(&key.text)).or(any) {
                Some(schema) => self.node(node, schema, &join(path, &key.text)),
                None => self.problems.push(unknown_key(key, properties, path)),
            }
        }
        self.missing(map, form, path);
        let said = map.entries().len() as u64;
        match at_least(form, "minProperties") {
            least if said >= least => {}
            _least if said == 0 => self.empty(map, path),
            _least => self.too_little(map, form, path),
        }
    }

    /// It says no more than what is required, where something of the rest must be said.
    fn too_little(&mut self, map: &Node, form: &Json, path: &str) {
        let properties = form["properties"].as_object();
        let unsaid = properties.into_iter().flat_map(|all| all.keys());
        let unsaid = unsaid.filter(|key| map.get(key).is_none());
        let unsaid: Vec<String> = unsaid.map(|key| format!("`{key}`")).collect();
        let message = format!("{} says too little", named(path));
        let help = format!("beside it: {}", unsaid.join(" or "));
        self.problems
            .push(Problem::at(map.place, message).help(help));
    }

    fn missing(&mut self, map: &Node, form: &Json, path: &str) {
        let required = form["required"].as_array().into_iter().flatten();
        for key in required.filter_map(Json::as_str) {
            if map.get(key).is_none() {
                let message = format!("key `{key}` is missing{}", within(path));
                let about = form["properties"][key]["description"].as_str();
                let problem = Problem::at(map.place, message);
                self.problems.push(match about {
                    Some(about) => problem.help(format!("`{key}`: {}", first_sentence(about))),
                    None => problem,
                });
            }
        }
    }

    fn push(&mut self, place: Position, message: String) {
        self.problems.push(Problem::at(place, message));
    }
}

/// How many there must be of something; 0 where the schema does not say.
fn at_least(form: &Json, bound: &str) -> u64 {
    form[bound].as_u64().unwrap_or(0)
}
