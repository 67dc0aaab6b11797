//! The storage of backups and WAL is gone; what stands in its place is empty.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct LoseStore(pub String);

impl Kind for LoseStore {
    fn facts(&self) -> Facts<'_> {
        Facts {
            loses_store: true,
            ..Facts::of_store(&self.0)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (store, place) = injection.hit_store();
        let all = [".".to_owned()];
        let before = store.held(place, &all, 0).await?;
        let begun = injection.begin().await?;
        store.lose(place).await?;
        let record = injection.end(begun);
        let after = store.held(place, &all, 0).await?;
        let left = before.iter().filter(|file| after.contains(file)).count();
        let effect = Effect {
            took: !before.is_empty() && left == 0,
            evidence: format!("of {} files {left} are left", before.len()),
        };
        Ok(effect.of(record))
    }
}
