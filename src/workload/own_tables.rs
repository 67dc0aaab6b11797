//! Tables that clients write: what makes those of the scenario's own, and whether a ledger can be
//! held against each.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{
    Client, Error, SimpleQueryMessage,
    error::{DbError, ErrorPosition},
    types::Type,
};

use super::WorkloadError;
use crate::{
    model::columns,
    postgres::{Access, access::describe, query::Cells},
    scenario::plan::{LiveTable, Plan, WorkloadPlan},
};

/// Makes the tables of the scenario's own on a server, and sees that the rows of every workload will be
/// told and compared. `access` is a superuser's.
///
/// # Errors
/// When the server refuses the SQL, or key and payload are not what a ledger can be held
/// against.
pub async fn create(plan: &Plan, server: &str, access: &Access) -> Result<(), WorkloadError> {
    let here = |(name, _): &(&String, &WorkloadPlan)| plan.cluster_of_workload(name) == server;
    for (workload, plan) in plan.workloads.iter().filter(here) {
        if let Some(sql) = &plan.create {
            let made = make(&access.within(&plan.database), sql).await;
            made.map_err(|cause| wrong(workload, cause))?;
        }
    }
    for (workload, plan) in plan.workloads.iter().filter(here) {
        let access = access.within(&plan.database);
        let fit = fits(&access, &plan.business.tables).await;
        fit.map_err(|cause| wrong(workload, cause))?;
    }
    Ok(())
}

fn wrong(workload: &str, cause: String) -> WorkloadError {
    WorkloadError::Table {
        workload: workload.to_owned(),
        cause,
    }
}

/// In a session of its own, which what is set or left open in it ends with.
async fn make(access: &Access, sql: &str) -> Result<(), String> {
    let client = connect(access).await?;
    let mut done = 0;
    let executed = async {
        let mut messages = pin!(client.simple_query_raw(sql).await?);
        while let Some(message) = messages.try_next().await? {
            done += usize::from(matches!(message, SimpleQueryMessage::CommandComplete(_)));
        }
        Ok::<(), Error>(())
    };
    let executed = executed.await;
    executed.map_err(|error| {
        let place = place(sql, &error).unwrap_or(format!("statement {}", done + 1));
        format!("`create` failed at {place}: {}", describe(&error))
    })
}

/// Line and column of an error in the SQL; none when the server points at neither.
fn place(sql: &str, error: &Error) -> Option<String> {
    match error.as_db_error().and_then(DbError::position)? {
        ErrorPosition::Original(at) => Some(line_and_column(sql, *at)),
        ErrorPosition::Internal { .. } => None,
    }
}

/// `at`: characters from 1, as PostgreSQL counts.
fn line_and_column(sql: &str, at: u32) -> String {
    let before: String = sql.chars().take((at as usize).saturating_sub(1)).collect();
    let line = before.rsplit('\n').next().unwrap_or_default();
    format!(
        "line {}, column {}",
        before.matches('\n').count() + 1,
        line.chars().count() + 1
    )
}

async fn connect(access: &Access) -> Result<Client, String> {
    let connected = access.connect("pgdrill create").await;
    connected.map_err(|error| error.to_string())
}

/// Whether rows of the clients can be told by their key and compared by their payload.
async fn fits(access: &Access, tables: &[LiveTable]) -> Result<(), String> {
    let client = connect(access).await?;
    for table in tables {
        check_types(&client, table).await?;
        unkeyed(&client, table).await?;
    }
    Ok(())
}

async fn check_types(client: &Client, table: &LiveTable) -> Result<(), String> {
    let payload: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let sql = format!(
        "SELECT {}, {} FROM {}",
        table.key,
        payload.join(", "),
        table.name
    );
    let prepared = client.prepare(&sql).await;
    let prepared = prepared.map_err(|error| format!("`{sql}`: {}", describe(&error)))?;
    let [key, payload @ ..] = prepared.columns() else {
        return Err(format!("`{sql}` has no columns"));
    };
    if payload.len() != table.columns.len() {
        return Err(format!(
            "`{sql}` are not {} columns",
            table.columns.len() + 1
        ));
    }
    let wrong = |what: &str, name: &str, is: &Type, wanted: &str| {
        let table = &table.name;
        format!("the {what} `{name}` of {table} is of type {is} (hint: it must be {wanted})")
    };
    if ![Type::UUID, Type::TEXT, Type::VARCHAR].contains(key.type_()) {
        return Err(wrong("key", &table.key, key.type_(), "uuid or text"));
    }
    for (column, is) in table.columns.iter().zip(payload) {
        for generator in std::iter::once(&column.r#gen).chain(&column.update) {
            let alike = columns::prints_alike(generator, is.type_());
            alike.map_err(|wanted| wrong("payload", &column.name, is.type_(), &wanted))?;
        }
    }
    Ok(())
}

async fn unkeyed(client: &Client, table: &LiveTable) -> Result<(), String> {
    let (table, key) = (&table.name, &table.key);
    let sql = format!("SELECT count(*) FROM {table} WHERE {key} IS NOT NULL");
    let counted = client.query_one(&sql, &[]).await;
    let counted = counted.map_err(|error| format!("`{sql}`: {}", describe(&error)))?;
    let counted = counted.cell::<i64>(0);
    match counted.map_err(|error| error.to_string())? {
        0 => Ok(()),
        rows => Err(format!(
            "the key `{key}` is not NULL in {rows} of the rows that {table} has before any \
             client began (hint: leave it NULL: it tells the clients' rows)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::line_and_column;

    #[test]
    fn a_position_is_told_as_line_and_column() {
        let sql = "create schema é;\n\ncreate table é.t (no txt);\n";
        let at = sql.chars().position(|c| c == 'x').unwrap() as u32;
        assert_eq!(line_and_column(sql, at), "line 3, column 22");
        assert_eq!(line_and_column(sql, 1), "line 1, column 1");
    }
}
