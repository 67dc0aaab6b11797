//! Steps that take backups and bring data back: their rooms are `backup/` and `restore/`.

use std::time::Duration;

use jiff::SignedDuration;

use super::state::{Drill, Made, StepError};
use crate::{
    backup::{BackupError, base, retention, tables},
    event::{BackupRecord, EventKind},
    history::Recorder,
    postgres::{Server, configuration::moved, lsn},
    restore::{
        base::{Restore, restore},
        salvage::{SalvageRequest, Side, salvage},
        target::{Known, Resolved, Taken, choose, resolve},
    },
    scenario::plan::{BackupKind, PRIMARY, SalvageBy, Target},
    units::wall_clock,
};

/// A verifier may take this long.
const VERIFYING: Duration = Duration::from_secs(600);

impl Drill<'_> {
    /// Takes a backup of a server and remembers it.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn backup(
        &mut self,
        server: &str,
        kind: BackupKind,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let server = self.server(server)?;
        let number = self.backups.len() + 1;
        let strategy = &self.plan.strategy;
        let record = match kind {
            BackupKind::Full => {
                base::take(
                    &server,
                    &strategy.full,
                    &format!("full-{number}"),
                    deadline,
                    &self.recorder,
                )
                .await?
            }
            BackupKind::Tables => {
                tables::take(
                    &server,
                    &strategy.tables,
                    &format!("tables-{number}"),
                    deadline,
                    &self.recorder,
                )
                .await?
            }
        };
        self.backups.push(Taken {
            record,
            ended_us: self.recorder.now_us(),
        });
        Ok(())
    }

    /// Has the verifiers look again at every backup that is still in the store: one may have been
    /// damaged after it was taken.
    pub(super) async fn verify_again(&self) {
        let Ok(server) = self.any_server() else {
            return;
        };
        for taken in &self.backups {
            let record = &taken.record;
            if let Err(error) = verify_again(&server, record, &self.recorder).await {
                self.recorder.record(EventKind::VerifierSaid {
                    tool: "the verifier".into(),
                    object: record.label.clone(),
                    good: None,
                    again: true,
                    output: error.to_string(),
                });
            }
        }
    }

    /// Makes a named restore point and remembers where it is.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn restore_point(
        &mut self,
        server: &str,
        name: &str,
    ) -> Result<(), StepError> {
        let literal = name.replace('\'', "''");
        let position = self
            .server(server)?
            .value(&format!("select pg_create_restore_point('{literal}')"))
            .await?;
        self.points
            .push((name.to_owned(), lsn::parse(&position).unwrap_or_default()));
        Ok(())
    }

    /// How far the wall clock has run away from the drill's own, which nobody sets.
    fn wall_stepped(&self) -> SignedDuration {
        let own = SignedDuration::from_micros(self.recorder.now_us() as i64);
        wall_clock().duration_since(self.wall) - own
    }

    /// Restores into a new server, up to a target.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn restore(
        &mut self,
        into: &str,
        scratch: bool,
        target: &Target,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let known = Known {
            fault: self.faults.newest(),
            points: &self.points,
            wall: self.wall,
            stepped: self.wall_stepped(),
            scale: self.plan.scale,
        };
        let resolved = resolve(target, known).map_err(StepError::Missing)?;
        let source = self.source(target, &resolved);
        let mut server = self.new_server(into, scratch, &source.plan).await?;
        let stored = retention::stored_backups(&server).await?;
        let backup = choose(target, &resolved, &self.backups, &stored);
        let backup = backup.map_err(StepError::Missing)?.clone();
        let made = self.made.get(&backup.server).unwrap_or(&source);
        server.moved = moved(
            &self.plan.settings(&made.plan),
            &made.layout,
            server.node.layout(),
        );
        self.servers.insert(into.to_owned(), server.clone());
        let request = Restore {
            server: &server,
            backup: &backup,
            target: &resolved,
            recovery: &self.plan.strategy.recovery,
            deadline,
        };
        let restored = restore(&request, &self.recorder).await?;
        self.faults.restored(&restored, &backup.server);
        Ok(())
    }

    /// What the server was made as whose backup a restore begins from, as far as that is known
    /// before a node can look into the store.
    fn source(&self, target: &Target, resolved: &Resolved) -> Made {
        let all: Vec<String> = (self.backups.iter())
            .map(|taken| taken.record.label.clone())
            .collect();
        let likely = choose(target, resolved, &self.backups, &all).ok();
        let name = likely.map_or(PRIMARY, |backup| backup.server.as_str());
        self.made.get(name).cloned().unwrap_or_default()
    }

    /// Transactions of the bad statements that are recovered from now, and whether a salvage of
    /// these tables and schemas undoes it: the newest, and each that hit one of them.
    fn bad_statements(&self, tables: &[String], schemas: &[String]) -> Vec<(u64, bool)> {
        let named = |target: &str| {
            let within = |schema: &String| {
                let rest = target.strip_prefix(schema.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            tables.iter().any(|table| table == target) || schemas.iter().any(within)
        };
        let newest = self.faults.newest();
        let current = self.faults.current().iter();
        let told = current.filter_map(|fault| {
            let undone = Some(fault) == newest || named(&fault.target);
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
        from: &str,
        into: &str,
        tables: &[String],
        schemas: &[String],
        by: SalvageBy,
    ) -> Result<(), StepError> {
        let (scratch, production) = (self.server(from)?, self.server(into)?);
        readable(&scratch).await?;
        let from_side = Side {
            access: scratch.access().await?,
            node: &scratch.node,
        };
        let into_side = Side {
            access: production.access().await?,
            node: &production.node,
        };
        let bad = self.bad_statements(tables, schemas);
        let request = SalvageRequest {
            tables: tables.to_vec(),
            schemas: schemas.to_vec(),
            by,
            fault_xids: bad.iter().map(|(xid, _)| *xid).collect(),
            undone_xids: bad
                .iter()
                .filter(|(_, undone)| *undone)
                .map(|(xid, _)| *xid)
                .collect(),
            frozen: self.frozen_groups()?,
            frozen_tables: self.frozen_tables(&scratch).await?,
        };
        let tables = salvage(&from_side, &into_side, &request, &self.recorder).await?;
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

async fn verify_again(
    server: &Server,
    record: &BackupRecord,
    recorder: &Recorder,
) -> Result<(), BackupError> {
    let label = &record.label;
    if !retention::is_stored(server, record).await? {
        return Ok(());
    }
    match (record.kind.as_str(), record.manifest) {
        ("tables", _) => tables::verify(server, label, true, VERIFYING, recorder).await,
        (_, true) => base::verify(server, label, true, VERIFYING, recorder).await,
        (_, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        check::testing::salvage,
        meter::Meter,
        runtime::{Layout, Runtime, fake::Fake},
        scenario::plan::ServerPlan,
        units::Bytes,
    };

    fn taken(number: u64, server: &str) -> Taken {
        let record = BackupRecord {
            labelled: true,
            manifest: true,
            label: format!("full-{number}"),
            kind: "full".into(),
            server: server.into(),
            start_lsn: 0,
            end_lsn: number,
            began_us: 0,
            bytes: 0,
        };
        Taken {
            record,
            ended_us: number,
        }
    }

    fn made(memory: u64) -> Made {
        let plan = ServerPlan {
            settings: [("work_mem".to_owned(), format!("{memory}MB"))].into(),
            memory: Bytes(memory),
            cpus: memory as f64,
        };
        let layout = Layout::default();
        Made { plan, layout }
    }

    /// The newest backup that can reach the target says whose limits and settings count; where
    /// there is none, those of the primary.
    #[test]
    fn a_restored_server_is_made_as_the_source_of_its_backup() {
        let dir = tempfile::tempdir().unwrap();
        let (plan, runtime) = (salvage().plan, Runtime::Fake(Fake::default()));
        let meter = Meter::new(Instant::now());
        let recorder = Recorder::in_memory();
        let mut drill = Drill::new(&plan, &runtime, dir.path(), recorder, meter);
        let servers = [("alpha", 1), (PRIMARY, 2), ("replacement", 3)];
        drill.made = servers
            .map(|(name, memory)| (name.to_owned(), made(memory)))
            .into();
        let source = |drill: &Drill<'_>, by_lsn: Option<u64>| {
            let resolved = Resolved {
                settings: vec![],
                by_lsn,
                by_us: None,
            };
            drill.source(&Target::Latest, &resolved).plan
        };
        assert_eq!(source(&drill, None), made(2).plan);
        drill.backups = vec![taken(1, PRIMARY), taken(2, "replacement")];
        assert_eq!(source(&drill, None), made(3).plan);
        assert_eq!(source(&drill, Some(1)), made(2).plan);
    }
}
