//! A store whose listings are out of date: they tell what there was, for a while or for ever.

use super::*;
use crate::object_store::Conduct;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct StaleListings(pub String);

impl Kind for StaleListings {
    fn facts(&self) -> Facts<'_> {
        Facts::of_object_store(&self.0)
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let stale = Conduct {
            stale_listings: true,
            ..Conduct::default()
        };
        let met = |answer: &Answer| answer.status == Some(404);
        misbehave(injection, &stale, 1, met).await
    }
}
