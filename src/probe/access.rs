//! Who may log in: the rules of `pg_hba.conf`, the mappings of `pg_ident.conf`, and what becomes
//! of a wrong password, tried for every role that logs in.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt};
use tokio_postgres::Row;

use super::{APPLICATION, ProbeError, ProbeTarget, ask, session, settings::without_secrets};
use crate::{
    observation::{AccessState, Observation},
    postgres::{
        PgError,
        query::{Cells, texts},
    },
    secret::Secret,
};

/// In the order in which they are tried: the first that fits decides.
const RULES: &str = "SELECT concat_ws(' ', type, array_to_string(database, ','), \
     array_to_string(user_name, ','), address, netmask, auth_method), \
     coalesce(options, '{}'), 'line ' || line_number || ': ' || error FROM pg_hba_file_rules";

const MAPPINGS: &str = "SELECT concat_ws(' ', map_name, sys_name, pg_username, \
     'line ' || line_number || ': ' || error) FROM pg_ident_file_mappings";

const ROLES: &str = "SELECT rolname::text FROM pg_roles WHERE rolcanlogin";

/// Logins tried at the same time.
const CONCURRENT: usize = 4;

/// What a login with a wrong password may end with; tried by every look.
pub const REFUSED: [&str; 2] = ["28P01", "28000"];

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let rules = ask(&client, RULES, "read the rules of pg_hba.conf").await?;
    let rules = rules.iter().map(rule).collect::<Result<_, _>>()?;
    let mappings = ask(&client, MAPPINGS, "read the mappings of pg_ident.conf").await?;
    let roles = ask(&client, ROLES, "read who logs in").await?;
    let roles = texts(&roles)?;
    Ok(Observation::Access(AccessState {
        rules,
        mappings: texts(&mappings)?,
        wrong_password: wrong_passwords(target, roles).await?,
    }))
}

fn rule(row: &Row) -> Result<String, PgError> {
    let options: Vec<String> = row.cell(1)?;
    let options = options.iter().map(|option| without_secrets(option));
    let error: Option<String> = row.cell(2)?;
    let words = [row.cell(0)?].into_iter().chain(options).chain(error);
    Ok(words.collect::<Vec<String>>().join(" "))
}

async fn wrong_passwords(
    target: &ProbeTarget<'_>,
    roles: Vec<String>,
) -> Result<BTreeMap<String, String>, ProbeError> {
    let tried = roles.into_iter().map(async |role| {
        let got = wrong_password(target, &role).await?;
        Ok((role, got))
    });
    let tried = futures_util::stream::iter(tried).buffer_unordered(CONCURRENT);
    tried.try_collect().await
}

/// The SQLSTATE that a login with a password nobody has ends with, or [`AccessState::LET_IN`].
async fn wrong_password(target: &ProbeTarget<'_>, role: &str) -> Result<String, ProbeError> {
    let access = target.access.as_role(role, &Secret::random());
    match access.connect(APPLICATION).await {
        Ok(_) => Ok(AccessState::LET_IN.to_owned()),
        Err(PgError {
            sqlstate: Some(sqlstate),
            ..
        }) => Ok(sqlstate),
        Err(error) => Err(error.into()),
    }
}
