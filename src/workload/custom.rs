//! The user's own SQL: what makes a table of the user's own, and one statement a
//! transaction, `$1` the key, `$2` the payload.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{
    Client, Error, SimpleQueryMessage,
    error::{DbError, ErrorPosition},
    types::Type,
};

use super::{
    WorkloadError,
    business::{Business, Memory, Transaction, call},
    wire::Statement,
};
use crate::{
    postgres::{Access, access::describe, query::Cells},
    scenario::plan::{CustomWorkload, Plan},
};

/// Makes the tables of the user's own, and sees that every custom workload's rows will be
/// told and compared. `access` is a superuser's.
///
/// # Errors
/// When the server refuses the SQL, or key and payload are not what a ledger can be held
/// against.
pub async fn create(plan: &Plan, access: &Access) -> Result<(), WorkloadError> {
    for (workload, custom) in plan.custom() {
        if let Some(sql) = &custom.create {
            let made = make(access, sql).await;
            made.map_err(|cause| wrong(workload, cause))?;
        }
    }
    for (workload, custom) in plan.custom() {
        let fit = fits(access, custom).await;
        fit.map_err(|cause| wrong(workload, cause))?;
    }
    Ok(())
}

fn wrong(workload: &str, cause: String) -> WorkloadError {
    WorkloadError::Custom {
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
async fn fits(access: &Access, custom: &CustomWorkload) -> Result<(), String> {
    let client = connect(access).await?;
    columns(&client, custom).await?;
    unkeyed(&client, custom).await
}

async fn columns(client: &Client, custom: &CustomWorkload) -> Result<(), String> {
    let sql = format!(
        "SELECT {}, {} FROM {}",
        custom.key, custom.payload, custom.table
    );
    let prepared = client.prepare(&sql).await;
    let prepared = prepared.map_err(|error| format!("`{sql}`: {}", describe(&error)))?;
    let [key, payload] = prepared.columns() else {
        return Err(format!("`{sql}` are not two columns"));
    };
    let text = [Type::TEXT, Type::VARCHAR];
    let wrong = |what: &str, name: &str, is: &Type, wanted: &str| {
        let table = &custom.table;
        format!("the {what} `{name}` of {table} is of type {is} (hint: it must be {wanted})")
    };
    if key.type_() != &Type::UUID && !text.contains(key.type_()) {
        return Err(wrong("key", &custom.key, key.type_(), "uuid or text"));
    }
    if !text.contains(payload.type_()) {
        return Err(wrong("payload", &custom.payload, payload.type_(), "text"));
    }
    Ok(())
}

async fn unkeyed(client: &Client, custom: &CustomWorkload) -> Result<(), String> {
    let (table, key) = (&custom.table, &custom.key);
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

const OWN: usize = 0;
const TELL_XID: usize = 1;

/// The one statement, and what asks for its transaction: it may be no INSERT, or of a view
/// that can't return anything.
pub fn statements(custom: &CustomWorkload) -> Vec<Statement> {
    vec![Statement::of(&custom.sql), Statement::telling_xid()]
}

/// The next transaction: always a new row.
pub fn next(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, 0);
    let payload = business.content(key, 0).text(20, 200);
    let mut insert = Transaction::insert(business, key, OWN, &[payload]);
    insert.calls.push(call(TELL_XID, []));
    insert
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
