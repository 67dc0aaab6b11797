//! Business operations as real logins: what each role may do, and what it is refused.
//!
//! Each is made by a fresh login, in a transaction that is rolled back.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{ProbeError, ProbeTarget, pg};
use crate::{
    observation::{BusinessResult, Observation},
    postgres::PgError,
};

/// One operation of a business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in the data model.
    pub name: String,
    /// The role that logs in.
    pub role: String,
    /// The setting that names the tenant, when the operation is a tenant's.
    pub tenant_setting: Option<String>,
    /// One batch of statements.
    pub sql: String,
    /// The SQLSTATE it must end with; none: its last statement returns a row at least.
    pub refused: Option<String>,
}

/// Makes every operation.
///
/// # Errors
/// When the server goes away, or a role has no password.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let mut results = Vec::new();
    for operation in target.business {
        results.push(BusinessResult {
            name: operation.name.clone(),
            role: operation.role.clone(),
            expected: operation.refused.clone().unwrap_or_else(|| "rows".into()),
            got: outcome(target, operation).await?,
        });
    }
    Ok(Observation::Business(results))
}

/// What happened: `rows`, `no rows`, or the SQLSTATE of the refusal (of the login, too).
async fn outcome(target: &ProbeTarget<'_>, operation: &Operation) -> Result<String, ProbeError> {
    let client = match login(target, &operation.role).await {
        Ok(client) => client,
        Err(ProbeError::Postgres(PgError {
            sqlstate: Some(sqlstate),
            ..
        })) => return Ok(sqlstate),
        Err(error) => return Err(error),
    };
    let began = begin(&client, operation, "BEGIN").await;
    let result = match began {
        Ok(()) => client.simple_query(&operation.sql).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(messages) => {
            // Rolled back by the end of the session, too, should this fail.
            client
                .batch_execute("ROLLBACK")
                .await
                .map_err(pg("roll back"))?;
            let rows = if returned_rows(&messages) {
                "rows"
            } else {
                "no rows"
            };
            Ok(rows.into())
        }
        Err(error) => match error.code() {
            Some(code) => Ok(code.code().to_owned()),
            None => Err(pg(format!("business check `{}`", operation.name))(error)),
        },
    }
}

/// Logs in as a role of the data model.
///
/// # Errors
/// When there is no password for it, or the server refuses.
pub(super) async fn login(target: &ProbeTarget<'_>, role: &str) -> Result<Client, ProbeError> {
    let password = target.passwords.get(role);
    let password =
        password.ok_or_else(|| ProbeError::Other(format!("no password for `{role}`")))?;
    let access = target.access.as_role(role, password);
    Ok(access.connect("pgdrill business").await?)
}

/// Begins a transaction as one of the tenants, where the operation is a tenant's.
pub(super) async fn begin(
    client: &Client,
    operation: &Operation,
    begin: &str,
) -> Result<(), tokio_postgres::Error> {
    let tenant = match &operation.tenant_setting {
        Some(setting) => format!("; SET LOCAL {setting} = '1'"),
        None => String::new(),
    };
    client.batch_execute(&format!("{begin}{tenant}")).await
}

/// Whether the last statement of a batch returned a row.
fn returned_rows(messages: &[SimpleQueryMessage]) -> bool {
    let before_its_end = messages.iter().rev().nth(1);
    matches!(before_its_end, Some(SimpleQueryMessage::Row(_)))
}
