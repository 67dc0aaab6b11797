//! A store that is cut off: nobody reads or writes it.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct CloseStore(pub String);

impl Kind for CloseStore {
    fn facts(&self) -> Facts<'_> {
        Facts {
            closes_store: true,
            heals: true,
            ..Facts::of_store(&self.0)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (store, place) = injection.hit_store();
        let begun = injection.begin().await?;
        store.close(place).await?;
        let record = injection.end(begun);
        let answer = store.held(place, &[".".to_owned()], 0).await;
        let effect = Effect {
            took: answer.is_err(),
            evidence: match answer {
                Err(error) => error.to_string().lines().next().unwrap_or_default().into(),
                Ok(_) => "it still says what it holds".into(),
            },
        };
        Ok(effect.of(record))
    }

    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        let (store, place) = injection.hit_store();
        store.open(place).await?;
        store.held(place, &[".".to_owned()], 0).await?;
        Ok(())
    }
}
