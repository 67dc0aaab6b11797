//! The history of one drill, indexed by what is asked of it.
//!
//! Answers "when was the cut-over", "which server serves", "what did step 3 come to".
//! What probes saw is in [`super::view`]; judging any of it does not belong here.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    event::{
        BackupRecord, Event, EventKind, FaultRecord, ImageRecord, RecoveryRecord, RestoreRecord,
        StepOutcome,
    },
    fault::ServerAfter,
    measure::recovery::Recovery,
    scenario::plan::{Action, Nature, PRIMARY, Plan, Step, StepIndex, Target},
    units::Time,
    wal::SegmentSize,
};

/// What the fault's time by the server's clock and by the drill's may lie apart: it is asked
/// for by a tool.
const CLOCKS_US: u64 = 1_000_000;

/// What the events of a kind tell, in their order: `told!(events, kind => what)`, or with the
/// event's own name before the kind.
macro_rules! told {
    ($events:expr, $kind:pat $(if $only:expr)? => $what:expr) => {
        told!($events, _event, $kind $(if $only)? => $what)
    };
    ($events:expr, $event:ident, $kind:pat $(if $only:expr)? => $what:expr) => {
        $events.iter().filter_map(move |$event| match &$event.kind {
            $kind $(if $only)? => Some($what),
            _other => None,
        })
    };
}
pub(crate) use told;

/// A plan and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct DrillHistory<'a> {
    pub plan: &'a Plan,
    pub events: &'a [Event],
    /// The cluster that it is of, of several (`measure::clusters`); none: of all that there are.
    pub cluster: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StepTold<'a> {
    /// Its position in the plan.
    pub index: StepIndex,
    pub began_us: Option<u64>,
    pub ended_us: Option<u64>,
    /// How it ended; none: the history ends before.
    pub outcome: Option<&'a StepOutcome>,
}

/// Clients moved to another server.
#[derive(Clone, Copy, Debug)]
pub struct CutOver<'a> {
    pub at_us: u64,
    pub workloads: &'a [String],
    pub to: &'a str,
}

impl<'a> DrillHistory<'a> {
    pub fn new(plan: &'a Plan, events: &'a [Event]) -> Self {
        Self {
            plan,
            events,
            cluster: None,
        }
    }

    /// The server that it begins with.
    pub fn first_server(&self) -> &'a str {
        self.cluster.unwrap_or(PRIMARY)
    }

    /// Whether a server is of it.
    pub fn has_server(&self, server: &str) -> bool {
        let plan = self.plan;
        self.cluster
            .is_none_or(|cluster| plan.cluster_of(server) == cluster)
    }

    /// The workloads that it is of, each with its place in the plan.
    pub fn workloads(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let (plan, cluster) = (self.plan, self.cluster);
        let all = plan.workloads.keys().map(String::as_str).enumerate();
        all.filter(move |(_, name)| {
            cluster.is_none_or(|cluster| plan.cluster_of_workload(name) == cluster)
        })
    }

    pub fn steps(&self) -> Vec<StepTold<'a>> {
        let untold = |index| StepTold {
            index,
            began_us: None,
            ended_us: None,
            outcome: None,
        };
        let mut steps: Vec<StepTold<'a>> = (0..self.plan.steps.len()).map(untold).collect();
        for event in self.events {
            match &event.kind {
                EventKind::StepBegan { step, .. } if *step < steps.len() => {
                    steps[*step].began_us = Some(event.at_us);
                }
                EventKind::StepEnded { step, outcome } if *step < steps.len() => {
                    let told = &mut steps[*step];
                    told.ended_us = Some(event.at_us);
                    told.outcome = Some(outcome);
                }
                _other => {}
            }
        }
        steps
    }

    pub fn failed_step(&self) -> Option<(StepIndex, &'a str)> {
        told!(self.events, EventKind::StepEnded { step, outcome: StepOutcome::Failed(why) }
            => (*step, why.as_str()))
        .next()
    }

    pub fn faults(&self) -> impl Iterator<Item = &'a FaultRecord> + use<'a> {
        told!(self.events, EventKind::FaultInjected(fault) => fault)
    }

    /// Whether a server crashed and came back: recovery from a crash empties unlogged tables, too.
    pub fn crashed(&self) -> bool {
        let own = self.faults().filter(|fault| self.has_server(&fault.server));
        let mut after = own.map(|fault| fault.fault.facts().server_after);
        after.any(|after| after == ServerAfter::Down)
    }

    pub fn first_fault_us(&self) -> Option<u64> {
        self.faults().map(|fault| fault.began_us).min()
    }

    /// Every restore that ended in a running server, with the time it was told.
    pub fn restores(&self) -> impl Iterator<Item = (u64, &'a RestoreRecord)> + use<'a> {
        told!(self.events, event, EventKind::Restored(restore) => (event.at_us, restore))
    }

    /// Every look at the rows that clients wrote, in order, with the time it was told.
    pub fn looks_at_rows(&self) -> impl Iterator<Item = (u64, &'a ImageRecord)> + use<'a> {
        told!(self.events, event, EventKind::RowsImaged(look) => (event.at_us, look))
    }

    /// The restore that made a server; none when it was there from the beginning.
    pub fn restore_of(&self, server: &str) -> Option<&'a RestoreRecord> {
        self.restores()
            .map(|(_, restore)| restore)
            .filter(|restore| restore.server == server)
            .last()
    }

    /// Whether a server was made anew from a logical backup: another cluster than it was.
    pub fn is_logical(&self, server: &str) -> bool {
        let restore = self.restore_of(server);
        restore.is_some_and(|restore| restore.nature == Nature::Logical)
    }

    /// Which snapshot a workload's rows are of where its server was made anew from dumps: each
    /// database has its own, so that what survives in one says nothing of another. 0: the cluster's.
    pub fn snapshot_of(&self, workload: &str) -> usize {
        let plan = self.plan;
        let database = plan.workloads.get(workload).map(|one| &one.database);
        let place = || {
            plan.databases
                .keys()
                .position(|name| Some(name) == database)
        };
        match self.is_logical(self.server_of(workload)) {
            true => 1 + place().unwrap_or_default(),
            false => 0,
        }
    }

    /// Whether a server was restored for looking only, and never to serve.
    pub fn is_scratch(&self, server: &str) -> bool {
        self.restore_of(server)
            .is_some_and(|restore| restore.scratch)
    }

    /// Whether a server was repaired in place, looked at through a gate, and then served on.
    pub fn lived_on(&self, server: &str, within_us: Range<u64>) -> bool {
        let mut steps = self.steps();
        steps.retain(|step| {
            let began = step
                .began_us
                .is_some_and(|at_us| within_us.contains(&at_us));
            began && step.outcome == Some(&StepOutcome::Done)
        });
        let mut steps = steps.iter().map(|step| &self.plan.steps[step.index]);
        let repairs = |step: &Step| match &step.action {
            Action::Salvage(salvage) => salvage.into() == server,
            Action::Reindex(_) => step.server == server,
            Action::Start(at) => at == server,
            _other => false,
        };
        // One after the other.
        steps.any(repairs)
            && steps.any(|step| matches!(&step.action, Action::Verify(at) if at == server))
            && steps.any(|step| matches!(step.action, Action::Run(_)))
    }

    /// The server that a server's data come from in the end: itself when it was there from the
    /// beginning, otherwise the one of whose backup it was restored, and so on.
    pub fn origin(&self, server: &'a str) -> &'a str {
        let restores: Vec<&RestoreRecord> = self.restores().map(|(_, one)| one).collect();
        let mut origin = server;
        for restore in restores.into_iter().rev() {
            if restore.server == origin
                && let Some(backup) = self.taken(&restore.backup)
            {
                origin = &backup.server;
            }
        }
        origin
    }

    fn taken(&self, label: &str) -> Option<&'a BackupRecord> {
        let mut backups = told!(self.events, EventKind::BackupTaken(backup) => backup);
        backups.rfind(|backup| backup.listed.label == label)
    }

    /// How the recovery that made a server ended; none when that was not recorded.
    pub fn recovery_of(&self, server: &str) -> Option<&'a RecoveryRecord> {
        let mut recoveries = told!(self.events, EventKind::Recovered(recovery) => recovery);
        recoveries.rfind(|recovery| recovery.server == server)
    }

    /// Bytes of a WAL segment, as the servers' clusters have it.
    pub fn segment_size(&self) -> SegmentSize {
        let mut sizes = told!(self.events, EventKind::ServerReady { segment_size, .. }
            => SegmentSize(*segment_size));
        sizes.next().unwrap_or(SegmentSize::DEFAULT)
    }

    pub fn cut_overs(&self) -> impl Iterator<Item = CutOver<'a>> + use<'a> {
        told!(self.events, event, EventKind::CutOver { workloads, to } => CutOver {
            at_us: event.at_us,
            workloads,
            to,
        })
    }

    /// The server a workload's clients talk to at the end.
    pub fn server_of(&self, workload: &str) -> &'a str {
        self.server_before(workload, None)
    }

    /// The server a workload's clients talk to just before an instant; none: at the end.
    pub fn server_before(&self, workload: &str, until_us: Option<u64>) -> &'a str {
        let moves = self
            .cut_overs()
            .filter(|cut| cut.workloads.iter().any(|name| name == workload))
            .filter(|cut| until_us.is_none_or(|until| cut.at_us < until));
        moves.last().map_or(self.first_server(), |cut| cut.to)
    }

    /// The server that serves at the end.
    pub fn serving(&self) -> &'a str {
        let cut_over = self.cut_overs().last().map(|cut| cut.to);
        let at_first = || match self.cluster {
            Some(cluster) if !self.plan.workloads.is_empty() => cluster,
            _ => self.plan.serves_at_first(),
        };
        cut_over.unwrap_or_else(at_first)
    }

    /// Other servers that workloads' clients talk to at the end.
    pub fn also_serving(&self) -> BTreeSet<&'a str> {
        let servers = self.workloads().map(|(_, name)| self.server_of(name));
        servers.filter(|server| *server != self.serving()).collect()
    }

    pub fn restored_before_fault(&self, server: &str) -> bool {
        let before = |target: &Target| matches!(target, Target::Before { .. });
        let mut restores = self.plan.restores();
        restores.any(|restore| restore.into == server && before(&restore.target))
    }

    /// The earliest instant that a recovery's salvages aimed at, where their scratch servers were
    /// recovered to an instant before the fault on purpose: nothing later can have come home.
    /// None: no salvage, or all aimed at the fault itself or at all WAL there is.
    pub fn salvage_aimed_us(&self, recovery: &Recovery<'_>) -> Option<u64> {
        let steps = recovery.steps(self).into_iter();
        let salvages = steps.filter_map(|step| match &self.plan.steps[step.index].action {
            Action::Salvage(salvage) => Some(salvage.from()),
            _other => None,
        });
        salvages.filter_map(|scratch| self.aimed_us(scratch)).min()
    }

    /// The instant that a scratch server was recovered to.
    fn aimed_us(&self, scratch: &str) -> Option<u64> {
        if let Some(restore) = self
            .restore_of(scratch)
            .filter(|_| self.is_logical(scratch))
        {
            return self.taken(&restore.backup).map(|backup| backup.began_us);
        }
        let mut steps = self.steps().into_iter().rev();
        let (began_us, target) = steps.find_map(|step| {
            let restore = self.plan.steps[step.index].action.restore();
            let restore = restore.filter(|restore| restore.into == scratch)?;
            Some((step.began_us?, &restore.target))
        })?;
        match target {
            Target::Latest => None,
            Target::Before { fault, by } => {
                let before = self.faults().filter(|fault| fault.began_us <= began_us);
                let newest = before.last().filter(|newest| newest.name == *fault);
                if by.is_none() && newest.is_some() {
                    return None;
                }
                let aimed = self.faults().find(|one| one.name == *fault);
                let by = by.map_or(0, Time::micros) / u64::from(self.plan.scale.max(1));
                Some(aimed?.began_us.saturating_sub(by + CLOCKS_US))
            }
            // Where they lie in the drill's time is not known.
            Target::Immediate
            | Target::Time(_)
            | Target::Lsn(_)
            | Target::Xid(_)
            | Target::Name(_) => Some(0),
        }
    }

    /// Begin and end of each `run` step that ended before the first fault: business as usual.
    pub fn steady_runs(&self) -> Vec<(u64, u64)> {
        let until = self.first_fault_us().unwrap_or(u64::MAX);
        self.runs()
            .into_iter()
            .filter(|(_, ended)| *ended <= until)
            .collect()
    }

    /// Begin and end of each `run` step.
    pub fn runs(&self) -> Vec<(u64, u64)> {
        let is_run = |index: StepIndex| matches!(self.plan.steps[index].action, Action::Run(_));
        self.steps()
            .into_iter()
            .filter(|step| is_run(step.index))
            .filter_map(|step| Some((step.began_us?, step.ended_us?)))
            .collect()
    }

    pub fn end_us(&self) -> u64 {
        self.events.last().map_or(0, |event| event.at_us)
    }

    /// When a workload's clients ended; the history's end when they never did.
    pub fn workload_end_us(&self, name: &str) -> u64 {
        let mut ended = told!(self.events, event, EventKind::WorkloadEnded(summary)
            => (&summary.workload, event.at_us));
        let own = ended.rfind(|(workload, _)| *workload == name);
        own.map_or_else(|| self.end_us(), |(_, at_us)| at_us)
    }
}
