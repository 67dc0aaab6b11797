//! A store that is full: nothing more can be written into it, what it holds can be read.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct FillStore(pub String);

impl Kind for FillStore {
    fn facts(&self) -> Facts<'_> {
        Facts {
            heals: true,
            needs_size: true,
            ..Facts::of_store(&self.0)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (store, place) = injection.hit_store();
        let begun = injection.begin().await?;
        let filled = store.fill(place).await;
        let record = injection.end(begun);
        let effect = Effect {
            took: filled.is_ok(),
            evidence: match filled {
                Ok(()) => format!("of {} not a byte is free", store.size()),
                Err(error) => error.to_string(),
            },
        };
        Ok(effect.of(record))
    }

    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        let (store, place) = injection.hit_store();
        Ok(store.relieve(place).await?)
    }
}
