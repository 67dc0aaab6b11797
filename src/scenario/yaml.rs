//! YAML text to a tree whose every key and value knows its place.
//!
//! The one function over the YAML crate. What a scenario may say is not known here.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    Location, Spanned,
    options::{DuplicateKeyPolicy, MergeKeyPolicy},
};

use super::problem::Problem;

/// Maps and lists within each other, far beyond what any scenario needs.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1; 0: not known.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters.
    pub length: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub place: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub place: Position,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// A map in the order of the file; a key may stand in it twice.
    Map(Vec<(Key, Node)>),
}

/// Reads one YAML document.
///
/// # Errors
/// Broken syntax, merge keys, tags, several documents, and aliases that expand
/// beyond what a person would write.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(Position::from).unwrap_or_default();
        Problem::at(place, plain_message(&error))
    })
}

fn plain_message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::MergeKeyNotAllowed { .. } => "merge keys (`<<`) are not allowed".into(),
        Error::MultipleDocuments { .. } => "a file holds one document, this one has more".into(),
        Error::UnsupportedTag { tag, .. } => format!("tags are not allowed: `{tag}`"),
        Error::AliasError { error, .. } => plain_message(error),
        Error::Budget { .. } => "this is nested too deeply, or is too much".into(),
        Error::AliasReplayLimitExceeded { .. } => "aliases expand to too much".into(),
        other => {
            let options = serde_saphyr::RenderOptions::new(&serde_saphyr::UserMessageFormatter);
            without_place(&other.render_with_options(options))
        }
    }
}

/// The crate's own messages end in or begin with a place; ours stands beside them.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let first = match (first.starts_with("line "), first.split_once(": ")) {
        (true, Some((_, rest))) => rest,
        _ => first,
    };
    let end = first.find(" at line ").unwrap_or(first.len());
    first[..end].trim_end().to_owned()
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self {
            line: location.line() as usize,
            column: location.column() as usize,
            length: (location.span().len() as usize).max(1),
        }
    }
}

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    pub fn entry(&self, key: &str) -> Option<&(Key, Node)> {
        self.entries().iter().find(|(k, _)| k.text == key)
    }

    /// The entries of a map; none when it is something else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _other => &[],
        }
    }

    /// The items of a list; none when it is something else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _other => &[],
        }
    }

    /// As JSON, without the places.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Number(n) => Json::Number(n.clone()),
            Value::Text(t) => Json::String(t.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::json).collect()),
            Value::Map(entries) => {
                let entries = entries.iter();
                Json::Object(entries.map(|(k, n)| (k.text.clone(), n.json())).collect())
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(b) => write!(f, "`{b}`"),
            Self::Number(n) => write!(f, "the number {n}"),
            Self::Text(t) => write!(f, "`{t}`"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            place: spanned.referenced.into(),
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = serde_json::Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let place = key.referenced.into();
            let key = Key {
                text: key.value,
                place,
            };
            entries.push((key, map.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let node = parse("a: 1\nb:\n  - { c: on, d: 5m }\n").unwrap();
        let (key, value) = node.entry("b").unwrap();
        assert_eq!(
            (key.place.line, key.place.column, key.place.length),
            (2, 1, 1)
        );
        let item = &value.items()[0];
        let (c, on) = item.entry("c").unwrap();
        assert_eq!((c.place.line, c.place.column), (3, 7));
        assert_eq!(
            (on.place.line, on.place.column, on.place.length),
            (3, 10, 2)
        );
        assert_eq!(on.value, Value::Text("on".into()));
    }

    #[test]
    fn a_key_that_stands_twice_is_seen_twice() {
        let node = parse("a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!(node.entries().len(), 3);
    }

    #[test]
    fn what_is_refused() {
        for (text, message) in [
            ("a: &x {b: 1}\nc: {<<: *x}\n", "merge keys"),
            ("a: 1\n---\nb: 2\n", "one document"),
            ("a: !secret x\n", "tags are not allowed"),
            ("a:\n\t- b\n", "tab"),
            ("a: [1, 2\n", ""),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {error:?}");
            assert!(error.place.line > 0, "{error:?}");
            assert!(!error.message.contains('\n'));
        }
    }
}
