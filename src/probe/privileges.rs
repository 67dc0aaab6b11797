//! Every privilege: role × object × privilege, memberships, role attributes.

use tokio_postgres::{Client, Row};

use super::{ProbeError, ProbeTarget, pg, session};
use crate::{observation::Observation, postgres::query::Cells};

/// One row a privilege: role, kind, object, privilege.
const PRIVILEGES: &str = include_str!("privileges.sql");

/// One privilege; names are quoted where SQL demands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// Who has it, `PUBLIC` included.
    pub role: String,
    /// Kind of the object, e.g. `table`, `column`, `role`, `default-tables`.
    pub kind: String,
    /// The object, e.g. `sales.orders`, or `owner@schema` for default privileges.
    pub object: String,
    /// The privilege; `*` at the end: with grant option.
    pub right: String,
}

/// Looks at the whole matrix.
///
/// # Errors
/// When the catalogs can't be read.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let all = all(&client).await?;
    let shown = all.into_iter().map(|privilege| {
        let Privilege {
            role,
            kind,
            object,
            right,
        } = privilege;
        format!("{role} {kind} {object} {right}")
    });
    Ok(Observation::Privileges(shown.collect()))
}

/// Every privilege on a server; the session's `search_path` must be empty.
///
/// # Errors
/// When the catalogs can't be read.
pub async fn all(client: &Client) -> Result<Vec<Privilege>, ProbeError> {
    let rows = client.query(PRIVILEGES, &[]).await;
    let rows = rows.map_err(pg("read the privileges"))?;
    let privilege = |row: &Row| {
        Ok(Privilege {
            role: row.cell(0)?,
            kind: row.cell(1)?,
            object: row.cell(2)?,
            right: row.cell(3)?,
        })
    };
    rows.iter().map(privilege).collect()
}
