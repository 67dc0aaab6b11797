//! Every catalog object and its definition, as text without OIDs.

use super::{ProbeError, ProbeTarget, pg, session};
use crate::observation::Observation;

/// One row an object: `kind name`, definition.
const CATALOG: &str = include_str!("catalog.sql");

/// Looks at the catalog.
///
/// # Errors
/// When it can't be read.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let rows = client.query(CATALOG, &[]).await;
    let rows = rows.map_err(pg("read the catalog"))?;
    let objects = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(Observation::Catalog(objects))
}
