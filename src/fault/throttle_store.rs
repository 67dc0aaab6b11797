//! A store that is asked too much: it tells clients to slow down.

use super::*;
use crate::object_store::Conduct;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ThrottleStore {
    store: String,
    /// Of so many requests one is refused; 1: every one.
    #[schemars(range(min = 1, max = 100))]
    every: u32,
}

impl Kind for ThrottleStore {
    fn facts(&self) -> Facts<'_> {
        Facts {
            particulars: format!("one request in {}", self.every),
            ..Facts::of_object_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let throttled = Conduct {
            throttled: self.every,
            ..Conduct::default()
        };
        let met = |answer: &Answer| answer.status == Some(503);
        // Clients ask, too: which request it hits nobody can say beforehand.
        misbehave(injection, &throttled, 10 * self.every, met).await
    }
}
