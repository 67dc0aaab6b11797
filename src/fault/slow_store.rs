//! A store that is slow: each request waits, or little passes at a time.

use super::*;
use crate::{object_store::Conduct, units::Bytes};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline, extend("minProperties" = 2))]
pub struct SlowStore {
    store: String,
    /// Each request waits so long.
    latency: Option<Time>,
    /// No more than this passes a second, of all requests and answers together.
    bandwidth: Option<Bytes>,
}

impl Kind for SlowStore {
    fn facts(&self) -> Facts<'_> {
        let latency = self.latency.map(|time| format!("by {time}"));
        let bandwidth = self.bandwidth.map(|bytes| format!("to {bytes}/s"));
        let slowed: Vec<String> = latency.into_iter().chain(bandwidth).collect();
        Facts {
            particulars: slowed.join(", "),
            needs_s3: true,
            heals: true,
            ..Facts::of_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (store, place) = injection.store(&self.store);
        let before = store.behave(place, &Conduct::default()).await?;
        let begun = injection.begin().await?;
        let slow = Conduct {
            latency_ms: self.latency.unwrap_or_default().0.as_millis() as u64,
            bandwidth: self.bandwidth.unwrap_or_default().0,
            ..Conduct::default()
        };
        let after = store.behave(place, &slow).await?;
        let record = injection.end(begun);
        let effect = Effect {
            took: after.status.is_some() && after.took_ms >= slow.trial_ms(),
            evidence: format!(
                "{} bytes took {}ms, and {} {}ms before",
                slow.trial_bytes(),
                after.took_ms,
                Conduct::default().trial_bytes(),
                before.took_ms
            ),
        };
        Ok(effect.of(record))
    }

    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        let (store, place) = injection.store(&self.store);
        store.behave(place, &Conduct::default()).await?;
        Ok(())
    }
}
