//! A run's histories in somebody's database (`--publish`): policies, backups and recoveries as
//! tables that dashboards and auditors read, in a schema of their own.
//!
//! `histories` makes the rows of a run's files, `migrations` the tables. Nothing here judges: figures
//! are those of `run.json`. A run is published whole or not at all, and once: published again its rows are
//! replaced by the same.

mod histories;
mod migrations;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Transaction;

pub use histories::{Histories, HistoriesError};

use crate::postgres::{Access, PgError};

/// Whoever does not answer for so long is not there.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a run is not in the database.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Server(#[from] PgError),
    #[error("{0}: no answer within 2m")]
    Silent(String),
    #[error(
        "the tables of schema `pgdrill` are of version {found}, and this pgdrill knows {known}\n  hint: publish with the pgdrill that made them, or a newer one"
    )]
    Newer { found: i32, known: i32 },
    #[error(
        "a drill `{drill}` of another run called `{run}`, which began at {began}, was published before\n  hint: give the run's directory another name, and `pgdrill analyze` it"
    )]
    Taken {
        run: String,
        drill: String,
        began: String,
    },
}

/// Whether a run could be published: everything that it takes is tried, and nothing is kept.
///
/// # Errors
/// When the database can't be reached, or does not let its tables be made or written.
pub async fn try_out(database: &Access) -> Result<(), PublishError> {
    let trial = async {
        let mut client = database.connect("pgdrill").await?;
        let transaction = begun(database, &mut client).await?;
        migrations::migrate(&transaction).await?;
        let lock = "LOCK TABLE pgdrill.drills, pgdrill.backup_policies, pgdrill.backup_history, \
                    pgdrill.recovery_history IN ROW EXCLUSIVE MODE";
        let locked = transaction.batch_execute(lock).await;
        locked
            .map_err(|error| PgError::new("write into the tables of schema `pgdrill`", &error))?;
        Ok(())
    };
    in_time(database, trial).await
}

/// Writes the rows of a run in one transaction, in place of those that the same run has there.
///
/// # Errors
/// When the database refuses; then nothing was written.
pub async fn publish(database: &Access, histories: &Histories) -> Result<(), PublishError> {
    let work = async {
        let mut client = database.connect("pgdrill").await?;
        let transaction = begun(database, &mut client).await?;
        migrations::migrate(&transaction).await?;
        make_room(&transaction, histories).await?;
        insert(&transaction, "drills", &histories.drills).await?;
        insert(&transaction, "backup_policies", &histories.policies).await?;
        insert(&transaction, "backup_history", &histories.backups).await?;
        insert(&transaction, "recovery_history", &histories.recoveries).await?;
        let committed = transaction.commit().await;
        Ok(committed.map_err(|error| PgError::new("commit", &error))?)
    };
    in_time(database, work).await
}

async fn in_time<T>(
    database: &Access,
    work: impl Future<Output = Result<T, PublishError>>,
) -> Result<T, PublishError> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_late| Err(PublishError::Silent(database.to_string())))
}

async fn begun<'c>(
    database: &Access,
    client: &'c mut tokio_postgres::Client,
) -> Result<Transaction<'c>, PgError> {
    let transaction = client.transaction().await;
    transaction.map_err(|error| PgError::new(format!("begin at {database}"), &error))
}

/// Removes what the same run has there, and only that.
async fn make_room(
    transaction: &Transaction<'_>,
    histories: &Histories,
) -> Result<(), PublishError> {
    let drills = json!(histories.drills);
    let others = "SELECT old.run, old.drill, old.began::text FROM pgdrill.drills old \
                  JOIN jsonb_populate_recordset(NULL::pgdrill.drills, $1) new USING (run, drill) \
                  WHERE old.began <> new.began LIMIT 1";
    let taken = transaction.query_opt(others, &[&drills]).await;
    let taken = taken.map_err(|error| PgError::new("look for the run", &error))?;
    if let Some(row) = taken {
        let [run, drill, began] = [0, 1, 2].map(|column| row.get(column));
        return Err(PublishError::Taken { run, drill, began });
    }
    let gone = "DELETE FROM pgdrill.drills WHERE (run, drill) IN (SELECT run, drill \
                FROM jsonb_populate_recordset(NULL::pgdrill.drills, $1))";
    let deleted = transaction.execute(gone, &[&drills]).await;
    deleted.map_err(|error| PgError::new("replace the run's rows", &error))?;
    Ok(())
}

/// Rows whose fields are the table's columns.
async fn insert<R: Serialize>(
    transaction: &Transaction<'_>,
    table: &str,
    rows: &[R],
) -> Result<(), PgError> {
    let rows: Value = json!(rows);
    let insert = format!(
        "INSERT INTO pgdrill.{table} \
         SELECT * FROM jsonb_populate_recordset(NULL::pgdrill.{table}, $1)"
    );
    let inserted = transaction.execute(&insert, &[&rows]).await;
    inserted.map_err(|error| PgError::new(format!("write pgdrill.{table}"), &error))?;
    Ok(())
}
