//! How the object store behaves: well, or in one of the ways that those of providers fail.

use std::{path::Path, time::Duration};

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{ObjectStoreError, interruption::Interruption, stale::Stale, write_whole};

/// Looks for a new conduct so often.
const PAUSE: Duration = Duration::from_millis(20);

/// What it does to those who ask. Default: it serves them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conduct {
    /// Connections are closed, those under way too.
    pub outage: bool,
    /// Each request waits so long, in milliseconds.
    pub latency_ms: u64,
    /// All bodies together pass at no more than this, in bytes a second; 0: as fast as they can.
    pub bandwidth: u64,
    /// Of so many requests one is told to slow down (503); 0: none.
    pub throttled: u32,
    /// Bodies of answers break off, with their connection, after so many bytes; 0: none does.
    pub reset_after: u64,
    /// Whom it refuses.
    pub refuses: Option<Refusal>,
    /// Listings tell what there was when this began.
    pub stale_listings: bool,
    /// An outage that is to come.
    pub interruption: Option<Interruption>,
}

impl Conduct {
    /// As many bytes as are asked for where it is tried: what passes in a quarter of a second, more
    /// than before an answer breaks off, and otherwise something.
    pub fn trial_bytes(&self) -> u64 {
        const SOMETHING: u64 = 256 << 10;
        match (self.bandwidth, self.reset_after) {
            // It is not to be this that it comes after.
            _ if self.interruption.is_some() => 0,
            (0, 0) => SOMETHING,
            (0, after) => after + 1,
            (bandwidth, _) => (bandwidth / 4).min(SOMETHING),
        }
    }

    /// What a trial takes at least, in milliseconds.
    pub fn trial_ms(&self) -> u64 {
        let passing = (self.trial_bytes() * 1000).checked_div(self.bandwidth);
        self.latency_ms + passing.unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Refusal {
    /// Everybody: the credentials were revoked (403).
    Credentials,
    /// Who writes: the credentials may read only (403).
    Writes,
    /// Everybody: there is no such bucket (404).
    Bucket,
}

impl Refusal {
    /// HTTP's status, and S3's code of the error.
    pub fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Credentials => (StatusCode::FORBIDDEN, "InvalidAccessKeyId"),
            Self::Writes => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::Bucket => (StatusCode::NOT_FOUND, "NoSuchBucket"),
        }
    }
}

/// Follows the file that says how to behave, and answers beside it (`.told`) what is in force.
///
/// # Errors
/// When that can't be written, or what there is not be kept for listings. A file that can't be read
/// yet is read again.
pub async fn follow(
    file: &Path,
    told: &watch::Sender<Conduct>,
    stale: &Stale,
) -> Result<(), ObjectStoreError> {
    let mut newest = Vec::new();
    loop {
        let text = tokio::fs::read(file).await.unwrap_or_default();
        if text != newest
            && let Ok(conduct) = serde_json::from_slice::<Conduct>(&text)
        {
            if conduct.stale_listings && !told.borrow().stale_listings {
                let kept = stale.keep();
                kept.map_err(ObjectStoreError::new("keep what it lists"))?;
            }
            told.send_replace(conduct);
            let answer = file.with_extension("told");
            write_whole(&answer, &text).map_err(ObjectStoreError::new("tell its conduct"))?;
            newest = text;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
