//! Steps that take backups and bring data back: their rooms are `backup/` and `restore/`.

use std::time::Duration;

use jiff::SignedDuration;

use super::{
    excuses::by_restore,
    state::{Drill, Made, StepError},
};
use crate::{
    backup::{Site, retention},
    event::{BackupRecord, Cause, EventKind, Listed},
    postgres::{Server, configuration::moved, lsn},
    restore::{
        self, Restore, restore,
        salvage::{SalvageRequest, Side, salvage},
        target::{Choice, Known, Resolved, Taken, choose, resolve},
    },
    runtime::Exec,
    scenario::plan::{
        BackupKind, BackupPlan, PRIMARY, RetentionRule, SalvageBy, Target, TargetAction,
    },
    units::wall_clock,
};

/// A tool's verifier, or its catalog, may take this long.
const LOOKING: Duration = Duration::from_secs(600);

/// What a step says of a restore.
#[derive(Clone, Copy, Debug)]
pub struct Restoring<'a> {
    /// The backup's name in the strategy.
    pub from: &'a str,
    pub label: Option<&'a str>,
    pub into: &'a str,
    pub scratch: bool,
    pub in_place: bool,
    pub target: &'a Target,
    pub action: Option<TargetAction>,
}

impl Drill<'_> {
    /// What a backup's tool works with on a server's node.
    fn site<'s>(&'s self, name: &'s str, server: &'s Server, deadline: Duration) -> Site<'s> {
        let plan = self.plan.strategy.backups.get(name);
        Site {
            name,
            server,
            keep: plan.and_then(|plan| plan.keep),
            deadline,
            recorder: &self.recorder,
        }
    }

    fn planned(&self, name: &str) -> Result<&BackupPlan, StepError> {
        let plan = self.plan.strategy.backups.get(name);
        plan.ok_or_else(|| StepError::Missing(format!("the strategy has no backup `{name}`")))
    }

    /// Makes every tool ready for its first backup of a server.
    ///
    /// # Errors
    /// When a tool fails.
    pub(super) async fn prepare_tools(&self, server: &Server) -> Result<(), StepError> {
        for (name, backup) in &self.plan.strategy.backups {
            let site = self.site(name, server, LOOKING);
            backup.tool.configure(&site).await?;
            backup.tool.prepare(&site).await?;
        }
        Ok(())
    }

    /// Takes a backup of a server, remembers it, and asks its tool what it has now.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn backup(
        &mut self,
        server: &str,
        of: &str,
        kind: BackupKind,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let server = self.server(server)?;
        let began_us = self.recorder.now_us();
        let label = format!("{of}-{}", self.backups.len() + 1);
        let tool = &self.planned(of)?.tool;
        let site = self.site(of, &server, deadline);
        let listed = tool.take(&site, kind, &label).await?;
        let record = BackupRecord {
            backup: of.to_owned(),
            server: server.name.clone(),
            began_us,
            listed,
        };
        self.recorder.record(EventKind::BackupTaken(record.clone()));
        let ended_us = self.recorder.now_us();
        let verified = self.verify_backup(&site, &record, false).await?;
        self.list(&site).await?;
        self.backups.push(Taken {
            record,
            ended_us,
            verified,
        });
        Ok(())
    }

    /// What a backup's tool says that it has.
    async fn list(&self, site: &Site<'_>) -> Result<Vec<Listed>, StepError> {
        let listed = self.planned(site.name)?.tool.list(site).await?;
        self.recorder.record(EventKind::BackupsListed {
            backup: site.name.to_owned(),
            listed: listed.clone(),
        });
        Ok(listed)
    }

    /// Records what a tool's verifier says of a backup; false where it has nothing to say.
    async fn verify_backup(
        &self,
        site: &Site<'_>,
        record: &BackupRecord,
        again: bool,
    ) -> Result<bool, StepError> {
        let label = &record.listed.label;
        let Some(word) = self.planned(site.name)?.tool.verify(site, label).await? else {
            return Ok(false);
        };
        self.recorder.record(EventKind::VerifierSaid {
            tool: word.verifier,
            object: label.clone(),
            good: Some(word.good),
            again,
            output: word.output,
        });
        Ok(true)
    }

    /// Has the verifiers look again at every backup that is still there: one may have been damaged
    /// after it was taken.
    pub(super) async fn verify_again(&self) {
        let Ok(server) = self.any_server() else {
            return;
        };
        for taken in &self.backups {
            if let Err(error) = self.verify_one_again(&server, taken).await {
                self.recorder.record(EventKind::VerifierSaid {
                    tool: "the verifier".into(),
                    object: taken.record.listed.label.clone(),
                    good: None,
                    again: true,
                    output: error.to_string(),
                });
            }
        }
    }

    async fn verify_one_again(&self, server: &Server, taken: &Taken) -> Result<(), StepError> {
        let (name, label) = (&taken.record.backup, &taken.record.listed.label);
        let site = self.site(name, server, LOOKING);
        let listed = self.list(&site).await?;
        if !listed.iter().any(|one| one.label == *label) {
            return Ok(());
        }
        let said = self.verify_backup(&site, &taken.record, true).await?;
        if taken.verified && !said {
            let gone = "what its verifier held it against is gone";
            return Err(StepError::Missing(gone.into()));
        }
        Ok(())
    }

    /// Removes what the strategy's retention keeps no longer, and records what went.
    ///
    /// # Errors
    /// When a tool or the strategy's own command fails.
    pub(super) async fn expire(&self) -> Result<(), StepError> {
        let server = self.any_server()?;
        let before = self.stored(&server).await?;
        match &self.plan.strategy.retention.rule {
            RetentionRule::Computed => self.expire_computed(&server).await?,
            RetentionRule::Command(command) => {
                let store = server.node.layout().store.display();
                let command = format!("cd {store} && {}", server.fill_in(command));
                server.node.exec(Exec::shell(command)).await?;
            }
        }
        let after = self.stored(&server).await?;
        let gone = |was: &[String], is: &[String]| {
            let gone = was.iter().filter(|name| !is.contains(name));
            gone.cloned().collect::<Vec<_>>()
        };
        self.recorder.record(EventKind::RetentionApplied {
            removed_backups: gone(&before.0, &after.0),
            removed_wal: gone(&before.1, &after.1),
        });
        Ok(())
    }

    async fn expire_computed(&self, server: &Server) -> Result<(), StepError> {
        let strategy = &self.plan.strategy;
        let mut kept = Vec::new();
        for (name, backup) in &strategy.backups {
            let site = self.site(name, server, LOOKING);
            backup.tool.expire(&site).await?;
            kept.extend(backup.tool.list(&site).await?);
        }
        let wal = retention::archived(server).await?;
        let gone = retention::expired_wal(&wal, &kept, strategy.retention.wal);
        let path = |name: &String| server.fill_in(&format!("{{archive}}/{name}"));
        let paths: Vec<String> = gone.iter().map(path).collect();
        Ok(retention::remove(server, &paths).await?)
    }

    /// Labels of the backups, and names of the files in `{archive}`.
    async fn stored(&self, server: &Server) -> Result<(Vec<String>, Vec<String>), StepError> {
        let mut labels = Vec::new();
        for (name, backup) in &self.plan.strategy.backups {
            let site = self.site(name, server, LOOKING);
            let listed = backup.tool.list(&site).await?;
            labels.extend(listed.into_iter().map(|one| one.label));
        }
        let wal = retention::archived(server).await?;
        Ok((labels, wal.into_iter().map(|file| file.name).collect()))
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

    /// Restores a backup, up to a target.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn restore(
        &mut self,
        restoring: Restoring<'_>,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let known = Known {
            fault: self.faults.newest(),
            points: &self.points,
            wall: self.wall,
            stepped: self.wall_stepped(),
            scale: self.plan.scale,
        };
        let resolved = resolve(restoring.target, known).map_err(StepError::Missing)?;
        let source = self.source(&restoring, &resolved);
        let mut server = match restoring.in_place {
            true => self.given_up(restoring.into).await?,
            false => {
                let (into, scratch) = (restoring.into, restoring.scratch);
                self.new_server(into, scratch, &source.plan).await?
            }
        };
        let listed = self.restorable(&server, restoring.from).await?;
        let choice = Choice {
            from: restoring.from,
            label: restoring.label,
            taken: &self.backups,
            listed: &listed,
        };
        let chosen = choose(restoring.target, &resolved, &choice).map_err(StepError::Missing)?;
        let origin = self.origin(restoring.from, chosen);
        let made = self.made.get(&origin).unwrap_or(&source);
        let settings = self.plan.settings(&made.plan);
        server.moved = moved(&settings, &made.layout, server.node.layout());
        self.servers
            .insert(restoring.into.to_owned(), server.clone());
        let strategy = &self.plan.strategy;
        let archive = strategy.archive();
        let request = Restore {
            server: &server,
            backup: (restoring.from, &self.planned(restoring.from)?.tool),
            listed: chosen,
            target: &resolved,
            recovery: restore::Recovery {
                signal: strategy.recovery.signal,
                restore_command: strategy.recovery.restore_command.as_deref(),
                archive: archive.as_ref(),
                action: restoring.action.or(strategy.recovery.target_action),
            },
            settings: &settings,
            in_place: restoring.in_place,
            deadline,
        };
        let restored = restore(&request, &self.recorder).await?;
        self.faults.restored(&restored, &origin);
        if restoring.in_place {
            self.tell_clients(restoring.into).await?;
            self.watch_server(&server).await;
            self.errors_over(Cause::Restore);
        }
        Ok(())
    }

    /// A server that is stopped, and whose files may be replaced: what it was is given up, and
    /// its clients wait for what it will be.
    async fn given_up(&mut self, name: &str) -> Result<Server, StepError> {
        let server = self.server(name)?;
        self.watch_last(name).await;
        if server.connect().await.is_ok() {
            server.stop().await?;
        }
        let lock = server.node.layout().data.join("postmaster.pid");
        let unlock = ["rm", "-f", &lock.display().to_string()];
        server.node.exec(Exec::new(unlock)).await?;
        self.keep_log(&server).await;
        self.logs_kept.remove(name);
        self.row_images.forget(name);
        self.expect_errors(Cause::Restore, by_restore(name));
        let served = self.serving.iter().filter(|(_, server)| *server == name);
        let workloads: Vec<String> = served.map(|(workload, _)| workload.clone()).collect();
        if !workloads.is_empty() {
            self.recorder.record(EventKind::CutOver {
                workloads,
                to: name.to_owned(),
            });
        }
        Ok(server)
    }

    /// What a backup's tool lists, asked on the node that is restored.
    async fn restorable(&self, server: &Server, from: &str) -> Result<Vec<Listed>, StepError> {
        let site = self.site(from, server, LOOKING);
        self.planned(from)?.tool.configure(&site).await?;
        self.list(&site).await
    }

    /// The server that a backup was taken of.
    fn origin(&self, from: &str, listed: &Listed) -> String {
        let taken = self
            .backups
            .iter()
            .find(|one| one.record.backup == from && one.record.listed.label == listed.label);
        taken
            .map_or(PRIMARY, |taken| &taken.record.server)
            .to_owned()
    }

    /// What the server was made as whose backup a restore begins from, as far as that is known
    /// before a node can look into the store.
    fn source(&self, restoring: &Restoring<'_>, resolved: &Resolved) -> Made {
        let all: Vec<Listed> = (self.backups.iter())
            .filter(|taken| taken.record.backup == restoring.from)
            .map(|taken| taken.record.listed.clone())
            .collect();
        let choice = Choice {
            from: restoring.from,
            label: restoring.label,
            taken: &self.backups,
            listed: &all,
        };
        let likely = choose(restoring.target, resolved, &choice).ok();
        let name = likely.map_or(PRIMARY.to_owned(), |one| self.origin(restoring.from, one));
        self.made.get(&name).cloned().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        check::testing::salvage,
        history::Recorder,
        meter::Meter,
        runtime::{Layout, Runtime, fake::Fake},
        scenario::plan::ServerPlan,
        units::Bytes,
    };

    fn taken(number: u64, server: &str) -> Taken {
        let mut record = crate::check::testing::backup();
        record.server = server.into();
        record.listed.label = format!("main-{number}");
        record.listed.stop_lsn = Some(number);
        Taken {
            record,
            ended_us: number,
            verified: true,
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
            let restoring = Restoring {
                from: "main",
                label: None,
                into: "new",
                scratch: false,
                in_place: false,
                target: &Target::Latest,
                action: None,
            };
            drill.source(&restoring, &resolved).plan
        };
        assert_eq!(source(&drill, None), made(2).plan);
        drill.backups = vec![taken(1, PRIMARY), taken(2, "replacement")];
        assert_eq!(source(&drill, None), made(3).plan);
        assert_eq!(source(&drill, Some(1)), made(2).plan);
    }
}
