//! A store that is slow: each request waits, or little passes at a time.

use super::*;
use crate::object_store::Conduct;

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
            ..Facts::of_object_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let slow = Conduct {
            latency_ms: self.latency.unwrap_or_default().0.as_millis() as u64,
            bandwidth: self.bandwidth.unwrap_or_default().0,
            ..Conduct::default()
        };
        let met = |answer: &Answer| answer.is_good() && answer.took_ms >= slow.trial_ms();
        misbehave(injection, &slow, 1, met).await
    }
}
