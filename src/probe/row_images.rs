//! Images of the rows that clients may have written, in every table.
//!
//! Which tables those are is found out here: ones that hold a row with a key, and ones in
//! which a row has appeared or changed since the clients began. Where their rows have no key
//! every row of the table is taken, as nothing else tells theirs from the others. All
//! columns count, in the order of their names and in text form under fixed settings, which
//! every type has and any kind of restore keeps. Whose a row is, and whether it should be
//! there, is for `measure/row_images` to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    pin::pin,
};

use futures_util::TryStreamExt;
use tokio_postgres::{Client, types::ToSql};

use super::{OWN_PATH, ProbeError, databases, pg, prepare, session};
use crate::{
    event::ImagedTable,
    postgres::{
        Access, PgError,
        query::{Cells, WITHOUT_INDEXES},
    },
    row_images::{Image, Writer},
    scenario::plan::{Plan, REQUEST_ID},
};

/// The key tells which row a row is in a table that the ledger knows; else the table's primary
/// key, another unique key of columns that are never NULL, or all that it holds.
const TABLES: &str = "
SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'p', c.relpersistence = 'u',
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
   FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
     AND i.indpred IS NULL AND i.indexprs IS NULL
     AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attnotnull
       AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
   ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1),
  coalesce((SELECT quote_ident(a.attname) FROM unnest($1::text[], $2::text[]) AS own (name, key)
      JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped AND own.key IN (a.attname, quote_ident(a.attname))
      WHERE to_regclass(own.name) = c.oid LIMIT 1),
    (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped)),
  EXISTS (SELECT FROM unnest($4::text[]) AS live (name) WHERE to_regclass(live.name) = c.oid),
  (SELECT coalesce(sum(pg_stat_get_tuples_deleted(leaf)), 0)::int8
   FROM (SELECT c.oid WHERE c.relkind <> 'p'
     UNION SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) AS leaves (leaf))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1";

/// What is known before a look.
#[derive(Clone, Copy, Debug)]
pub struct Imaging<'a> {
    /// What is in the databases, and what the tables are called.
    pub plan: &'a Plan,
    /// The columns that told which row a row is when each table was first seen.
    pub identities: &'a BTreeMap<String, String>,
    /// Tables whose rows are all taken, by earlier looks.
    pub whole: &'a BTreeSet<String>,
    /// Where tables that clients write are still to be found out: the first transaction that
    /// may be theirs.
    pub since: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Looked {
    /// The tables there are; images name them by their places.
    pub tables: Vec<ImagedTable>,
    /// The columns that tell which row a row is, of each.
    pub identities: BTreeMap<String, String>,
    pub rows: u64,
    /// How far the server's counters were when all rows were read.
    pub counters: Counters,
}

#[derive(Debug, Default)]
pub struct Counters {
    /// The first transaction that has not begun yet.
    pub next_xid: u64,
    /// Rows deleted so far from each table, by the statistics.
    pub deleted: BTreeMap<String, u64>,
}

/// A table, and how it is read.
struct Table {
    told: ImagedTable,
    from: String,
    columns: String,
    identity: String,
    key: Option<String>,
}

pub async fn counters(access: &Access, plan: &Plan) -> Result<Counters, ProbeError> {
    let imaging = Imaging {
        plan,
        identities: &BTreeMap::new(),
        whole: &BTreeSet::new(),
        since: None,
    };
    let mut counters = Counters::default();
    for database in there(access, plan).await? {
        let client = session(&access.within(&database)).await?;
        let tables = tables(&client, &imaging, &database).await?.into_iter();
        let deleted = tables.map(|table| (table.told.name, table.told.deleted));
        counters.deleted.extend(deleted);
        counters.next_xid = next_xid_of(&client).await?;
    }
    Ok(counters)
}

/// The plan's databases that are there.
async fn there(access: &Access, plan: &Plan) -> Result<Vec<String>, ProbeError> {
    let mut there = databases::all(&session(access).await?).await?;
    there.retain(|database| plan.databases.contains_key(database));
    Ok(there)
}

async fn next_xid_of(client: &Client) -> Result<u64, ProbeError> {
    let sql = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8";
    let row = client.query_one(sql, &[]).await;
    Ok(row.map_err(pg(sql))?.cell::<i64>(0)?.unsigned_abs())
}

/// Takes the images of a server's rows into `file`. A table that can't be read is told as such.
pub async fn look(
    access: &Access,
    imaging: &Imaging<'_>,
    file: &Path,
) -> Result<Looked, ProbeError> {
    let written = |cause: std::io::Error| ProbeError::Other(format!("row images: {cause}"));
    let mut writer = Writer::create(file).map_err(written)?;
    let mut looked = Looked::default();
    for database in there(access, imaging.plan).await? {
        let client = session(&access.within(&database)).await?;
        let tables = tables(&client, imaging, &database).await?;
        prepare(&client, &[OWN_PATH, WITHOUT_INDEXES]).await?;
        for mut table in tables {
            let place = looked.tables.len() as u16;
            if let Err(error) = take(&client, imaging, &mut table, place, &mut writer).await {
                table.told.error = error.to_string();
            }
            looked.add(table);
        }
        looked.counters.next_xid = next_xid_of(&client).await?;
    }
    writer.flush().map_err(written)?;
    looked.rows = writer.rows;
    Ok(looked)
}

impl Looked {
    fn add(&mut self, table: Table) {
        let name = table.told.name.clone();
        let deleted = table.told.deleted;
        self.counters.deleted.insert(name.clone(), deleted);
        self.identities.insert(name, table.identity);
        self.tables.push(table.told);
    }
}

async fn tables(
    client: &Client,
    imaging: &Imaging<'_>,
    database: &str,
) -> Result<Vec<Table>, ProbeError> {
    let plan = imaging.plan;
    let (own, their): (Vec<&str>, Vec<&str>) = plan.own_keys(database).into_iter().unzip();
    let ledgered = plan.live_tables(database).map(|table| table.name.as_str());
    let ledgered: Vec<&str> = ledgered.collect();
    let parameters: [&(dyn ToSql + Sync); 4] = [&own, &their, &REQUEST_ID, &ledgered];
    let rows = client.query(TABLES, &parameters).await;
    let rows = rows.map_err(pg("list the tables"))?;
    let tables = rows.iter().map(|row| Table::of(row, imaging, database));
    Ok(tables.collect::<Result<_, _>>()?)
}

/// Takes one table's rows: all of them, or those with a key.
async fn take(
    client: &Client,
    imaging: &Imaging<'_>,
    table: &mut Table,
    place: u16,
    writer: &mut Writer,
) -> Result<(), ProbeError> {
    table.told.whole = imaging.whole.contains(&table.told.name);
    if let Some(since) = imaging.since.filter(|_| !table.told.whole) {
        let new = client.query_one(&table.new_without_key(since), &[]).await;
        table.told.whole = new.map_err(pg("look for new rows"))?.cell(0)?;
    }
    let Some(condition) = table.condition() else {
        return Ok(());
    };
    let none: [&(dyn ToSql + Sync); 0] = [];
    let rows = client.query_raw(&table.sql(&condition), none).await;
    let mut rows = pin!(rows.map_err(pg("read the rows"))?);
    while let Some(row) = rows.try_next().await.map_err(pg("read the rows"))? {
        let image = Image {
            table: place,
            xid: row.cell::<i64>(0)? as u32,
            keyed: row.cell(1)?,
            identity: row.cell::<i64>(2)? as u64,
            content: row.cell::<i64>(3)? as u64,
        };
        let appended = writer.append(&image);
        appended.map_err(|cause| ProbeError::Other(format!("row images: {cause}")))?;
    }
    Ok(())
}

impl Table {
    fn of(
        row: &tokio_postgres::Row,
        imaging: &Imaging<'_>,
        database: &str,
    ) -> Result<Self, PgError> {
        let table: &str = row.cell(0)?;
        let name = imaging.plan.told(table, database);
        // A partitioned table is read with its partitions, a parent without its children.
        let only = if row.cell(1)? { "" } else { "ONLY " };
        let columns = row.cell::<Option<String>>(3)?.unwrap_or_default();
        let first_seen = imaging.identities.get(&name).cloned();
        let unique: Option<String> = row.cell(4)?;
        let key: Option<String> = row.cell(5)?;
        let ledgered: bool = row.cell(6)?;
        let by_key = key.as_deref().filter(|_| ledgered);
        let identity = || {
            let unique = unique.unwrap_or_else(|| columns.clone());
            by_key.map_or(unique.clone(), |key| told_by(key, &unique))
        };
        Ok(Self {
            from: format!("{only}{table}"),
            identity: first_seen.unwrap_or_else(identity),
            key,
            columns,
            told: ImagedTable {
                name,
                unlogged: row.cell(2)?,
                ledgered,
                whole: false,
                deleted: row.cell::<i64>(7)?.unsigned_abs(),
                deleted_by_others: 0,
                error: String::new(),
            },
        })
    }

    /// Whether a row without a key is as new as the clients.
    fn new_without_key(&self, since: u64) -> String {
        let xid = since & u64::from(u32::MAX);
        let unkeyed = self.key.as_ref().map(|key| format!(" AND {key} IS NULL"));
        format!(
            "SELECT EXISTS (SELECT FROM {} WHERE age(xmin) <= age('{xid}'::xid){})",
            self.from,
            unkeyed.unwrap_or_default()
        )
    }

    /// Which rows are taken; none: not any.
    fn condition(&self) -> Option<String> {
        if self.told.whole {
            return Some("true".into());
        }
        let key = self.key.as_ref()?;
        Some(format!("{key} IS NOT NULL"))
    }

    fn sql(&self, condition: &str) -> String {
        let hash = |columns: &str| format!("hashtextextended(ROW({columns})::text, 0)");
        let key = self.key.as_ref();
        let keyed = key.map_or("false".into(), |key| format!("{key} IS NOT NULL"));
        format!(
            "SELECT xmin::text::int8, {keyed}, {}, {} FROM {} WHERE {condition}",
            hash(&self.identity),
            hash(&self.columns),
            self.from
        )
    }
}

/// What tells a row of a table that the ledger knows: its key, which leaves the other columns to
/// be judged; of a row without one what else is unique.
fn told_by(key: &str, unique: &str) -> String {
    format!("{key}, CASE WHEN {key} IS NULL THEN ROW({unique})::text END")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_by_their_key_or_taken_whole() {
        let mut table = Table {
            told: ImagedTable::default(),
            from: "ONLY shop.notes".into(),
            columns: "id, request_id, what".into(),
            identity: "id".into(),
            key: Some("request_id".into()),
        };
        assert_eq!(table.condition().unwrap(), "request_id IS NOT NULL");
        assert_eq!(
            table.sql("true"),
            "SELECT xmin::text::int8, request_id IS NOT NULL, \
             hashtextextended(ROW(id)::text, 0), \
             hashtextextended(ROW(id, request_id, what)::text, 0) FROM ONLY shop.notes WHERE true"
        );
        assert!(
            table
                .new_without_key(1 << 32 | 7)
                .contains("age('7'::xid) AND request_id IS NULL")
        );
        table.key = None;
        assert_eq!(table.condition(), None);
        table.told.whole = true;
        assert_eq!(table.condition().unwrap(), "true");
    }
}
