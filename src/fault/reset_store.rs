//! A store whose answers break off: their connection is reset in mid-body.

use super::*;
use crate::object_store::Conduct;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ResetStore {
    store: String,
    /// After so much of an answer's body.
    after: Bytes,
}

impl Kind for ResetStore {
    fn facts(&self) -> Facts<'_> {
        Facts {
            particulars: format!("after {}", self.after),
            ..Facts::of_object_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let reset = Conduct {
            reset_after: self.after.0,
            ..Conduct::default()
        };
        let met = |answer: &Answer| answer.status.is_none();
        misbehave(injection, &reset, 1, met).await
    }
}
