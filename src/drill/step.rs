//! One step: the exhaustive match from action to the room that does it.

use std::time::Duration;

use super::{
    expected_errors::by_lost_primary,
    state::{Drill, StepError},
};
use crate::{
    backup::{WalArchive, wal},
    event::{Cause, EventKind, Moment},
    fault::{Fault, Injection, ServerAfter},
    meter::{Activity, outside},
    postgres::{Server, literal},
    runtime::Exec,
    scenario::plan::{Action, CheckKind, Phase, RunFor, Step, Wait, Wal},
};

impl Drill {
    /// Performs one step.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub async fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        self.image_before(&step.action).await;
        self.mark(&step.action);
        Box::pin(self.act(step)).await?;
        self.image_step_over(&step.action).await;
        for name in self.faults.healed_by(step) {
            self.errors_over(Cause::Fault(name));
        }
        Ok(())
    }

    async fn act(&mut self, step: &Step) -> Result<(), StepError> {
        let (server, database) = (step.server.as_str(), step.database.as_str());
        let deadline = step.deadline.0;
        match &step.action {
            Action::Backup(backup) => {
                let kind = backup.kind().unwrap_or_default();
                self.backup(server, backup.of(), kind, deadline).await
            }
            Action::Run(how_long) => outside(Activity::Wait, self.run(how_long, deadline)).await,
            Action::Checkpoint {} => Ok(self.server(server)?.sql("checkpoint").await?),
            Action::SwitchWal {} => {
                let server = self.server(server)?;
                let archived = self.plan.strategy.wal != Wal::None && !server.scratch;
                Ok(wal::switch(&server, archived, deadline).await?)
            }
            Action::RestorePoint(name) => self.restore_point(server, name).await,
            Action::Inject(fault) => self.inject(&step.fault, server, database, fault).await,
            Action::Heal(fault) => self.heal(fault).await,
            Action::Freeze(workload) => self.freeze(workload, server).await,
            Action::Thaw(workload) => self.thaw(workload, server).await,
            Action::StopWorkload(workload) => {
                self.halt(workload, true);
                Ok(())
            }
            Action::StartWorkload(workload) => {
                self.halt(workload, false);
                Ok(())
            }
            Action::Restore(restore) => self.restore(restore, deadline).await,
            Action::Salvage(salvage) => self.salvage(salvage, database).await,
            Action::Reindex(object) => self.reindex(server, database, object).await,
            Action::Start(server) => self.start(server, deadline).await,
            Action::Promote(server) => self.promote(server, deadline).await,
            Action::CutOver(cut_over) => self.cut_over(cut_over.workloads(), &cut_over.to).await,
            Action::Verify(server) => self.verify(server).await,
            Action::Age(by) => self.age(*by, step.deadline.0).await,
            Action::Expire {} => self.expire(step.deadline.0).await,
            Action::Wait(Wait { until }) => {
                let server = self.server_in(server, database)?;
                let waiting = server.wait_until(until, until, deadline);
                Ok(outside(Activity::Wait, waiting).await?)
            }
            Action::Sql(sql) => {
                let server = self.server_in(server, database)?;
                execute(&server, sql, deadline).await
            }
            Action::Command(command) => self.command(server, command, deadline).await,
        }
    }

    /// Whether this step is the first that answers a fault.
    pub fn answers_fault(&self, action: &Action) -> bool {
        self.unnoticed && !matches!(action, Action::Inject(_) | Action::Run(_))
    }

    /// Marks the span of the recovery time that begins with this step.
    fn mark(&mut self, action: &Action) {
        self.unnoticed &= !self.answers_fault(action);
        let phase = match action {
            Action::Inject(_) => Phase::Inject,
            Action::Run(_) if self.unnoticed => Phase::Detect,
            Action::Run(_) if self.faults.newest().is_some() => Phase::Run,
            Action::Freeze(_) | Action::StopWorkload(_) => Phase::Freeze,
            Action::Restore(_) => Phase::Provision,
            Action::Salvage(_) => Phase::Salvage,
            Action::Reindex(_) => Phase::Reindex,
            Action::Start(_) => Phase::Start,
            Action::Promote(_) => Phase::Promote,
            Action::Verify(_) => Phase::Verify,
            Action::Thaw(_) | Action::StartWorkload(_) | Action::CutOver(_) => Phase::CutOver,
            _other if self.faults.newest().is_none() => return,
            _other => Phase::Other,
        };
        self.recorder.record(EventKind::PhaseBegan { phase });
    }

    async fn run(&self, how_long: &RunFor, deadline: Duration) -> Result<(), StepError> {
        match how_long {
            RunFor::Time(time) => tokio::time::sleep(time.0).await,
            RunFor::Transactions { transactions } => {
                self.run_transactions(*transactions, deadline).await?;
            }
        }
        Ok(())
    }

    async fn run_transactions(&self, count: u64, deadline: Duration) -> Result<(), StepError> {
        let Some(workloads) = &self.workloads else {
            return Ok(());
        };
        let goal = workloads.acknowledged() + count;
        let began = std::time::Instant::now();
        while workloads.acknowledged() < goal {
            if began.elapsed() >= deadline {
                let missing = goal - workloads.acknowledged();
                return Err(StepError::Missing(format!(
                    "{missing} of {count} transactions were not acknowledged in time"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn inject(
        &mut self,
        name: &str,
        server: &str,
        database: &str,
        fault: &Fault,
    ) -> Result<(), StepError> {
        let (on, facts) = (self.server_in(server, database)?, fault.facts());
        let after = facts.server_after;
        if matches!(after, ServerAfter::Down | ServerAfter::Lost) {
            self.watch_last(server).await;
        }
        if after == ServerAfter::Lost {
            self.keep_log(&on).await;
        }
        let cause = Cause::Fault(name.to_owned());
        let own = facts.expected_errors(server);
        let standbys = self.plan.standbys_of(server);
        let standbys = standbys.filter(|_| after != ServerAfter::Up);
        self.expect_errors(cause, own.into_iter().chain(by_lost_primary(standbys)));
        let archive = self.plan.strategy.archive();
        let injection = self.injection(name, fault, &on, archive.as_ref());
        let mut record = fault.inject(&injection).await?;
        if facts.is_within_database() {
            record.target = self.plan.told(&record.target, database);
        }
        self.recorder
            .record(EventKind::FaultInjected(record.clone()));
        match after {
            ServerAfter::Up | ServerAfter::Down => {}
            ServerAfter::Restarted => self.tell_clients(server).await?,
            ServerAfter::Lost => _ = self.servers.remove(server),
        }
        self.faults.injected(record);
        self.unnoticed = true;
        Ok(())
    }

    async fn heal(&self, name: &str) -> Result<(), StepError> {
        let missing = || StepError::Missing(format!("there was no fault `{name}`"));
        let injected = self.faults.named(name).ok_or_else(missing)?;
        let server = match injected.fault.facts().store() {
            // Every server of the cluster reaches it, and that one may be lost.
            Some(_) => self.one_of(self.plan.cluster_of(&injected.server))?,
            None => self.server_in(&injected.server, &injected.database)?,
        };
        let archive = self.plan.strategy.archive();
        let injection = self.injection(name, &injected.fault, &server, archive.as_ref());
        Ok(injected.fault.heal(&injection).await?)
    }

    fn injection<'i>(
        &'i self,
        name: &'i str,
        fault: &'i Fault,
        server: &'i Server,
        archive: Option<&'i WalArchive>,
    ) -> Injection<'i> {
        Injection {
            name,
            fault,
            server,
            stores: self.stores_of(&server.name),
            archive,
            recorder: &self.recorder,
        }
    }

    async fn reindex(&self, server: &str, database: &str, object: &str) -> Result<(), StepError> {
        let server = self.server_in(server, database)?;
        let kind = server.value(&format!("select case when relkind in ('i', 'I') then 'index' else 'table' end from pg_class where oid = {}::regclass", literal(object))).await?;
        server.sql(&format!("reindex {kind} {object}")).await?;
        Ok(())
    }

    async fn start(&self, name: &str, deadline: Duration) -> Result<(), StepError> {
        let server = self.server(name)?;
        // A little less than the step has: what the server said is to be told.
        server.start(deadline * 9 / 10).await?;
        server.announce(&self.recorder).await?;
        self.tell_clients(name).await?;
        self.watch_server(&server).await;
        Ok(())
    }

    /// The gate: everything that can be told while clients run.
    async fn verify(&mut self, server: &str) -> Result<(), StepError> {
        let gates = self.plan.checks.iter().filter(|kind| kind.is_gate());
        let kinds: Vec<CheckKind> = gates.copied().collect();
        if !self.plan.has_clients(self.plan.cluster_of(server)) {
            // No cut-over will say that it serves.
            let verified = self.server(server)?;
            self.watch_server(&verified).await;
        }
        self.look(Moment::Gate, server, &kinds).await;
        if !self.server(server)?.scratch {
            self.faults.recovered();
        }
        Ok(())
    }

    async fn command(
        &self,
        server: &str,
        command: &str,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let server = self.server_at_home(server)?;
        let exec = Exec::shell(server.fill_in(command)).envs(server.environment());
        server.node.exec(exec.within(deadline)).await?;
        Ok(())
    }
}

/// Statements one after the other, as `psql` takes them apart: each is a transaction of its own
/// unless they say otherwise.
async fn execute(server: &Server, sql: &str, deadline: Duration) -> Result<(), StepError> {
    let arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"];
    let exec = server.tool_on(&server.node, "psql", &arguments);
    let exec = exec.env("PGCLIENTENCODING", "UTF8").stdin(sql);
    server.node.exec(exec.within(deadline)).await?;
    Ok(())
}
