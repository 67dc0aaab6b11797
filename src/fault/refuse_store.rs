//! A store that refuses clients: their credentials were revoked, or may only read.

use super::{
    misbehaving::{behave_again, misbehave},
    *,
};
use crate::object_store::{Conduct, Refusal};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct RefuseStore {
    store: String,
    /// Whom it refuses.
    refuses: Refusal,
}

impl Kind for RefuseStore {
    fn facts(&self) -> Facts<'_> {
        let whom = match self.refuses {
            Refusal::Credentials => "to everybody",
            Refusal::Writes => "to writers",
        };
        Facts {
            particulars: whom.to_owned(),
            ..Facts::of_object_store(&self.store)
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let refusing = Conduct {
            refuses: Some(self.refuses),
            ..Conduct::default()
        };
        let met = |answer: &Answer| answer.status == Some(403);
        misbehave(injection, &self.store, &refusing, 1, met).await
    }

    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        behave_again(injection, &self.store).await
    }
}
