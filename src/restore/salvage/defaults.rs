//! Defaults and CHECK constraints that went with what they needed, while their table or domain is
//! there: `pg_dump` describes them only inside of it.

use std::collections::BTreeSet;

use super::{
    SalvageError, Work,
    objects::{self, Id},
};
use crate::postgres::query::Cells;

/// Each that is not inherited, with the statement that makes it.
const STATEMENTS: &str = "
SELECT d.tableoid, d.oid, format('ALTER TABLE ONLY %s ALTER %I SET DEFAULT %s', d.adrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attgenerated = ''
UNION ALL SELECT tableoid, oid, CASE contypid WHEN 0 THEN format('ALTER TABLE %s', conrelid::regclass) ELSE format('ALTER DOMAIN %s', contypid::regtype) END
  || format(' ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype = 'c' AND coninhcount = 0";

impl Work<'_> {
    /// Makes those among these objects that are missing still. Returns what was refused, in words.
    pub(super) async fn make_defaults(
        &self,
        lost: &BTreeSet<Id>,
    ) -> Result<Vec<String>, SalvageError> {
        let present = objects::identities(self.home).await?;
        let mut left = Vec::new();
        for row in self.scratch.query(STATEMENTS).await? {
            let id = (row.cell(0)?, row.cell(1)?);
            if lost.contains(&id)
                && self.catalog.is_missing(&id, &present)
                && let Some(cause) = self.home.attempt(row.cell(2)?).await?
            {
                left.push(format!("{} ({cause})", self.catalog.told(&id)));
            }
        }
        Ok(left)
    }
}
