//! The tables, version by version: a file each, which is never changed once it was released.

use tokio_postgres::Transaction;

use super::PublishError;
use crate::postgres::PgError;

/// In the order of their versions, from 1.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/1.sql")];

/// Of `pg_advisory_xact_lock`: `pgdrill` in ASCII. Whoever publishes waits for whoever does already.
const LOCK: i64 = 0x70_6764_7269_6c6c;

/// Brings the tables to the newest version, as the transaction's part. Until its end nobody else
/// publishes.
pub(super) async fn migrate(transaction: &Transaction<'_>) -> Result<(), PublishError> {
    let lock = format!("SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock({LOCK});");
    execute(transaction, &lock, "wait for others that publish").await?;
    let known = MIGRATIONS.len() as i32;
    let found = version(transaction).await?;
    if found > known {
        return Err(PublishError::Newer { found, known });
    }
    let missing = MIGRATIONS
        .iter()
        .zip(1..)
        .skip(found.unsigned_abs() as usize);
    for (sql, version) in missing {
        execute(transaction, sql, "make the tables of schema `pgdrill`").await?;
        let noted = format!("INSERT INTO pgdrill.migrations (version) VALUES ({version})");
        execute(transaction, &noted, "note a migration").await?;
    }
    Ok(())
}

/// Of the tables that are there; 0: there are none.
async fn version(transaction: &Transaction<'_>) -> Result<i32, PgError> {
    let failed = |error| PgError::new("read the version of schema `pgdrill`", &error);
    let table = "SELECT to_regclass('pgdrill.migrations') IS NOT NULL";
    let there = transaction.query_one(table, &[]).await.map_err(failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM pgdrill.migrations";
    let newest = transaction.query_one(newest, &[]).await.map_err(failed)?;
    Ok(newest.get(0))
}

async fn execute(transaction: &Transaction<'_>, sql: &str, doing: &str) -> Result<(), PgError> {
    let executed = transaction.batch_execute(sql).await;
    executed.map_err(|error| PgError::new(doing, &error))
}
