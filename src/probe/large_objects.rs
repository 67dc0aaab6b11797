//! Large objects of every database: how many, and the digest of their pages.
//!
//! An object is its OID and its pages of 2 KiB; both survive every kind of restore.

use std::collections::BTreeMap;

use super::{ProbeError, ProbeTarget, databases, pg, readers::digest, reading_session, session};
use crate::{
    observation::{LargeObjectsState, Observation},
    postgres::{Access, query::Cells},
};

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let mut states = BTreeMap::new();
    for database in databases::all(&client).await? {
        let state = of_database(&target.access.within(&database)).await?;
        let name = target.plan.told("large objects", &database);
        states.insert(name, state);
    }
    Ok(Observation::LargeObjects(states))
}

async fn of_database(access: &Access) -> Result<LargeObjectsState, ProbeError> {
    let client = session(access).await?;
    let row = client
        .query_one("SELECT count(*) FROM pg_largeobject_metadata", &[])
        .await
        .map_err(pg("count the large objects"))?;
    let mut reader = reading_session(access).await?;
    let pages = digest(&mut reader, "SELECT loid, pageno, data FROM pg_largeobject").await?;
    Ok(LargeObjectsState {
        count: row.cell::<i64>(0)?.unsigned_abs(),
        digest: pages.hex(),
    })
}
