//! Rows: from the scratch server by COPY through the harness, into their table.

use std::time::Instant;

use futures_util::{SinkExt, TryStreamExt};

use super::{SalvageError, array, literal, rules, session::Session, transactions::Horizon};
use crate::{
    event::SalvagedTable,
    postgres::query::{Cells, texts, written_by},
};

/// Where the scratch server's rows wait beside those of an existing table.
const WAITING: &str = "pg_temp.pgdrill_salvage";

/// Columns that hold data of their own, whether their binary form holds OIDs (arrays of
/// user-defined types, composites), and the primary key.
const COLUMNS: &str = "
SELECT quote_ident(a.attname), (t.typtype = 'c' OR t.typsend = 0 OR t.typelem >= 16384),
  coalesce(a.attnum = ANY (k.conkey), false)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attrelid = ";

/// What the table's own rows are read from: an ordinary table's name alone also stands for the
/// tables that inherit from it, a partitioned one has no rows but its partitions'.
const OWN: &str =
    "SELECT CASE relkind WHEN 'p' THEN '' ELSE 'ONLY ' END FROM pg_class WHERE oid = ";

pub(super) struct Columns {
    pub names: Vec<String>,
    pub key: Vec<String>,
    /// The table as a query names it to read its own rows.
    pub own: String,
    /// How COPY carries them.
    format: &'static str,
}

impl Columns {
    pub async fn of(server: &Session<'_>, table: &str) -> Result<Self, SalvageError> {
        let sql = format!("{COLUMNS}{}::regclass ORDER BY a.attnum", literal(table));
        let rows = server.query(&sql).await?;
        let own = format!("{OWN}{}::regclass", literal(table));
        let only: String = server.one(&own).await?.cell(0)?;
        let (mut names, mut key, mut oids) = (vec![], vec![], false);
        for row in &rows {
            let name: String = row.cell(0)?;
            if row.cell(2)? {
                key.push(name.clone());
            }
            oids |= row.cell::<bool>(1)?;
            names.push(name);
        }
        Ok(Self {
            names,
            key,
            own: format!("{only}{table}"),
            format: if oids { "text" } else { "binary" },
        })
    }

    /// Whether its rows are its partitions'.
    pub fn is_partitioned(&self) -> bool {
        !self.own.starts_with("ONLY ")
    }

    /// The key and these columns alone.
    pub fn restricted(&self, names: &[String]) -> Self {
        let some = self.names.iter();
        let some = some.filter(|name| self.key.contains(name) || names.contains(name));
        Self {
            names: some.cloned().collect(),
            key: self.key.clone(),
            own: self.own.clone(),
            format: self.format,
        }
    }

    /// `a.x, a.y`
    pub fn list(&self, alias: &str) -> String {
        let names = self.names.iter().map(|name| format!("{alias}{name}"));
        names.collect::<Vec<_>>().join(", ")
    }

    /// A temporary table for these columns, and this besides.
    pub fn like(&self, name: &str, more: &str) -> String {
        let (list, own) = (self.list(""), &self.own);
        format!("CREATE TEMP TABLE {name} AS SELECT {list}{more} FROM {own} WITH NO DATA")
    }

    /// `a.k = b.k AND …`
    pub fn same_key(&self, a: &str, b: &str) -> String {
        let equal = self.key.iter().map(|name| format!("{a}{name} = {b}{name}"));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether two rows differ in any bit that counts.
    fn differs(&self, a: &str, b: &str) -> String {
        format!(
            "ROW({})::record *<> ROW({})::record",
            self.list(a),
            self.list(b)
        )
    }
}

/// Brings a table's missing and damaged rows home. `created`: it is new and empty.
pub(super) async fn bring_home(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    created: bool,
    horizon: &Horizon,
) -> Result<SalvagedTable, SalvageError> {
    let columns = Columns::of(scratch, table).await?;
    let resting = rules::rest(home, table).await?;
    let (inserted, replaced) = match columns.names.is_empty() {
        true => count_up(scratch, home, table, &columns, horizon).await?,
        false if created => (copy(scratch, home, table, &columns).await?, 0),
        false => complete(scratch, home, table, &columns, horizon).await?,
    };
    resting.wake(home).await?;
    Ok(SalvagedTable {
        table: table.to_owned(),
        created,
        inserted,
        replaced,
    })
}

/// Rows of a table that has some already: how many were missing, and how many replaced.
async fn complete(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<(u64, u64), SalvageError> {
    wait(scratch, home, columns).await?;
    let replaced = match columns.key.is_empty() {
        true => drop_the_faults(home, columns, horizon).await?,
        false => drop_damaged(scratch, home, columns, horizon).await?,
    };
    let all = insert_missing(home, table, columns).await?;
    home.quietly(&format!("DROP TABLE {WAITING}")).await?;
    Ok((all.saturating_sub(replaced), replaced))
}

/// Rows without columns of their own can't be told from each other: as many as there were.
async fn count_up(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<(u64, u64), SalvageError> {
    let replaced = drop_the_faults(home, columns, horizon).await?;
    let count = format!("SELECT count(*) FROM {}", columns.own);
    let had: i64 = scratch.one(&count).await?.cell(0)?;
    let has: i64 = home.one(&count).await?.cell(0)?;
    let missing = had.saturating_sub(has);
    let insert = format!("INSERT INTO {table} SELECT FROM generate_series(1, {missing})");
    let all = home.count(&insert).await?;
    Ok((all.saturating_sub(replaced), replaced))
}

/// Streams all of a table's own rows from one server into a table of the other.
pub(super) async fn copy(
    scratch: &Session<'_>,
    home: &Session<'_>,
    into: &str,
    columns: &Columns,
) -> Result<u64, SalvageError> {
    let (list, format, from) = (columns.list(""), columns.format, &columns.own);
    let out = format!("COPY (SELECT {list} FROM {from}) TO STDOUT (FORMAT {format})");
    let inn = format!("COPY {into} ({list}) FROM STDIN (FORMAT {format})");
    let began = Instant::now();
    let source = scratch.client.copy_out(out.as_str()).await;
    let mut source = std::pin::pin!(source.map_err(|error| scratch.failed(&out, &error))?);
    let sink = home.client.copy_in(inn.as_str()).await;
    let mut sink = std::pin::pin!(sink.map_err(|error| home.failed(&inn, &error))?);
    while let Some(chunk) = source
        .try_next()
        .await
        .map_err(|error| scratch.failed(&out, &error))?
    {
        sink.feed(chunk)
            .await
            .map_err(|error| home.failed(&inn, &error))?;
    }
    let result = sink.finish().await;
    let rows = result
        .as_ref()
        .map(|count| format!("{count} rows"))
        .unwrap_or_default();
    scratch.note(&out, began, None, &rows);
    home.note(&inn, began, result.as_ref().err(), &rows);
    result.map_err(|error| home.failed(&inn, &error))
}

async fn wait(
    scratch: &Session<'_>,
    home: &Session<'_>,
    columns: &Columns,
) -> Result<(), SalvageError> {
    home.run(&columns.like("pgdrill_salvage", "")).await?;
    copy(scratch, home, WAITING, columns).await?;
    home.quietly(&format!("ANALYZE {WAITING}")).await
}

/// Removes rows that are to come from the scratch server instead.
async fn drop_damaged(
    scratch: &Session<'_>,
    home: &Session<'_>,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<u64, SalvageError> {
    let own = &columns.own;
    let differing = format!(
        "{} AND {}",
        columns.same_key("t.", "s."),
        columns.differs("t.", "s.")
    );
    let query = format!("SELECT DISTINCT t.xmin::text FROM {own} t, {WAITING} s WHERE {differing}");
    let xmins = home.query(&query).await?;
    let xmins = texts(&xmins)?;
    if xmins.is_empty() {
        return Ok(0);
    }
    let survive = array(&horizon.later(scratch, &xmins).await?);
    home.count(&format!(
        "DELETE FROM {own} t USING {WAITING} s WHERE {differing} AND t.xmin::text <> ALL ({survive})"
    ))
    .await
}

/// Without a key, a changed row can't be told from a new one: what the bad statements
/// wrote goes, and what is missing then comes back.
async fn drop_the_faults(
    home: &Session<'_>,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<u64, SalvageError> {
    let own = &columns.own;
    let written = written_by(horizon.faults());
    home.count(&format!("DELETE FROM {own} WHERE {written}"))
        .await
}

/// Sets some columns of rows that are there to what they were.
pub(super) async fn fill(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
    names: &[String],
) -> Result<(), SalvageError> {
    wait(scratch, home, columns).await?;
    let resting = rules::rest(home, table).await?;
    let set = names.iter().map(|name| format!("{name} = s.{name}"));
    let (set, own) = (set.collect::<Vec<_>>().join(", "), &columns.own);
    let (same, differs) = (columns.same_key("t.", "s."), columns.differs("t.", "s."));
    let update = format!("UPDATE {own} t SET {set} FROM {WAITING} s WHERE {same} AND {differs}");
    home.count(&update).await?;
    resting.wake(home).await?;
    home.quietly(&format!("DROP TABLE {WAITING}")).await
}

/// Inserts what is missing: by key, or without a key as many equal rows as are too few.
async fn insert_missing(
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
) -> Result<u64, SalvageError> {
    let (list, from, own) = (columns.list(""), columns.list("s."), &columns.own);
    let insert = format!("INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {from} FROM");
    let sql = if columns.key.is_empty() {
        format!(
            "{insert} (SELECT *, ROW({list})::text AS image, row_number() OVER (PARTITION BY ROW({list})::text) AS nth FROM {WAITING}) s \
             LEFT JOIN (SELECT ROW({list})::text AS image, count(*) AS there FROM {own} GROUP BY 1) t USING (image) \
             WHERE s.nth > coalesce(t.there, 0)"
        )
    } else {
        let same = columns.same_key("t.", "s.");
        format!("{insert} {WAITING} s WHERE NOT EXISTS (SELECT FROM {own} t WHERE {same})")
    };
    home.count(&sql).await
}
