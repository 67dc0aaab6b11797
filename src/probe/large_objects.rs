//! Large objects of every database: how many, and the digest of their pages.
//!
//! An object is its OID and its pages of 2 KiB; both survive every kind of restore.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::{
    ProbeError, ProbeTarget, databases, digest::Rows, pg, readers::digest, reading_session, session,
};
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

/// What a database's are, page by page.
pub const PAGES: &str = "SELECT loid, pageno, data FROM pg_largeobject";

async fn of_database(access: &Access) -> Result<LargeObjectsState, ProbeError> {
    let client = session(access).await?;
    let mut reader = reading_session(access).await?;
    let pages = digest(&mut reader, PAGES).await?;
    state(&client, pages).await
}

/// How many there are, beside what their [`PAGES`] come to.
pub async fn state(client: &Client, pages: Rows) -> Result<LargeObjectsState, ProbeError> {
    let row = client
        .query_one("SELECT count(*) FROM pg_largeobject_metadata", &[])
        .await
        .map_err(pg("count the large objects"))?;
    Ok(LargeObjectsState {
        count: row.cell::<i64>(0)?.unsigned_abs(),
        digest: pages.hex(),
    })
}
