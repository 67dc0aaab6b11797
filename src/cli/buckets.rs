//! Whether the buckets that plans name can be used, asked before any drill.

use super::Failure;
use crate::{
    bucket::{self, Bucket, BucketError, Record, THIS_MACHINE},
    runtime::Runtime,
    scenario::plan::Plan,
};

/// What the trial is called, among drills.
const TRIAL: &str = "trial";

/// Tries out each of them once.
pub async fn there(plans: &[Plan], runtime: &Runtime) -> Result<(), Failure> {
    let mut tried: Vec<&Bucket> = Vec::new();
    for (plan, store, bucket) in plans.iter().flat_map(named) {
        if !tried.contains(&bucket) {
            let usable = usable(bucket, runtime).await;
            usable.map_err(|error| refused(plan, store, &error))?;
            tried.push(bucket);
        }
    }
    Ok(())
}

fn named(plan: &Plan) -> impl Iterator<Item = (&Plan, &str, &Bucket)> {
    let stores = plan.strategy.stores.iter();
    stores.filter_map(move |(name, store)| Some((plan, name.as_str(), store.external()?)))
}

async fn usable(bucket: &Bucket, runtime: &Runtime) -> Result<(), BucketError> {
    reachable(bucket, runtime)?;
    let record = Record {
        bucket: bucket.clone(),
        prefix: format!("pgdrill/{}/{TRIAL}", runtime.run().id),
    };
    let access = bucket.access(&record.prefix)?;
    bucket::look(&access).await?;
    let noted = runtime.note(TRIAL, "", &record);
    noted.map_err(|error| BucketError::new(error.to_string(), ""))?;
    let tried = bucket::try_out(&access).await;
    let left = runtime.close_drill(TRIAL).await;
    tried?;
    match left.first() {
        None => Ok(()),
        Some(left) => Err(BucketError::new(left, "")),
    }
}

/// Whether nodes and pgdrill itself mean the same by its host.
fn reachable(bucket: &Bucket, runtime: &Runtime) -> Result<(), BucketError> {
    let host = bucket.address().0;
    match runtime {
        Runtime::Docker(_) if bucket.is_loopback() => Err(BucketError::new(
            format!("{bucket}: by `{host}` a container finds itself, not this machine"),
            format!("`https://{THIS_MACHINE}:PORT`, with a certificate for that name"),
        )),
        Runtime::Local(_) if bucket.is_of_this_machine() => Err(BucketError::new(
            format!("{bucket}: `{host}` is what containers alone know this machine by"),
            "`https://localhost:PORT`, or `--runtime docker`",
        )),
        _ => Ok(()),
    }
}

fn refused(plan: &Plan, store: &str, error: &BucketError) -> Failure {
    let hint = match error.help.as_str() {
        "" => String::new(),
        help => format!("\n  hint: {help}"),
    };
    let (strategy, cause, file) = (&plan.strategy.name, &error.cause, &plan.file);
    Failure::BadInput(format!(
        "store `{store}` of strategy `{strategy}`: {cause}\n  --> {file}{hint}"
    ))
}
