//! Columns of tables that are there which went with what they needed: a type, say, or a function
//! that generates them. `pg_dump` describes them only inside their table.
//!
//! They are added at the end of the table, where the values come back by primary key.

use std::collections::BTreeSet;

use super::{SalvageError, Work, objects::Id, rows::Table};
use crate::postgres::{PgError, query::Cells};

/// Columns that need other objects, a generated one what its expression needs, each with what
/// adds it, and what else it is.
const COLUMNS: &str = "
WITH needs AS MATERIALIZED (
  SELECT objid, objsubid, refclassid, refobjid FROM pg_depend WHERE classid = 'pg_class'::regclass AND objsubid > 0 AND refobjid >= 16384
  UNION ALL SELECT g.attrelid, g.attnum, d.refclassid, d.refobjid FROM pg_depend d JOIN pg_attrdef v ON v.tableoid = d.classid AND v.oid = d.objid
    JOIN pg_attribute g ON g.attrelid = v.adrelid AND g.attnum = v.adnum WHERE g.attgenerated <> '' AND d.refobjid >= 16384 AND d.refobjid <> v.adrelid)
SELECT a.attrelid, t.name, quote_ident(a.attname), format(' %s COLUMN %s.%s ', t.nspname, t.relname, a.attname),
  CASE WHEN a.attinhcount = 0 THEN format('ALTER TABLE %s ADD COLUMN %I %s', t.name, a.attname, format_type(a.atttypid, a.atttypmod))
    || coalesce(' COLLATE ' || nullif(a.attcollation, y.typcollation)::regcollation::text, '')
    || CASE a.attgenerated WHEN '' THEN coalesce(' DEFAULT ' || pg_get_expr(v.adbin, v.adrelid), '')
       ELSE format(' GENERATED ALWAYS AS (%s)', pg_get_expr(v.adbin, v.adrelid)) || CASE a.attgenerated WHEN 's' THEN ' STORED' ELSE '' END END
    || CASE WHEN a.attstorage <> y.typstorage THEN format('; ALTER TABLE %s ALTER %I SET STORAGE %s', t.name, a.attname,
       CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) ELSE '' END
    || CASE a.attcompression WHEN '' THEN '' ELSE format('; ALTER TABLE %s ALTER %I SET COMPRESSION %s', t.name, a.attname,
       CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END) END
    || CASE WHEN a.attstattarget >= 0 THEN format('; ALTER TABLE %s ALTER %I SET STATISTICS %s', t.name, a.attname, a.attstattarget) ELSE '' END
    || coalesce(format('; ALTER TABLE %s ALTER %I SET (', t.name, a.attname) || array_to_string(a.attoptions, ', ') || ')', '')
  ELSE '' END,
  CASE WHEN a.attnotnull AND a.attinhcount = 0 THEN format('ALTER TABLE %s ALTER %I SET NOT NULL', t.name, a.attname) ELSE '' END,
  a.attgenerated = '' AND NOT t.relispartition,
  ARRAY(SELECT d.refclassid FROM needs d WHERE (d.objid, d.objsubid) = (a.attrelid, a.attnum) ORDER BY d.refclassid, d.refobjid),
  ARRAY(SELECT d.refobjid FROM needs d WHERE (d.objid, d.objsubid) = (a.attrelid, a.attnum) ORDER BY d.refclassid, d.refobjid),
  t.class
FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
JOIN (SELECT c.oid, c.tableoid AS class, format('%I.%I', n.nspname, c.relname) AS name, n.nspname, c.relname, c.relispartition FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')) t ON t.oid = a.attrelid
LEFT JOIN pg_attrdef v ON v.adrelid = a.attrelid AND v.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND EXISTS (SELECT FROM needs d WHERE (d.objid, d.objsubid) = (a.attrelid, a.attnum))
ORDER BY a.attrelid, a.attnum";

const PRESENT: &str = "
SELECT format('%I.%I', n.nspname, c.relname), quote_ident(a.attname) FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT a.attisdropped";

/// A column that is gone from its table.
pub(super) struct Column {
    /// The table on the scratch server.
    pub of: Id,
    pub table: String,
    pub name: String,
    /// How `pg_dump`'s list names it where it has its grants or its comment.
    pub tag: String,
    /// Adds it; empty where that comes from its table's parent.
    add: String,
    /// Makes it NOT NULL; empty when it need not be.
    not_null: String,
    /// Whether it has values that come from nowhere else.
    has_values: bool,
}

impl Work<'_> {
    /// Columns that went with any of what hung on the roots, while their table is there.
    pub(super) async fn lost_columns(
        &self,
        roots: &BTreeSet<Id>,
    ) -> Result<Vec<Column>, SalvageError> {
        let hanging = self.catalog.hanging_on(roots);
        let present = self.home.query(PRESENT).await?;
        let present: BTreeSet<(String, String)> = present
            .iter()
            .map(|row| Ok((row.cell(0)?, row.cell(1)?)))
            .collect::<Result<_, PgError>>()?;
        let mut lost = Vec::new();
        for row in self.scratch.query(COLUMNS).await? {
            let (table, name): (String, String) = (row.cell(1)?, row.cell(2)?);
            let there = present.iter().any(|(of, _)| *of == table);
            let classes: Vec<u32> = row.cell(7)?;
            let mut needs = classes.into_iter().zip(row.cell::<Vec<u32>>(8)?);
            let hung = needs.any(|id| hanging.contains(&self.catalog.whole(id)));
            if hung && there && !present.contains(&(table.clone(), name.clone())) {
                lost.push(Column {
                    of: (row.cell(9)?, row.cell(0)?),
                    table,
                    name,
                    tag: row.cell(3)?,
                    add: row.cell(4)?,
                    not_null: row.cell(5)?,
                    has_values: row.cell(6)?,
                });
            }
        }
        Ok(lost)
    }

    /// Adds the columns, empty but for their defaults.
    pub(super) async fn add_columns(&self, columns: &[Column]) -> Result<(), SalvageError> {
        for column in columns.iter().filter(|column| !column.add.is_empty()) {
            self.home.run(&column.add).await?;
        }
        Ok(())
    }

    /// Brings their values home. Returns what could not be, in words.
    pub(super) async fn fill_columns(
        &self,
        columns: &[Column],
    ) -> Result<Vec<String>, SalvageError> {
        let mut left = Vec::new();
        let tables: BTreeSet<&str> = columns.iter().map(|column| column.table.as_str()).collect();
        for table in tables {
            let of_table = columns.iter().filter(|column| column.table == table);
            let names = of_table.filter(|column| column.has_values);
            let names: Vec<String> = names.map(|column| column.name.clone()).collect();
            let mut all = Table::of(self, table).await?;
            if !names.is_empty() && had_values(&all, &names).await? {
                all.columns.restrict(&names);
                match all.columns.key.is_empty() {
                    false => all.fill(&names).await?,
                    true => left.push(format!(
                        "the values of {} in {table}, which has no primary key",
                        names.join(", ")
                    )),
                }
            }
        }
        for column in columns.iter().filter(|column| !column.not_null.is_empty()) {
            if let Some(cause) = self.home.attempt(&column.not_null).await? {
                left.push(format!("NOT NULL of {} ({cause})", column.told()));
            }
        }
        Ok(left)
    }
}

impl Column {
    pub fn told(&self) -> String {
        format!("column {} of {}", self.name, self.table)
    }
}

async fn had_values(table: &Table<'_>, names: &[String]) -> Result<bool, SalvageError> {
    let (own, names) = (&table.columns.own, names.join(", "));
    let any = format!("SELECT EXISTS (SELECT FROM {own} WHERE num_nonnulls({names}) > 0)");
    Ok(table.scratch.one(&any).await?.cell(0)?)
}
