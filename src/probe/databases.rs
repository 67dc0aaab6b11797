//! The databases of a cluster: every one that lets somebody in is looked at.

use tokio_postgres::Client;

use super::{ProbeError, ask};
use crate::postgres::query::Cells;

/// A limit of -2 marks what `DROP DATABASE` left half done; nobody can connect to it.
const DATABASES: &str = "SELECT datname::text FROM pg_catalog.pg_database \
     WHERE datallowconn AND datconnlimit <> -2 ORDER BY 1";

/// Every database that can be connected to, `template1` included, in the order of their names.
pub async fn all(client: &Client) -> Result<Vec<String>, ProbeError> {
    let rows = ask(client, DATABASES, "list the databases").await?;
    rows.iter().map(|row| Ok(row.cell(0)?)).collect()
}
