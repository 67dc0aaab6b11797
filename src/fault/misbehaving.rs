//! What the faults of object storage have in common: it is told how to behave, and asked for
//! something before and after.

use std::io;

use super::{Effect, FaultError, FaultRecord, Injection};
use crate::{
    object_store::{Answer, Conduct},
    runtime::RuntimeError,
};

/// Has its store behave like this. It took effect where one of `tries` answers is as `met` says.
pub(super) async fn misbehave(
    injection: &Injection<'_>,
    conduct: &Conduct,
    tries: u32,
    met: impl Fn(&Answer) -> bool,
) -> Result<FaultRecord, FaultError> {
    let (store, place) = injection.hit_store();
    let before = store.behave(place, &Conduct::default()).await?;
    let begun = injection.begin().await?;
    let mut after = store.behave(place, conduct).await?;
    let record = injection.end(begun);
    for _ in 1..tries {
        if met(&after) {
            break;
        }
        after = store.behave(place, conduct).await?;
    }
    let effect = Effect {
        took: met(&after) && !met(&before),
        evidence: format!("it answered with {after}, and before with {before}"),
    };
    Ok(effect.of(record))
}

/// Has it serve as ever.
pub(super) async fn behave_again(injection: &Injection<'_>) -> Result<(), FaultError> {
    let (store, place) = injection.hit_store();
    let answer = store.behave(place, &Conduct::default()).await?;
    let failed = RuntimeError::io(format!("have `{}` serve again", place.store));
    match answer.is_good() {
        true => Ok(()),
        false => Err(failed(io::Error::other(format!("it answers with {answer}"))).into()),
    }
}
