//! Reading back what the workloads wrote, in the ledger's own form.
//!
//! Each row that is present becomes one record: key, version, digest, tenant, `xmin`. The
//! columns selected here, in this order, are the payload as `rows::digest` takes it.

use std::{path::Path, pin::pin};

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Row, types::ToSql};
use uuid::Uuid;

use super::rows;
use crate::{
    history::files,
    ledger::{Key, Outcome, Record, Writer},
    postgres::{
        Access, PgError,
        query::{Cells, WITHOUT_INDEXES},
    },
    scenario::plan::{LiveTable, Plan},
};

#[derive(Debug, thiserror::Error)]
pub enum ReadbackError {
    #[error(transparent)]
    Server(#[from] PgError),
    #[error("readback: {0}")]
    File(#[from] std::io::Error),
}

struct Reading<'p> {
    table: &'p LiveTable,
    /// Its index in keys.
    index: u8,
    workload: u8,
    nonce: u64,
}

impl Reading<'_> {
    /// Selects key, version, tenant, `xmin` and the payload of every row that a workload wrote.
    fn sql(&self) -> String {
        let (name, key) = (&self.table.name, &self.table.key);
        let version = self.table.version.as_deref().unwrap_or("0");
        let tenant = self.table.tenant.as_deref().unwrap_or("0");
        let payload = self.table.columns.iter();
        let payload: Vec<String> = payload.map(|c| format!("{}::text", c.name)).collect();
        let payload = payload.join(", ");
        format!(
            "SELECT {key}::text, ({version})::int8, ({tenant})::int8, xmin::text::int8, {payload} FROM {name} WHERE {key} IS NOT NULL"
        )
    }

    /// Whose a row is by its key, which a row that nobody wrote is given too; none when
    /// another workload wrote it: two may share a table.
    fn key(&self, text: &str, nobodys: &mut u64) -> Option<Key> {
        let uuid = Uuid::parse_str(text).ok();
        let Some(key) = uuid.and_then(|uuid| Key::from_uuid(uuid, self.nonce)) else {
            *nobodys += 1;
            return Some(Key::of_nobody(self.workload, self.index, *nobodys));
        };
        (key.workload() == self.workload && key.table() == self.index).then_some(key)
    }

    /// The record of a row of [`Reading::sql`] that is there as `key`.
    fn record(row: &Row, key: Key) -> Result<Record, PgError> {
        let payload = (4..row.len()).map(|at| row.cell::<Option<&str>>(at));
        let payload = payload.collect::<Result<Vec<_>, _>>()?;
        Ok(Record {
            key,
            version: row.cell::<i64>(1)? as u32,
            outcome: Outcome::Ok,
            workload: key.workload(),
            tenant: row.cell::<i64>(2)? as u32,
            digest: rows::digest(payload),
            intended_us: 0,
            sent_us: 0,
            acked_us: 0,
            lsn: 0,
            xid: row.cell::<i64>(3)? as u32,
        })
    }

    async fn read(&self, client: &Client, writer: &mut Writer) -> Result<u64, ReadbackError> {
        let failed = |cause| PgError::new(format!("read back {}", self.table.name), &cause);
        let none: [&(dyn ToSql + Sync); 0] = [];
        let stream = client.query_raw(&self.sql(), none).await.map_err(failed)?;
        let mut stream = pin!(stream);
        let (mut rows, mut nobodys) = (0, 0);
        while let Some(row) = stream.try_next().await.map_err(failed)? {
            if let Some(key) = self.key(row.cell(0)?, &mut nobodys) {
                writer.append(&Self::record(&row, key)?)?;
                rows += 1;
            }
        }
        Ok(rows)
    }
}

/// The file of the rows read back from a server, in the drill's directory.
pub fn file_name(server: &str) -> String {
    format!("{}-{server}", files::READBACK)
}

/// Reads every row that has a key, of the tables that the workloads of a cluster write, into
/// `file`, a ledger, and returns how many there are. A table that is gone has none. `access` must be
/// a superuser's: row-level security would hide rows. Memory is constant.
pub async fn read(
    access: &Access,
    cluster: &str,
    plan: &Plan,
    nonce: u64,
    file: &Path,
) -> Result<u64, ReadbackError> {
    let mut writer = Writer::create(file)?;
    let mut rows = 0;
    for (index, (name, workload)) in plan.workloads.iter().enumerate() {
        if plan.cluster_of_workload(name) != cluster {
            continue;
        }
        let client = session(access, &workload.database).await?;
        for (table, at) in workload.business.tables.iter().zip(0..) {
            let reading = Reading {
                table,
                index: at,
                workload: index as u8,
                nonce,
            };
            if exists(&client, &table.name).await? {
                rows += reading.read(&client, &mut writer).await?;
            }
        }
    }
    writer.flush()?;
    Ok(rows)
}

async fn session(access: &Access, database: &str) -> Result<Client, PgError> {
    let access = access.within(database);
    let client = access.connect("pgdrill readback").await?;
    let prepared = client.batch_execute(WITHOUT_INDEXES).await;
    prepared.map_err(|cause| PgError::new("prepare a session", &cause))?;
    Ok(client)
}

async fn exists(client: &Client, table: &str) -> Result<bool, PgError> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let row = client.query_one(sql, &[&table]).await;
    let row = row.map_err(|cause| PgError::new(format!("look for {table}"), &cause))?;
    row.cell(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::{Generator, LiveColumn};

    fn orders() -> LiveTable {
        let column = |name: &str| LiveColumn {
            name: name.into(),
            r#gen: Generator::Name,
            update: None,
        };
        LiveTable {
            name: "sales.orders".into(),
            key: "order_no".into(),
            version: None,
            max_version: None,
            tenant: Some("shop_id".into()),
            columns: ["shop_id", "note"].map(column).into(),
        }
    }

    fn reading(table: &LiveTable) -> Reading<'_> {
        Reading {
            table,
            index: 1,
            workload: 2,
            nonce: 99,
        }
    }

    #[test]
    fn tables_are_read_with_key_version_tenant_and_payload() {
        assert_eq!(
            reading(&orders()).sql(),
            "SELECT order_no::text, (0)::int8, (shop_id)::int8, xmin::text::int8, \
             shop_id::text, note::text FROM sales.orders WHERE order_no IS NOT NULL"
        );
    }

    #[test]
    fn rows_of_another_workload_are_not_its_own_and_those_of_none_are_nobodys() {
        let mut nobodys = 0;
        let orders = orders();
        let mut own = |text: &str| reading(&orders).key(text, &mut nobodys);
        let key = |workload, table| Key::new(workload, table, 3, 7);
        let written = |key: Key, nonce| key.to_uuid(nonce).to_string();
        let mine = key(2, 1);
        assert_eq!(own(&written(mine, 99)), Some(mine));
        assert_eq!(own(&written(key(1, 1), 99)), None);
        assert_eq!(own(&written(key(2, 0), 99)), None);
        let first = own(&written(mine, 98)).unwrap();
        let second = own("A-1017").unwrap();
        assert!(first.is_of_nobody() && second.is_of_nobody() && first != second);
    }
}
