//! A recovery target as PostgreSQL's settings say it. How a scenario's target comes to it is
//! `restore/target`.

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
}

impl Resolved {
    /// As in a configuration file, on one line.
    pub fn show(&self) -> String {
        if self.settings.is_empty() {
            return "latest".into();
        }
        let shown: Vec<String> = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        shown.join(", ")
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
