//! Triggers and rules that would fire for what salvage writes, at rest meanwhile.
//!
//! Salvage writes as a replica does, so ordinary ones don't fire. Those that are enabled for
//! replicas, or always, would do again what the rows already tell of. Nobody else can write to
//! the table while they rest: the lock that this takes is held until the commit.

use super::{SalvageError, literal, session::Session};
use crate::postgres::query::Cells;

/// How to disable each trigger and rule of a table or its partitions that fires on a replica,
/// and how to enable it again. A view's query is a rule, too.
const FIRING: &str = "
SELECT format('ALTER TABLE ONLY %s DISABLE %s %I', f.of, f.kind, f.name),
  format('ALTER TABLE ONLY %s ENABLE %s %s %I', f.of, CASE f.enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, f.kind, f.name)
FROM (SELECT tgrelid::regclass AS of, 'TRIGGER' AS kind, tgname AS name, tgenabled AS enabled FROM pg_trigger
  UNION ALL SELECT ev_class::regclass, 'RULE', rulename, ev_enabled FROM pg_rewrite WHERE ev_type <> '1') f
WHERE f.enabled IN ('A', 'R') AND f.of IN (SELECT t.oid FROM (SELECT {table}::regclass::oid
  UNION SELECT relid FROM pg_partition_tree({table}::regclass)) t (oid)) ORDER BY 1";

/// What has to be enabled again.
pub(super) struct Resting(Vec<String>);

/// Disables a table's triggers and rules that fire on a replica.
pub(super) async fn rest(home: &Session<'_>, table: &str) -> Result<Resting, SalvageError> {
    let mut enable = Vec::new();
    let firing = FIRING.replace("{table}", &literal(table));
    for row in home.query(&firing).await? {
        home.run(row.cell(0)?).await?;
        enable.push(row.cell(1)?);
    }
    Ok(Resting(enable))
}

impl Resting {
    /// Enables them again, each as it was.
    pub async fn wake(self, home: &Session<'_>) -> Result<(), SalvageError> {
        for sql in &self.0 {
            home.run(sql).await?;
        }
        Ok(())
    }
}
