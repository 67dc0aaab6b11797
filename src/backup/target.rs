//! A recovery target as PostgreSQL's settings say it. How a scenario's target comes to it is
//! `restore/target`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A target, ready to be written into a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// `recovery_target_*` settings; empty: all WAL there is.
    pub settings: Vec<(String, String)>,
    /// A backup must have ended by this LSN to be of use.
    pub by_lsn: Option<u64>,
    /// A backup must have ended by then, in the drill's clock, to be of use.
    pub by_us: Option<u64>,
    /// The timeline to be followed; none: PostgreSQL's own choice.
    pub timeline: Option<TargetTimeline>,
}

impl Resolved {
    /// As in a configuration file, on one line.
    pub fn show(&self) -> String {
        let latest = self.settings.is_empty().then(|| "latest".to_owned());
        let settings = self.settings.iter().cloned().chain(self.along());
        let shown = settings.map(|(name, value)| format!("{name} = {value}"));
        let all: Vec<String> = latest.into_iter().chain(shown).collect();
        all.join(", ")
    }

    /// The setting that says which timeline is followed.
    pub fn along(&self) -> Option<(String, String)> {
        let timeline = self.timeline?;
        Some(("recovery_target_timeline".into(), timeline.to_string()))
    }

    /// Whether recovery can come from a timeline, that of a backup, to the one to be followed. That
    /// of a later one can't; whether an earlier one led to it PostgreSQL alone can tell.
    pub fn can_begin_on(&self, timeline: Option<u32>) -> bool {
        match self.timeline {
            Some(TargetTimeline::Number(stated)) => timeline.is_none_or(|on| on <= stated),
            Some(TargetTimeline::Latest | TargetTimeline::Current) | None => true,
        }
    }
}

/// The timeline that recovery follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum TargetTimeline {
    /// The newest that the archive knows of.
    Latest,
    /// The one that the backup was taken on.
    Current,
    /// The one of this number.
    #[serde(untagged)]
    Number(#[schemars(range(min = 1))] u32),
}

impl fmt::Display for TargetTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Current => f.write_str("current"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What a server does once it has reached its recovery target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetAction {
    /// It waits, read-only, until somebody promotes it.
    Pause,
    /// It leaves recovery and accepts writes.
    Promote,
    /// It ends.
    Shutdown,
}

impl TargetAction {
    /// Its name, as PostgreSQL has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Shutdown => "shutdown",
        }
    }
}
