//! Findings and verdicts: what checks say of a history.
//!
//! `pass < unknown < fail`; the worst finding is the drill's verdict, and no finding
//! at all is `unknown`. How a finding is reached belongs to `check/` and `measure/`.

use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Shown to hold.
    Pass,
    /// Could not tell.
    #[default]
    Unknown,
    /// Shown not to hold.
    Fail,
}

impl Verdict {
    /// The worst of several; `unknown` when there is none: no evidence is not a pass.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// What would have made a check fail in the drill at hand. Where nothing could have, its pass
/// is worth nothing: it is `unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtStake {
    /// Number of things each of which alone could have made it fail.
    things: usize,
    /// What they are, and how they would have made it fail, in words.
    text: String,
}

impl AtStake {
    /// So many things, each of which could have made it fail; none of them: no pass.
    pub fn any(things: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { things, text }
    }

    /// One thing that every drill has.
    pub fn always(text: impl Into<String>) -> Self {
        Self::any(1, text)
    }

    /// Why a pass would be worth nothing; none when something could have made it fail.
    pub fn missing(&self) -> Option<String> {
        (self.things == 0).then(|| format!("nothing here could have made it fail ({})", self.text))
    }
}

/// The id of a finding of a cluster beside the primary's: `rows@orders`.
pub fn of_cluster(id: &str, cluster: &str) -> String {
    format!("{id}@{cluster}")
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was judged, e.g. `rows`, `rpo.oa`, `ledger.agent`, `restore`.
    pub id: String,
    pub verdict: Verdict,
    /// Why, in one line.
    pub message: String,
    /// The particulars, a line each (at most 50).
    pub details: Vec<String>,
    /// Of a pass: what would have made it fail in this drill; empty otherwise.
    pub at_stake: String,
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
            at_stake: String::new(),
            follows_from: String::new(),
        }
    }

    /// It holds, though something could have made it fail; where nothing could, it can't be told.
    pub fn pass(id: impl Into<String>, at_stake: AtStake, message: impl Into<String>) -> Self {
        if let Some(why) = at_stake.missing() {
            return Self::unknown(id, format!("{}: {why}", message.into()));
        }
        Self {
            at_stake: at_stake.text,
            ..Self::new(id, Verdict::Pass, message)
        }
    }

    pub fn unknown(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(id, Verdict::Unknown, message)
    }

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
