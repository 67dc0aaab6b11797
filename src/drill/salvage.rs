//! Steps that bring lost rows home from a scratch server: `restore/salvage`.

use super::state::{Drill, StepError};
use crate::{
    event::EventKind,
    postgres::Server,
    restore::salvage::{SalvageRequest, salvage},
    scenario::plan::Salvage,
};

impl Drill {
    /// Transactions of the bad statements that are recovered from now, and whether a salvage of
    /// these tables and schemas undoes it: the one before which the scratch server was restored,
    /// else the newest, and each that hit one of them.
    fn bad_statements(&self, salvaging: &Salvage, database: &str) -> Vec<(u64, bool)> {
        let Salvage {
            tables, schemas, ..
        } = salvaging;
        let restores = self.plan.restores();
        let mut restores = restores.filter(|restore| restore.into == salvaging.from());
        let aimed_at = restores.find_map(|restore| self.faults.aimed_at(&restore.target));
        let aimed_at = aimed_at.or(self.faults.newest());
        let current = self.faults.current().iter();
        let told = current.filter_map(|fault| {
            let hit = fault.database == database && fault.fault.facts().hits(tables, schemas);
            let undone = Some(fault) == aimed_at || hit;
            Some((fault.xid?, undone))
        });
        told.collect()
    }

    /// Brings lost rows home from a scratch server.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn salvage(
        &mut self,
        salvaging: &Salvage,
        database: &str,
    ) -> Result<(), StepError> {
        let (from, into) = (salvaging.from(), salvaging.into());
        let scratch = self.server_in(from, database)?;
        let production = self.server_in(into, database)?;
        readable(&scratch).await?;
        let bad = self.bad_statements(salvaging, database);
        let request = SalvageRequest {
            tables: salvaging.tables.to_vec(),
            schemas: salvaging.schemas.to_vec(),
            by: salvaging.by,
            logical: self.faults.is_logical(from),
            fault_xids: bad.iter().map(|(xid, _)| *xid).collect(),
            undone_xids: bad
                .iter()
                .filter(|(_, undone)| *undone)
                .map(|(xid, _)| *xid)
                .collect(),
            frozen: self.frozen_groups(),
            frozen_tables: self.frozen_tables(&scratch).await?,
        };
        let mut tables = salvage(&scratch, &production, &request, &self.recorder).await?;
        for table in &mut tables {
            table.table = self.plan.told(&table.table, database);
        }
        self.recorder.record(EventKind::Salvaged {
            from: from.into(),
            into: into.into(),
            tables,
        });
        Ok(())
    }
}

/// Relations that recovery holds locked where it waits: of a transaction, as the one that dropped
/// them, whose end was not replayed.
const LOCKED: &str = "select coalesce(string_agg(l.relation::regclass::text, ', '), '') \
     from pg_locks l join pg_stat_activity a using (pid) where a.backend_type = 'startup' \
     and l.granted and l.mode = 'AccessExclusiveLock' and l.relation is not null \
     and l.database = (select oid from pg_database where datname = current_database())";

/// Whether a server's tables can be read; one that is paused keeps the locks of what had not ended.
async fn readable(server: &Server) -> Result<(), StepError> {
    let locked = server.value(LOCKED).await?;
    if locked.is_empty() {
        return Ok(());
    }
    Err(StepError::Missing(format!(
        "`{}` is paused at its target, in the middle of the transaction that locks {locked}: nobody \
         can read that (hint: `recovery_target_action: promote`)",
        server.name
    )))
}
