//! Large objects: how many, and the digest of their pages.
//!
//! An object is its OID and its pages of 2 KiB; both survive every kind of restore.

use super::{ProbeError, ProbeTarget, pg, readers::digest, reading_session, session};
use crate::observation::Observation;

/// Looks at the large objects.
///
/// # Errors
/// When they can't be read.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let row = client
        .query_one("SELECT count(*) FROM pg_largeobject_metadata", &[])
        .await
        .map_err(pg("count the large objects"))?;
    let mut reader = reading_session(&target.access).await?;
    let pages = digest(&mut reader, "SELECT loid, pageno, data FROM pg_largeobject").await?;
    Ok(Observation::LargeObjects {
        count: row.get::<_, i64>(0).unsigned_abs(),
        digest: pages.hex(),
    })
}
