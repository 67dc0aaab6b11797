//! Rows and digest of every table and materialised view of every database.
//!
//! Views and foreign tables hold nothing and are left out; a partition is counted under
//! its root. Columns go in the order of their names, generated ones included, each in
//! the binary form of COPY, except where that form holds OIDs which a restore by SQL
//! gives out anew: `reg*` types, arrays of user-defined types, and composites, and types
//! without a binary form; those are sent as text under fixed settings. A plain `oid` (of
//! a large object, say) is content: every kind of restore keeps it.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use super::{ProbeError, ProbeTarget, databases, digest::Rows, pg, readers::Readers, session};
use crate::{
    observation::{Observation, TableState},
    postgres::query::{Cells, written_by},
    scenario::plan::REQUEST_ID,
};

/// What one connection reads of a table before the next may take over, in bytes.
const RANGE: u64 = 4 << 20;

const TABLES: &str = "
SELECT format('%I.%I', n.nspname, c.relname),
  (SELECT string_agg(CASE WHEN
      t.typsend = 0 OR t.typsend::regproc::text LIKE 'reg%' OR t.typtype IN ('c', 'd')
      OR e.oid >= 16384 OR e.typsend::regproc::text LIKE 'reg%' OR e.typtype = 'c'
    THEN format('%I::text', a.attname) ELSE quote_ident(a.attname) END, ', ' ORDER BY a.attname)
   FROM pg_attribute a JOIN pg_type d ON d.oid = a.atttypid
   JOIN pg_type t ON t.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END
   LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  coalesce((SELECT own.key FROM unnest($1::text[], $2::text[]) AS own (name, key) WHERE to_regclass(own.name) = c.oid),
    (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped)),
  c.relkind::text, size.bytes::bigint, size.pages, c.relispopulated, size.unlogged,
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT coalesce(sum(pg_table_size(leaf)), 0) AS bytes,
    coalesce(max(pg_relation_size(leaf)), 0) / current_setting('block_size')::int AS pages,
    coalesce(bool_and((SELECT relpersistence = 'u' FROM pg_class WHERE oid = leaf)), false) AS unlogged
  FROM (SELECT c.oid::regclass WHERE c.relkind <> 'p'
    UNION SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) AS leaves (leaf)) AS size
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND (n.nspname <> 'pg_catalog' OR c.oid >= 16384)
ORDER BY size.bytes DESC, 1";

/// A table, and how it is read.
#[derive(Debug)]
pub struct Table {
    /// Its name with its schema, quoted where needed.
    pub name: String,
    columns: String,
    /// The column that tells rows of the workloads, which have a key, from those of the load.
    key: Option<String>,
    materialised: bool,
    /// A materialised view made `WITH NO DATA` is not, and can't be read; all else is.
    populated: bool,
    /// All its partitions' data, out-of-line values included.
    bytes: u64,
    /// Pages of it, or of its largest partition.
    pages: u64,
    unlogged: bool,
    /// The columns of its primary key.
    primary_key: Option<String>,
}

/// Looks at every table.
///
/// # Errors
/// When the server can't be asked for its tables. A table that can't be read is no error
/// but is reported as such in its state.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let mut all = BTreeMap::new();
    for database in databases::all(&client).await? {
        let states = of_database(target, &database).await?;
        let told = |name: String| target.plan.told(&name, &database);
        all.extend(states.into_iter().map(|(name, state)| (told(name), state)));
    }
    Ok(Observation::Tables(all))
}

/// Workloads write into the scenario's databases alone.
async fn of_database(
    target: &ProbeTarget<'_>,
    database: &str,
) -> Result<BTreeMap<String, TableState>, ProbeError> {
    let readers = Readers::open(&target.access.within(database)).await?;
    let keys = target.plan.own_keys(database);
    let mut tables = tables(readers.keeper(), &keys).await?;
    if !target.plan.databases.contains_key(database) {
        tables = tables.into_iter().map(Table::of_no_workload).collect();
    }
    states(&readers, &tables, &target.fault_xids).await
}

/// The tables there are, the largest first. `keys`: as of `Plan::own_keys`.
pub async fn tables(
    client: &Client,
    keys: &BTreeMap<&str, &str>,
) -> Result<Vec<Table>, ProbeError> {
    let (own, their): (Vec<&str>, Vec<&str>) = keys.iter().unzip();
    let rows = client.query(TABLES, &[&own, &their, &REQUEST_ID]).await;
    let rows = rows.map_err(pg("list the tables"))?;
    let table = |row: &Row| {
        Ok(Table {
            name: row.cell(0)?,
            columns: row.cell::<Option<String>>(1)?.unwrap_or_default(),
            key: row.cell(2)?,
            materialised: row.cell::<&str>(3)? == "m",
            bytes: row.cell::<i64>(4)?.unsigned_abs(),
            pages: row.cell::<i64>(5)?.unsigned_abs(),
            populated: row.cell(6)?,
            unlogged: row.cell(7)?,
            primary_key: row.cell(8)?,
        })
    };
    rows.iter().map(table).collect()
}

/// Reads tables. One that can't be read (damaged, locked away) is an observation.
pub async fn states(
    readers: &Readers,
    tables: &[Table],
    fault_xids: &[u64],
) -> Result<BTreeMap<String, TableState>, ProbeError> {
    let pieces: Vec<Vec<Piece>> = tables
        .iter()
        .map(|table| table.pieces(fault_xids))
        .collect();
    let queries = pieces.iter().flatten().map(|piece| piece.query.clone());
    let mut answers = readers.read(queries.collect()).await?;
    let mut states = BTreeMap::new();
    for (table, pieces) in tables.iter().zip(&pieces) {
        let answers = pieces.iter().zip(answers.drain(..pieces.len()));
        let state = if table.populated {
            together(answers)
        } else {
            not_populated()
        };
        let unlogged = table.unlogged;
        states.insert(table.name.clone(), TableState { unlogged, ..state });
    }
    Ok(states)
}

/// What the pieces of a table come to; the first that can't be read is what is told of it.
fn together<'a>(pieces: impl Iterator<Item = (&'a Piece, Result<Rows, ProbeError>)>) -> TableState {
    let [mut loaded, mut live, mut faults] = [Rows::default(); 3];
    for (piece, rows) in pieces {
        let of = match piece.whose {
            Whose::Loads => &mut loaded,
            Whose::Clients => &mut live,
            Whose::Faults => &mut faults,
        };
        match rows {
            Ok(rows) => *of += rows,
            Err(error) => {
                return TableState {
                    error: Some(error.to_string()),
                    ..TableState::default()
                };
            }
        }
    }
    TableState {
        rows: loaded.count,
        digest: loaded.hex(),
        live_rows: live.count,
        by_fault: faults.count,
        ..TableState::default()
    }
}

fn not_populated() -> TableState {
    TableState {
        digest: TableState::NOT_POPULATED.into(),
        ..TableState::default()
    }
}

/// Whose rows these are. Only those of the load are digested, the others counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Nobody's since the load.
    Loads,
    /// They have a key.
    Clients,
    /// They have none, and the fault's own transaction left them: entries of triggers, say, or
    /// what it made of rows of the load.
    Faults,
}

#[derive(Debug)]
struct Piece {
    whose: Whose,
    query: String,
}

impl Table {
    /// Whose rows are told from each other by no key.
    #[must_use]
    pub fn of_no_workload(self) -> Self {
        Self { key: None, ..self }
    }

    /// Its size on disk, out-of-line values included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same table with the content of so many rows of a thousand digested, and all counted.
    /// Which ones follows from their primary key, or from all of a row: the same everywhere.
    #[must_use]
    pub fn sampled(self, permille: u32) -> Self {
        if self.columns.is_empty() {
            return self;
        }
        let by = self.primary_key.as_ref().unwrap_or(&self.columns);
        let chosen =
            format!("(hashtextextended(ROW({by})::text, 0) & 2147483647) % 1000 < {permille}");
        let columns = format!("CASE WHEN {chosen} THEN ROW({})::text END", self.columns);
        Self { columns, ..self }
    }

    fn pieces(&self, fault_xids: &[u64]) -> Vec<Piece> {
        if !self.populated {
            return Vec::new();
        }
        let ranges = ranges(self.pages, self.bytes);
        let conditions = self.conditions(fault_xids).into_iter();
        let pieces = conditions.flat_map(|(whose, condition)| {
            ranges
                .iter()
                .map(move |range| self.piece(whose, range, &condition))
        });
        pieces.collect()
    }

    fn piece(&self, whose: Whose, range: &str, condition: &str) -> Piece {
        let digested = whose == Whose::Loads;
        let columns = if digested { &self.columns } else { "1" };
        let name = &self.name;
        let query = format!("SELECT {columns} FROM {name} WHERE {range} AND {condition}");
        Piece { whose, query }
    }

    /// SQL that picks the rows of each.
    fn conditions(&self, fault_xids: &[u64]) -> Vec<(Whose, String)> {
        let key = self.key.as_ref();
        let unkeyed = key.map_or("true".into(), |key| format!("{key} IS NULL"));
        let clients = key.map(|key| (Whose::Clients, format!("{key} IS NOT NULL")));
        let fault = Some(fault_xids).filter(|xids| !self.materialised && !xids.is_empty());
        let fault = fault.map(written_by);
        let loads = match &fault {
            Some(fault) => format!("{unkeyed} AND NOT {fault}"),
            None => unkeyed.clone(),
        };
        let faults = fault.map(|fault| (Whose::Faults, format!("{unkeyed} AND {fault}")));
        let loads = [(Whose::Loads, loads)].into_iter();
        loads.chain(clients).chain(faults).collect()
    }
}

/// Conditions that divide a table into ranges of its pages, of about [`RANGE`] bytes each.
/// Pages that came after the table was measured are of the last range.
fn ranges(pages: u64, bytes: u64) -> Vec<String> {
    let count = (bytes / RANGE).clamp(1, pages.max(1));
    let page = |range: u64| format!("'({},0)'", pages * range / count);
    let from = |range| (range > 0).then(|| format!(" AND ctid >= {}", page(range)));
    let to = |range| (range + 1 < count).then(|| format!(" AND ctid < {}", page(range + 1)));
    let bounds = |range| from(range).unwrap_or_default() + &to(range).unwrap_or_default();
    (0..count)
        .map(|range| format!("true{}", bounds(range)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The page a bound names.
    fn bound(range: &str, operator: &str) -> Option<u64> {
        let after = range.split_once(&format!("ctid {operator} '("))?.1;
        after.split_once(',')?.0.parse().ok()
    }

    proptest! {
        #[test]
        fn ranges_meet_and_leave_no_page_out(pages in 0u64..100_000, bytes in 0u64..(1 << 32)) {
            let ranges = ranges(pages, bytes);
            let mut reached = None;
            for range in &ranges {
                prop_assert_eq!(bound(range, ">="), reached);
                reached = bound(range, "<");
                prop_assert!(reached.is_none_or(|page| page > 0 && page < pages));
            }
            prop_assert_eq!(reached, None);
        }
    }

    #[test]
    fn a_small_table_is_read_at_once() {
        assert_eq!(ranges(12, 100_000), ["true"]);
        assert_eq!(ranges(0, RANGE * 9), ["true"]);
    }

    fn pieces(populated: bool) -> Vec<Piece> {
        let table = Table {
            name: "shop.items".into(),
            columns: "id".into(),
            key: Some("request_id".into()),
            materialised: false,
            populated,
            bytes: 100_000,
            pages: 12,
            unlogged: false,
            primary_key: None,
        };
        table.pieces(&[])
    }

    #[test]
    fn every_row_is_counted_once() {
        let mut table = Table {
            name: "shop.items".into(),
            columns: "id".into(),
            key: Some("request_id".into()),
            materialised: false,
            populated: true,
            bytes: 100_000,
            pages: 12,
            unlogged: false,
            primary_key: None,
        };
        let conditions = |table: &Table, xids: &[u64]| -> Vec<String> {
            let all = table.conditions(xids).into_iter();
            all.map(|(_, condition)| condition).collect()
        };
        assert_eq!(
            conditions(&table, &[1 << 32 | 7, 9]),
            [
                "request_id IS NULL AND NOT xmin = ANY ('{7,9}'::xid[])",
                "request_id IS NOT NULL",
                "request_id IS NULL AND xmin = ANY ('{7,9}'::xid[])",
            ]
        );
        table.key = None;
        assert_eq!(conditions(&table, &[]), ["true"]);
        let faults = conditions(&table, &[7]);
        assert_eq!(
            faults,
            [
                "true AND NOT xmin = ANY ('{7}'::xid[])",
                "true AND xmin = ANY ('{7}'::xid[])"
            ]
        );
        table.materialised = true;
        assert_eq!(conditions(&table, &[7]), ["true"]);
    }

    #[test]
    fn a_table_that_cannot_be_read_is_not_an_empty_one() {
        let pieces = pieces(true);
        let [loaded, live] = &pieces[..] else {
            panic!("{pieces:?}");
        };
        let refused = || Err(ProbeError::Other("could not open file".into()));
        for (one, other) in [
            (Ok(Rows::default()), refused()),
            (refused(), Ok(Rows::default())),
        ] {
            let state = together([(loaded, one), (live, other)].into_iter());
            assert_eq!(state.error.as_deref(), Some("could not open file"));
        }
        let read = || Ok(Rows::default());
        let state = together([(loaded, read()), (live, read())].into_iter());
        assert_eq!((state.rows, state.error), (0, None));
    }

    #[test]
    fn a_view_without_data_is_not_read() {
        assert!(pieces(false).is_empty());
        let state = not_populated();
        assert_eq!(
            (state.digest.as_str(), state.error),
            ("not populated", None)
        );
    }
}
