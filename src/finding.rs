//! Findings and verdicts: what checks say of a history.
//!
//! `pass < unknown < fail`; the worst finding is the drill's verdict, and no finding
//! at all is `unknown`. How a finding is reached belongs to `check/` and `measure/`.

use serde::{Deserialize, Serialize};

/// What can be said of a finding, a drill or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Shown to hold.
    Pass,
    /// Could not tell.
    Unknown,
    /// Shown not to hold.
    Fail,
}

impl Verdict {
    /// The worst of several; `unknown` when there is none: no evidence is not a pass.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was judged, e.g. `rows`, `rpo.oa`, `ledger.agent`, `restore`.
    pub id: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Why, in one line.
    pub message: String,
    /// The particulars, a line each (at most 50).
    pub details: Vec<String>,
    /// The finding that made it impossible to tell; empty: none.
    pub follows_from: String,
}

impl Finding {
    fn new(id: impl Into<String>, verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            verdict,
            message: message.into(),
            details: Vec::new(),
            follows_from: String::new(),
        }
    }

    /// It holds.
    pub fn pass(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(id, Verdict::Pass, message)
    }

    /// It can't be told.
    pub fn unknown(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(id, Verdict::Unknown, message)
    }

    /// It does not hold.
    pub fn fail(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(id, Verdict::Fail, message)
    }

    /// With particulars; those beyond the fiftieth are counted, not listed.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        let mut lines: Vec<String> = lines.into_iter().collect();
        if lines.len() > 50 {
            let more = lines.len() - 50;
            lines.truncate(50);
            lines.push(format!("… and {more} more"));
        }
        self.details = lines;
        self
    }

    /// It could not be told because of that other finding.
    #[must_use]
    pub fn follows_from(mut self, other: impl Into<String>) -> Self {
        self.follows_from = other.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_judged_is_unknown() {
        assert_eq!(Verdict::worst([]), Verdict::Unknown);
        assert_eq!(
            Verdict::worst([Verdict::Pass, Verdict::Unknown]),
            Verdict::Unknown
        );
        assert_eq!(
            Verdict::worst([Verdict::Fail, Verdict::Unknown]),
            Verdict::Fail
        );
    }
}
