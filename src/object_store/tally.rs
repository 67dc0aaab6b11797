//! What was asked of the object store: requests and bytes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{ObjectStoreError, write_whole};

/// Is written so often, where anything changed.
const PAUSE: Duration = Duration::from_millis(100);

/// Since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// By method and status: `PUT 200`.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of bodies that arrived.
    pub received: u64,
    /// Bytes of bodies that left.
    pub sent: u64,
    /// Connections that an outage closed.
    pub cut: u64,
    /// How often it was interrupted as it was told last.
    #[serde(default)]
    pub interrupted: u64,
}

impl Tally {
    /// How many requests were refused for what the store was told to be: 403 and 503.
    pub fn refused(&self) -> u64 {
        let refused = |what: &&String| what.ends_with(" 403") || what.ends_with(" 503");
        let requests = self.requests.iter();
        requests
            .filter(|(what, _)| refused(what))
            .map(|(_, count)| count)
            .sum()
    }
}

#[derive(Debug, Default)]
pub struct Counted(Mutex<Tally>);

impl Counted {
    pub fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Bytes of bodies, in both directions.
    pub fn passed(&self) -> u64 {
        let now = self.now();
        now.received + now.sent
    }

    fn now(&self) -> Tally {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps a file up to date with it.
    ///
    /// # Errors
    /// When that can't be written.
    pub async fn tell(&self, file: &Path) -> Result<(), ObjectStoreError> {
        let mut told = None;
        loop {
            let now = self.now();
            if told.as_ref() != Some(&now) {
                let text = serde_json::to_vec(&now).unwrap_or_default();
                write_whole(file, &text).map_err(ObjectStoreError::new("write its tally"))?;
                told = Some(now);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
