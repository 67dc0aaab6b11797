//! Rows and digest of every table and materialised view.
//!
//! Views and foreign tables hold nothing and are left out; a partition is counted under
//! its root. Columns go in the order of their names, generated ones included, each in
//! the binary form of COPY, except where that form holds OIDs which a restore by SQL
//! gives out anew: `reg*` types, arrays of user-defined types, and composites, and types
//! without a binary form; those are sent as text under fixed settings. A plain `oid` (of
//! a large object, say) is content: every kind of restore keeps it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use tokio_postgres::Client;

use super::{
    ProbeError, ProbeTarget,
    digest::{CopyDigest, Rows},
    pg, reading_session, session,
};
use crate::{
    observation::{Observation, TableState},
    postgres::copy::CopyReader,
};

/// Connections that read at the same time.
const READERS: usize = 2;

const TABLES: &str = "
SELECT c.oid, format('%I.%I', n.nspname, c.relname),
  (SELECT string_agg(CASE WHEN
      t.typsend = 0 OR t.typsend::regproc::text LIKE 'reg%' OR t.typtype IN ('c', 'd')
      OR e.oid >= 16384 OR e.typsend::regproc::text LIKE 'reg%' OR e.typtype = 'c'
    THEN format('%I::text', a.attname) ELSE quote_ident(a.attname) END, ', ' ORDER BY a.attname)
   FROM pg_attribute a JOIN pg_type d ON d.oid = a.atttypid
   JOIN pg_type t ON t.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END
   LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'request_id' AND NOT a.attisdropped),
  c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY (SELECT coalesce(sum(pg_table_size(p.relid)), pg_table_size(c.oid)) FROM pg_partition_tree(c.oid) p) DESC, 2";

#[derive(Debug)]
struct Table {
    name: String,
    columns: String,
    /// Whether rows of the workloads can be told from those of the load.
    keyed: bool,
    materialised: bool,
}

/// Looks at every table.
///
/// # Errors
/// When the server can't be asked for its tables. A table that can't be read is no error
/// but is reported as such in its digest.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let tables: VecDeque<Table> = tables(&client).await?.into();
    let queue = Mutex::new(tables);
    let readers = (0..READERS).map(|_| read_some(target, &queue));
    let parts = futures_util::future::try_join_all(readers).await?;
    Ok(Observation::Tables(parts.into_iter().flatten().collect()))
}

async fn tables(client: &Client) -> Result<Vec<Table>, ProbeError> {
    let rows = client.query(TABLES, &[]).await;
    let rows = rows.map_err(pg("list the tables"))?;
    Ok(rows
        .iter()
        .map(|row| Table {
            name: row.get(1),
            columns: row.get::<_, Option<String>>(2).unwrap_or_default(),
            keyed: row.get(3),
            materialised: row.get::<_, &str>(4) == "m",
        })
        .collect())
}

/// Reads tables from the queue until it is empty.
async fn read_some(
    target: &ProbeTarget<'_>,
    queue: &Mutex<VecDeque<Table>>,
) -> Result<BTreeMap<String, TableState>, ProbeError> {
    let next = || {
        let mut queue = queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        queue.pop_front()
    };
    let client = session(&target.access).await?;
    let mut reader = reading_session(&target.access).await?;
    let mut states = BTreeMap::new();
    while let Some(table) = next() {
        let state = state(&client, &mut reader, &table, target.fault_xid).await;
        states.insert(table.name, state);
    }
    Ok(states)
}

/// A table that can't be read (damaged, locked away, not populated) is an observation.
async fn state(
    client: &Client,
    reader: &mut CopyReader,
    table: &Table,
    fault_xid: Option<u64>,
) -> TableState {
    let (loaded, live) = conditions(table, fault_xid);
    let read = async {
        let sql = format!("SELECT {} FROM {} {loaded}", table.columns, table.name);
        let rows = digest(reader, &sql).await?;
        let live_rows = match live {
            Some(live) => count(client, &table.name, &live).await?,
            None => 0,
        };
        Ok::<_, ProbeError>(TableState {
            rows: rows.count,
            digest: rows.hex(),
            live_rows,
        })
    };
    read.await.unwrap_or_else(|error| TableState {
        digest: format!("unreadable: {error}"),
        ..TableState::default()
    })
}

/// SQL that picks the rows no workload wrote, and the others. Rows that the fault's own
/// transaction wrote, such as audit rows by triggers, are no loaded rows either.
fn conditions(table: &Table, fault_xid: Option<u64>) -> (String, Option<String>) {
    let mut loaded = Vec::new();
    let mut live = Vec::new();
    if table.keyed {
        loaded.push("request_id IS NULL".to_owned());
        live.push("request_id IS NOT NULL".to_owned());
    }
    if let Some(xid) = fault_xid.filter(|_| !table.materialised) {
        let xid = xid & u64::from(u32::MAX);
        loaded.push(format!("xmin <> '{xid}'::xid"));
        live.push(format!("xmin = '{xid}'::xid"));
    }
    if loaded.is_empty() {
        return (String::new(), None);
    }
    let loaded = format!("WHERE {}", loaded.join(" AND "));
    (loaded, Some(format!("WHERE {}", live.join(" OR "))))
}

async fn count(client: &Client, table: &str, condition: &str) -> Result<u64, ProbeError> {
    let sql = format!("SELECT count(*) FROM {table} {condition}");
    let row = client.query_one(&sql, &[]).await;
    let row = row.map_err(pg(format!("count the rows of {table}")))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// Digest of a query's rows, read as a stream.
///
/// # Errors
/// When the query fails or its stream is torn.
pub async fn digest(reader: &mut CopyReader, query: &str) -> Result<Rows, ProbeError> {
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let mut digest = CopyDigest::default();
    let mut taken = Ok(());
    let read = reader.read(&copy, |data| {
        if taken.is_ok() {
            taken = digest.update(data);
        }
    });
    read.await?;
    let rows = taken.and_then(|()| digest.finish());
    rows.map_err(|cause| ProbeError::Other(format!("read `{query}`: {cause}")))
}
