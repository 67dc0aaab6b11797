//! Damaged pages of an index.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct DamageIndex(pub String);

impl Kind for DamageIndex {
    fn facts(&self) -> Facts<'_> {
        Facts {
            healed_by: &["reindex", "salvage"],
            ..damage::facts(Need::Index(&self.0))
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        damage::inject(injection, &self.0).await
    }
}
