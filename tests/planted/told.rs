//! What became of a change.

use std::fmt;

use pgdrill::finding::{Finding, Verdict};

use super::changes::Change;

/// What became of a change.
pub enum Told {
    /// A check fails and names what was changed.
    Seen(String),
    /// A check fails without a word of what was changed.
    Unnamed(String),
    /// It could not be told: no pass either.
    Open(String),
    /// Everything passes.
    Unseen,
    /// This server refuses to be changed so.
    Refused(String),
}

impl Told {
    /// What the findings of the checks say of it.
    pub fn of<'f>(change: &Change, findings: impl Iterator<Item = &'f Finding>) -> Self {
        let bad = findings.filter(|finding| finding.verdict != Verdict::Pass);
        let mut all: Vec<&Finding> = bad.collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        let Some(worst) = all.first() else {
            return Self::Unseen;
        };
        let line = |finding: &Finding| format!("{}: {}", finding.id, finding.message);
        if worst.verdict != Verdict::Fail {
            return Self::Open(line(worst));
        }
        let red = || all.iter().filter(|one| one.verdict == Verdict::Fail);
        let names = |one: &&&Finding| {
            // What is right is told in the details, too.
            let said = match one.id.as_str() {
                "client-rows" => one.message.clone(),
                _ => format!("{} {:?}", one.message, one.details),
            };
            change.is_named_in(&said)
        };
        match red().find(names) {
            Some(names_it) => Self::Seen(line(names_it)),
            None => Self::Unnamed(line(worst)),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen(finding) => write!(f, "seen: {finding}"),
            Self::Unnamed(finding) => write!(f, "not named: {finding}"),
            Self::Open(finding) => write!(f, "open: {finding}"),
            Self::Unseen => f.write_str("UNSEEN"),
            Self::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}
