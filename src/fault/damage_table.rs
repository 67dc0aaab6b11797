//! Damaged pages of a table's heap.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct DamageTable(pub String);

impl Kind for DamageTable {
    fn facts(&self) -> Facts<'_> {
        damage::facts(Need::Table(&self.0))
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        damage::inject(injection, &self.0).await
    }
}
