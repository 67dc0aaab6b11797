//! Every privilege: role × object × privilege, memberships, role attributes.

use std::collections::BTreeSet;

use tokio_postgres::{Client, Row};

use super::{ProbeError, ProbeTarget, ask, databases, session};
use crate::{observation::Observation, postgres::query::Cells};

/// One row a privilege: role, kind, object, privilege.
const PRIVILEGES: &str = include_str!("privileges.sql");

/// Kinds of what belongs to the cluster, or is a database itself.
const SHARED: [&str; 3] = ["role", "database", "tablespace"];

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

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let mut there = databases::all(&session(&target.access).await?).await?;
    there.retain(|database| target.plan.databases.contains_key(database));
    let mut shown = BTreeSet::new();
    for database in there {
        let client = session(&target.access.within(&database)).await?;
        let told = |privilege: Privilege| privilege.told(|name| target.plan.told(name, &database));
        shown.extend(all(&client).await?.into_iter().map(told));
    }
    Ok(Observation::Privileges(shown.into_iter().collect()))
}

impl Privilege {
    /// In one line; what all databases share is not called by one of them.
    pub fn told(&self, name: impl Fn(&str) -> String) -> String {
        let object = match SHARED.contains(&self.kind.as_str()) {
            true => self.object.clone(),
            false => name(&self.object),
        };
        format!("{} {} {object} {}", self.role, self.kind, self.right)
    }
}

/// Every privilege on a server; the session's `search_path` must be empty.
pub async fn all(client: &Client) -> Result<Vec<Privilege>, ProbeError> {
    let rows = ask(client, PRIVILEGES, "read the privileges").await?;
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
