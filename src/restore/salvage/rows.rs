//! Rows: from the scratch server by COPY through the harness, into their table.

use std::time::Instant;

use futures_util::{SinkExt, TryStreamExt};

use super::{SalvageError, array, literal, session::Session, transactions::Horizon};
use crate::event::SalvagedTable;

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

/// A table's columns.
pub(super) struct Columns {
    pub names: Vec<String>,
    pub key: Vec<String>,
    /// How COPY carries them.
    format: &'static str,
}

impl Columns {
    pub async fn of(server: &Session<'_>, table: &str) -> Result<Self, SalvageError> {
        let sql = format!("{COLUMNS}{}::regclass ORDER BY a.attnum", literal(table));
        let rows = server.query(&sql).await?;
        let key = rows.iter().filter(|row| row.get(2));
        let oids = rows.iter().any(|row| row.get(1));
        Ok(Self {
            names: rows.iter().map(|row| row.get(0)).collect(),
            key: key.map(|row| row.get(0)).collect(),
            format: if oids { "text" } else { "binary" },
        })
    }

    /// `a.x, a.y`
    pub fn list(&self, alias: &str) -> String {
        let names = self.names.iter().map(|name| format!("{alias}{name}"));
        names.collect::<Vec<_>>().join(", ")
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
    let (mut inserted, mut replaced) = (0, 0);
    if columns.names.is_empty() {
        // Rows without columns can't be told from each other nor carried over.
    } else if created {
        inserted = copy(scratch, home, table, table, &columns).await?;
    } else {
        wait(scratch, home, table, &columns).await?;
        replaced = match columns.key.is_empty() {
            true => drop_the_faults(home, table, horizon).await?,
            false => drop_damaged(scratch, home, table, &columns, horizon).await?,
        };
        let all = insert_missing(home, table, &columns).await?;
        inserted = all.saturating_sub(replaced);
        home.quietly(&format!("DROP TABLE {WAITING}")).await?;
    }
    Ok(SalvagedTable {
        table: table.to_owned(),
        created,
        inserted,
        replaced,
    })
}

/// Streams all rows of a table from one server into a table of the other.
pub(super) async fn copy(
    scratch: &Session<'_>,
    home: &Session<'_>,
    from: &str,
    into: &str,
    columns: &Columns,
) -> Result<u64, SalvageError> {
    let (list, format) = (columns.list(""), columns.format);
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
    table: &str,
    columns: &Columns,
) -> Result<(), SalvageError> {
    let like = format!(
        "CREATE TEMP TABLE pgdrill_salvage AS SELECT {} FROM {table} WITH NO DATA",
        columns.list("")
    );
    home.run(&like).await?;
    copy(scratch, home, table, WAITING, columns).await?;
    home.quietly(&format!("ANALYZE {WAITING}")).await
}

/// Removes rows that are to come from the scratch server instead.
async fn drop_damaged(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<u64, SalvageError> {
    let differing = format!(
        "{table} t USING {WAITING} s WHERE {} AND {}",
        columns.same_key("t.", "s."),
        columns.differs("t.", "s.")
    );
    let query = format!(
        "SELECT DISTINCT t.xmin::text FROM {}",
        differing.replacen(" USING ", ", ", 1)
    );
    let xmins: Vec<String> = home
        .query(&query)
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect();
    if xmins.is_empty() {
        return Ok(0);
    }
    let later = horizon.later(scratch, &xmins).await?;
    let survive = array(&later);
    home.count(&format!(
        "DELETE FROM {differing} AND t.xmin::text <> ALL ({survive})"
    ))
    .await
}

/// Without a key, a changed row can't be told from a new one: what the bad statement
/// wrote goes, and what is missing then comes back.
async fn drop_the_faults(
    home: &Session<'_>,
    table: &str,
    horizon: &Horizon,
) -> Result<u64, SalvageError> {
    match horizon.fault() {
        Some(xid) => {
            home.count(&format!("DELETE FROM {table} WHERE xmin = '{xid}'::xid"))
                .await
        }
        None => Ok(0),
    }
}

/// Inserts what is missing: by key, or without a key as many equal rows as are too few.
async fn insert_missing(
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
) -> Result<u64, SalvageError> {
    let (list, from) = (columns.list(""), columns.list("s."));
    let insert = format!("INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {from} FROM");
    let sql = if columns.key.is_empty() {
        format!(
            "{insert} (SELECT *, ROW({list})::text AS image, row_number() OVER (PARTITION BY ROW({list})::text) AS nth FROM {WAITING}) s \
             LEFT JOIN (SELECT ROW({list})::text AS image, count(*) AS there FROM {table} GROUP BY 1) t USING (image) \
             WHERE s.nth > coalesce(t.there, 0)"
        )
    } else {
        let same = columns.same_key("t.", "s.");
        format!("{insert} {WAITING} s WHERE NOT EXISTS (SELECT FROM {table} t WHERE {same})")
    };
    home.count(&sql).await
}
