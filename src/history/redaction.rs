//! Secrets out of everything recorded, in every form in which they get there.
//!
//! Fails closed: an event that can't be rid of them is not written, and its place says so.

use serde_json::Value;

use crate::event::Event;

const HIDDEN: &str = "***";

/// How a server stores a password: whoever has it can log in as whoever it is of.
const VERIFIER: &str = "SCRAM-SHA-256$";

/// The secrets so far, each in every form.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// One more. An empty one would be everywhere.
    pub fn add(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.0.extend(forms(secret));
            // The longest first: none must be left in part.
            self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
            self.0.dedup();
        }
    }

    pub fn hide(&self, text: &str) -> String {
        let hidden = self.0.iter().fold(text.to_owned(), |text, form| {
            match text.contains(form.as_str()) {
                true => text.replace(form.as_str(), HIDDEN),
                false => text,
            }
        });
        without_verifiers(hidden)
    }

    /// An event without them; none when what is left of it is no event any more.
    pub fn hidden(&self, event: &Event) -> Option<Event> {
        let mut value = serde_json::to_value(event).ok()?;
        self.walk(&mut value);
        serde_json::from_value(value).ok()
    }

    fn walk(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                for (name, mut value) in std::mem::take(fields) {
                    self.walk(&mut value);
                    fields.insert(self.hide(&name), value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// A text as it is, and as JSON, a shell, SQL and a connection string write it between quotes;
/// and those within JSON, and SQL within a shell's command.
fn forms(text: &str) -> Vec<String> {
    let sql = text.replace('\'', "''");
    let plain = [
        text.to_owned(),
        shell(text),
        shell(&sql),
        sql,
        text.replace('\\', "\\\\").replace('\'', "\\'"),
    ];
    let within = plain.iter().map(|form| json(form));
    let within: Vec<String> = within.collect();
    let twice = json(&within[0]);
    plain.into_iter().chain(within).chain([twice]).collect()
}

fn shell(text: &str) -> String {
    text.replace('\'', r"'\''")
}

fn json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn without_verifiers(text: String) -> String {
    if !text.contains(VERIFIER) {
        return text;
    }
    let mut parts = text.split(VERIFIER);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let of_it = |c: char| c.is_ascii_alphanumeric() || "+/=$:".contains(c);
        hidden.push_str(VERIFIER);
        hidden.push_str(HIDDEN);
        hidden.push_str(part.trim_start_matches(of_it));
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    const AWKWARD: &str = "a\"b'c\\d\u{1}é";

    fn hidden(text: &str, secret: &str) -> String {
        let mut secrets = Secrets::default();
        secrets.add(secret);
        secrets.hide(text)
    }

    #[test]
    fn a_secret_is_hidden_in_every_form_it_is_written_in() {
        for form in forms(AWKWARD) {
            assert_eq!(hidden(&format!("<{form}>"), AWKWARD), "<***>", "{form}");
        }
        let answer = serde_json::json!({ "password": AWKWARD }).to_string();
        assert_eq!(hidden(&answer, AWKWARD), r#"{"password":"***"}"#);
        let command = crate::runtime::exec::quoted(AWKWARD);
        assert_eq!(hidden(&command, AWKWARD), "'***'");
    }

    #[test]
    fn a_verifier_is_hidden_whose_ever_it_is() {
        let text = "password 'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy' valid";
        assert_eq!(hidden(text, "x1"), "password 'SCRAM-SHA-256$***' valid");
    }

    #[test]
    fn an_event_that_is_none_any_more_is_not_told() {
        let note = |text: &str| Event {
            seq: 0,
            at_us: 0,
            kind: EventKind::Note { text: text.into() },
        };
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        let told = secrets.hidden(&note("hunter2 is it")).unwrap();
        assert_eq!(told, note("*** is it"));
        secrets.add("note");
        assert_eq!(secrets.hidden(&note("hunter2")), None);
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert_eq!(hidden("text", ""), "text");
    }
}
