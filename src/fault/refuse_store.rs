//! A store that refuses clients: their credentials were revoked, or may only read, or the bucket is gone.

use super::*;
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
            Refusal::Bucket => "as if it were gone",
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
        let (status, _code) = self.refuses.answer();
        let met = |answer: &Answer| answer.status == Some(status.as_u16());
        misbehave(injection, &refusing, 1, met).await
    }
}
