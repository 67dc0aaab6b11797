//! Files of a store that rot, break off or go: those that a pattern names.

use super::*;
use crate::store::{Damage, Damaged, Damaging, Which};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct DamageFiles {
    store: String,
    /// As `find -path` has it, from the store's beginning: a `*` stands for `/`, too.
    files: String,
    /// Of those. Default: all.
    #[serde(default)]
    which: Which,
    /// What becomes of them.
    are: Damage,
}

impl Kind for DamageFiles {
    fn facts(&self) -> Facts<'_> {
        let which = match self.which {
            Which::All => "",
            Which::Newest => "the newest of ",
            Which::Largest => "the largest of ",
        };
        Facts {
            particulars: format!("{which}{}: {}", self.files, self.are.word()),
            ..Facts::of_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (store, place) = injection.hit_store();
        let begun = injection.begin().await?;
        let damaging = Damaging {
            files: &self.files,
            which: self.which,
            are: self.are,
        };
        let hit = store.damage(place, damaging).await?;
        let record = injection.end(begun);
        Ok(effect(&hit).of(record))
    }
}

fn effect(hit: &[Damaged]) -> Effect {
    let unchanged = hit.iter().filter(|one| one.before == one.after).count();
    let names: Vec<&str> = hit.iter().take(3).map(|one| one.path.as_str()).collect();
    let more = if hit.len() > names.len() { ", …" } else { "" };
    Effect {
        took: !hit.is_empty() && unchanged == 0,
        evidence: match hit.len() {
            0 => "there is no such file".into(),
            files => format!(
                "{files} damaged, of which {unchanged} are as before: {}{more}",
                names.join(", ")
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(path: &str, before: &str, after: &str) -> Damaged {
        Damaged {
            path: path.into(),
            before: before.into(),
            after: after.into(),
        }
    }

    #[test]
    fn damage_shows_in_each_file_that_was_hit() {
        let took = |hit: &[Damaged]| effect(hit).took;
        assert!(took(&[damaged("a", "1", "9"), damaged("b", "2", "")]));
        assert!(!took(&[damaged("a", "1", "9"), damaged("b", "2", "2")]));
        assert!(!took(&[]));
    }
}
