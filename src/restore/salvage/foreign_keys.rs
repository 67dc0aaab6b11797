//! Foreign keys, held against the rows: rows came in while triggers rested.

use super::{SalvageError, array, session::Session};
use crate::{event::SalvagedTable, postgres::query::Cells};

/// Constraints on the tables or referring to them, with the query that counts orphans. A key
/// neither holds for rows of tables that inherit, nor finds what it refers to in them.
const KEYS: &str = "
SELECT k.conname::text, k.conrelid::regclass::text, k.confrelid::regclass::text,
  format('SELECT count(*) FROM %s %s c WHERE %s AND NOT EXISTS (SELECT FROM %s %s p WHERE %s)', o.child, k.conrelid::regclass,
    string_agg(format('c.%I IS NOT NULL', c.attname), ' AND '), o.parent, k.confrelid::regclass,
    string_agg(format('p.%I = c.%I', p.attname, c.attname), ' AND '))
FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS u (ckey, pkey)
JOIN pg_attribute c ON c.attrelid = k.conrelid AND c.attnum = u.ckey
CROSS JOIN LATERAL (SELECT (SELECT CASE relkind WHEN 'p' THEN '' ELSE 'ONLY' END FROM pg_class WHERE oid = k.conrelid),
  (SELECT CASE relkind WHEN 'p' THEN '' ELSE 'ONLY' END FROM pg_class WHERE oid = k.confrelid)) o (child, parent)
JOIN pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = u.pkey
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.convalidated AND ARRAY[k.conrelid, k.confrelid]::regclass[] && ";

/// Every row that refers to another must find it.
///
/// # Errors
/// With the first constraint that has orphans.
pub(super) async fn validate(
    home: &Session<'_>,
    salvaged: &[SalvagedTable],
) -> Result<(), SalvageError> {
    let tables: Vec<String> = salvaged.iter().map(|one| one.table.clone()).collect();
    let tables = array(&tables);
    let sql =
        format!("{KEYS} {tables}::regclass[] GROUP BY k.oid, o.child, o.parent ORDER BY 2, 1");
    for row in home.query(&sql).await? {
        let orphans: i64 = home.one(row.cell(3)?).await?.cell(0)?;
        if orphans > 0 {
            return Err(SalvageError::Orphans {
                constraint: row.cell(0)?,
                table: row.cell(1)?,
                referenced: row.cell(2)?,
                orphans: orphans.unsigned_abs(),
            });
        }
    }
    Ok(())
}
