//! Files of a store that rot, break off or go: those that a pattern names.

use super::*;
use crate::store::{Damage, Damaging, Stored, Which};

/// What is hashed at most, before and after.
const HASHED: u64 = 1 << 30;

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
        let before = store.held(place, &[".".to_owned()], HASHED).await?;
        let begun = injection.begin().await?;
        let damaging = Damaging {
            files: &self.files,
            which: self.which,
            are: self.are,
        };
        let hit = store.damage(place, damaging).await?;
        let record = injection.end(begun);
        let after = store.held(place, &[".".to_owned()], HASHED).await?;
        Ok(effect(&hit, &before, &after).of(record))
    }
}

fn effect(hit: &[String], before: &[Stored], after: &[Stored]) -> Effect {
    let path = |one: &Stored| one.path.trim_start_matches("./").to_owned();
    let was = |name: &String| before.iter().find(|one| path(one) == *name);
    let is = |name: &String| after.iter().find(|one| path(one) == *name);
    let unchanged = hit.iter().filter(|name| was(name) == is(name)).count();
    let names = hit.iter().take(3).map(String::as_str).collect::<Vec<_>>();
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

    fn stored(path: &str, sha256: &str) -> Stored {
        Stored {
            path: path.into(),
            bytes: 3,
            sha256: sha256.into(),
        }
    }

    #[test]
    fn damage_shows_in_what_the_store_holds() {
        let before = [stored("./a", "1"), stored("./b", "2")];
        let names = ["a".to_owned(), "b".to_owned()];
        let took = |hit: &[String], after: &[Stored]| effect(hit, &before, after).took;
        assert!(took(&names, &[stored("./a", "9")]));
        assert!(!took(&names, &[stored("./a", "9"), stored("./b", "2")]));
        assert!(!took(&[], &before));
    }
}
