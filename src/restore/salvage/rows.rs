//! Rows: from the scratch server by COPY through the harness, into their table.

use std::time::Instant;

use futures_util::{SinkExt, TryStreamExt};

use super::{SalvageError, Work, array, literal, rules, session::Session, transactions::Horizon};
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

    /// Leaves the key and these columns alone.
    pub fn restrict(&mut self, names: &[String]) {
        let Self {
            names: all, key, ..
        } = self;
        all.retain(|name| key.contains(name) || names.contains(name));
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

    /// Whether rows `t` and `s` have the same key, and whether they differ in any bit that counts.
    fn same_and_differs(&self) -> (String, String) {
        let (one, other) = (self.list("t."), self.list("s."));
        let differs = format!("ROW({one})::record *<> ROW({other})::record");
        (self.same_key("t.", "s."), differs)
    }
}

/// A table on both servers.
pub(super) struct Table<'a> {
    pub scratch: &'a Session<'a>,
    pub home: &'a Session<'a>,
    pub name: &'a str,
    pub columns: Columns,
}

impl<'a> Table<'a> {
    pub async fn of(work: &Work<'a>, name: &'a str) -> Result<Self, SalvageError> {
        Ok(Self {
            scratch: work.scratch,
            home: work.home,
            name,
            columns: Columns::of(work.scratch, name).await?,
        })
    }

    /// Brings its missing and damaged rows home. `created`: it is new and empty.
    pub async fn bring_home(
        &self,
        created: bool,
        horizon: &Horizon,
    ) -> Result<SalvagedTable, SalvageError> {
        let resting = rules::rest(self.home, self.name).await?;
        let (inserted, replaced) = match self.columns.names.is_empty() {
            true => self.count_up(horizon).await?,
            false if created => (self.copy(self.name).await?, 0),
            false => self.complete(horizon).await?,
        };
        resting.wake(self.home).await?;
        Ok(SalvagedTable {
            table: self.name.to_owned(),
            created,
            inserted,
            replaced,
        })
    }

    /// Where it has rows already: how many were missing, and how many replaced.
    async fn complete(&self, horizon: &Horizon) -> Result<(u64, u64), SalvageError> {
        self.wait().await?;
        let replaced = match self.columns.key.is_empty() {
            true => self.drop_the_faults(horizon).await?,
            false => self.drop_damaged(horizon).await?,
        };
        let all = self.insert_missing().await?;
        let drop = format!("DROP TABLE {WAITING}");
        self.home.quietly(&drop).await?;
        Ok((all.saturating_sub(replaced), replaced))
    }

    /// Rows without columns of their own can't be told from each other: as many as there were.
    async fn count_up(&self, horizon: &Horizon) -> Result<(u64, u64), SalvageError> {
        let replaced = self.drop_the_faults(horizon).await?;
        let count = format!("SELECT count(*) FROM {}", self.columns.own);
        let had: i64 = self.scratch.one(&count).await?.cell(0)?;
        let has: i64 = self.home.one(&count).await?.cell(0)?;
        let (name, missing) = (self.name, had.saturating_sub(has));
        let insert = format!("INSERT INTO {name} SELECT FROM generate_series(1, {missing})");
        let all = self.home.count(&insert).await?;
        Ok((all.saturating_sub(replaced), replaced))
    }

    /// Streams all of its own rows from one server into a table of the other.
    pub async fn copy(&self, into: &str) -> Result<u64, SalvageError> {
        let Self { scratch, home, .. } = self;
        let (list, format, from) = (
            self.columns.list(""),
            self.columns.format,
            &self.columns.own,
        );
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

    async fn wait(&self) -> Result<(), SalvageError> {
        let waiting = self.columns.like("pgdrill_salvage", "");
        self.home.run(&waiting).await?;
        self.copy(WAITING).await?;
        self.home.quietly(&format!("ANALYZE {WAITING}")).await
    }

    /// Removes rows that are to come from the scratch server instead.
    async fn drop_damaged(&self, horizon: &Horizon) -> Result<u64, SalvageError> {
        let own = &self.columns.own;
        let (same, differs) = self.columns.same_and_differs();
        let query = format!(
            "SELECT DISTINCT t.xmin::text FROM {own} t, {WAITING} s WHERE {same} AND {differs}"
        );
        let xmins = texts(&self.home.query(&query).await?)?;
        if xmins.is_empty() {
            return Ok(0);
        }
        let survive = array(&horizon.later(self.scratch, &xmins).await?);
        let delete = format!(
            "DELETE FROM {own} t USING {WAITING} s WHERE {same} AND {differs} AND t.xmin::text <> ALL ({survive})"
        );
        self.home.count(&delete).await
    }

    /// Without a key, a changed row can't be told from a new one: what the bad statements
    /// wrote goes, and what is missing then comes back.
    async fn drop_the_faults(&self, horizon: &Horizon) -> Result<u64, SalvageError> {
        let (own, written) = (&self.columns.own, written_by(horizon.faults()));
        let delete = format!("DELETE FROM {own} WHERE {written}");
        self.home.count(&delete).await
    }

    /// Sets some columns of rows that are there to what they were.
    pub async fn fill(&self, names: &[String]) -> Result<(), SalvageError> {
        self.wait().await?;
        let resting = rules::rest(self.home, self.name).await?;
        let set = names.iter().map(|name| format!("{name} = s.{name}"));
        let (set, own) = (set.collect::<Vec<_>>().join(", "), &self.columns.own);
        let (same, differs) = self.columns.same_and_differs();
        let update =
            format!("UPDATE {own} t SET {set} FROM {WAITING} s WHERE {same} AND {differs}");
        self.home.count(&update).await?;
        resting.wake(self.home).await?;
        let drop = format!("DROP TABLE {WAITING}");
        self.home.quietly(&drop).await
    }

    /// Inserts what is missing: by key, or without a key as many equal rows as are too few.
    async fn insert_missing(&self) -> Result<u64, SalvageError> {
        let (columns, table) = (&self.columns, self.name);
        let (list, from, own) = (columns.list(""), columns.list("s."), &columns.own);
        let insert =
            format!("INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {from} FROM");
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
        self.home.count(&sql).await
    }
}
