//! A store that is out of reach for a while in the midst of what its clients do. Whether it came to
//! that is seen when it is healed.

use std::io;

use super::*;
use crate::{
    object_store::{Conduct, Interruption},
    runtime::RuntimeError,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct InterruptStore {
    store: String,
    /// It begins once so much more has passed, in both directions together.
    after: Bytes,
    /// It ends by itself.
    #[serde(rename = "for")]
    lasting: Time,
}

impl Kind for InterruptStore {
    fn facts(&self) -> Facts<'_> {
        Facts {
            particulars: format!("after {} for {}", self.after, self.lasting),
            shown_by_heal: true,
            ..Facts::of_object_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (store, place) = injection.hit_store();
        let coming = Conduct {
            interruption: Some(Interruption {
                after_bytes: self.after.0,
                for_ms: self.lasting.0.as_millis() as u64,
            }),
            ..Conduct::default()
        };
        let begun = injection.begin().await?;
        let answer = store.behave(place, &coming).await?;
        let effect = Effect {
            took: answer.is_good(),
            evidence: format!("it is to come; until then it answers with {answer}"),
        };
        Ok(effect.of(injection.end(begun)))
    }

    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        behave_again(injection).await?;
        let (store, place) = injection.hit_store();
        match store.tally(place).await?.interrupted {
            0 => {
                let failed =
                    RuntimeError::io(format!("show that `{}` was interrupted", place.store));
                let why = format!("{} never passed", self.after);
                Err(failed(io::Error::other(why)).into())
            }
            _once => Ok(()),
        }
    }
}
