//! Business operations as real logins: what each role may do, and what it is refused.
//!
//! Each is made by a fresh login, in a transaction that is rolled back, and what is a
//! tenant's is made for one tenant after the other.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{ProbeError, ProbeTarget, pg};
use crate::{
    observation::{BusinessResult, Observation},
    postgres::PgError,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub name: String,
    /// The database that it is made in.
    pub database: String,
    pub role: String,
    /// Whose it is; none when it is no tenant's.
    pub tenants: Option<Tenants>,
    pub sql: String,
    pub writes: bool,
    /// The SQLSTATE it must end with; none: its last statement returns a row at least.
    pub refused: Option<String>,
}

/// The tenants of the load: 1 up to their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenants {
    /// The setting that names a session's tenant.
    pub setting: String,
    pub count: u64,
}

/// At most so many tenants are tried, evenly spread.
const TRIED: u64 = 100;

impl Tenants {
    fn tried(&self) -> impl Iterator<Item = u64> + use<> {
        let step = self.count.div_ceil(TRIED).max(1);
        (1..=self.count).step_by(usize::try_from(step).unwrap_or(usize::MAX))
    }
}

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let mut results = Vec::new();
    for operation in target.business {
        results.push(BusinessResult {
            name: target.plan.told(&operation.name, &operation.database),
            role: operation.role.clone(),
            expected: operation.refused.clone().unwrap_or_else(|| "rows".into()),
            got: outcome(target, operation).await?,
            writes: operation.writes,
        });
    }
    Ok(Observation::Business(results))
}

/// What happened: `rows`, `no rows`, or the SQLSTATE of the refusal (of the login, too). Where
/// it was not the same for all tenants, what happened to the first that differs from what is
/// expected.
async fn outcome(target: &ProbeTarget<'_>, operation: &Operation) -> Result<String, ProbeError> {
    let client = match login(target, operation).await {
        Ok(client) => client,
        Err(ProbeError::Postgres(PgError {
            sqlstate: Some(sqlstate),
            ..
        })) => return Ok(sqlstate),
        Err(error) => return Err(error),
    };
    let expected = operation.refused.as_deref().unwrap_or("rows");
    let Some(tenants) = &operation.tenants else {
        return attempt(&client, operation, None).await;
    };
    for tenant in tenants.tried() {
        let got = attempt(&client, operation, Some(tenant)).await?;
        if got != expected {
            return Ok(format!("{got} as tenant {tenant}"));
        }
    }
    Ok(expected.to_owned())
}

/// Makes an operation once; nothing of it stays.
async fn attempt(
    client: &Client,
    operation: &Operation,
    tenant: Option<u64>,
) -> Result<String, ProbeError> {
    let began = begin(client, operation, tenant, "BEGIN").await;
    let result = match began {
        Ok(()) => client.simple_query(&operation.sql).await,
        Err(error) => Err(error),
    };
    let got = match result {
        Ok(messages) if returned_rows(&messages) => "rows".to_owned(),
        Ok(_) => "no rows".to_owned(),
        Err(error) => match error.code() {
            Some(code) => code.code().to_owned(),
            None => return Err(pg(format!("business check `{}`", operation.name))(error)),
        },
    };
    let rolled_back = client.batch_execute("ROLLBACK").await;
    rolled_back.map_err(pg("roll back"))?;
    Ok(got)
}

/// Logs in as an operation's role, in its database.
pub(super) async fn login(
    target: &ProbeTarget<'_>,
    operation: &Operation,
) -> Result<Client, ProbeError> {
    let role = &operation.role;
    let password = target.passwords.get(role);
    let password =
        password.ok_or_else(|| ProbeError::Other(format!("no password for `{role}`")))?;
    let access = target.access.as_role(role, password);
    let access = access.within(&operation.database);
    Ok(access.connect("pgdrill business").await?)
}

/// Begins a transaction, as this tenant where the operation is a tenant's.
pub(super) async fn begin(
    client: &Client,
    operation: &Operation,
    tenant: Option<u64>,
    begin: &str,
) -> Result<(), tokio_postgres::Error> {
    let setting = operation.tenants.as_ref().map(|tenants| &tenants.setting);
    let tenant = match setting.zip(tenant) {
        Some((setting, tenant)) => format!("; SET LOCAL {setting} = '{tenant}'"),
        None => String::new(),
    };
    client.batch_execute(&format!("{begin}{tenant}")).await
}

fn returned_rows(messages: &[SimpleQueryMessage]) -> bool {
    let before_its_end = messages.iter().rev().nth(1);
    matches!(before_its_end, Some(SimpleQueryMessage::Row(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_tried_from_the_first_on_a_hundred_at_most() {
        let tried = |count| {
            let setting = String::new();
            Tenants { setting, count }.tried().collect::<Vec<u64>>()
        };
        assert_eq!(tried(3), [1, 2, 3]);
        assert_eq!(tried(0), [0; 0]);
        let many = tried(1_000);
        assert_eq!((many.len(), many[1]), (100, 11));
    }
}
