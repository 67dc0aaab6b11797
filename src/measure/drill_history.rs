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
    scenario::plan::{Action, Nature, PRIMARY, Plan, Restore, StepIndex, Target},
    units::Time,
    wal::{FIRST_TIMELINE, SegmentSize},
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

impl StepTold<'_> {
    /// Whether it was going on.
    pub fn holds(&self, at_us: u64) -> bool {
        let began = self.began_us.is_some_and(|began| began <= at_us);
        began && self.ended_us.is_none_or(|ended| at_us <= ended)
    }
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

    /// When the step ended during which, or before which, something was told.
    pub fn step_end_us(&self, at_us: u64) -> u64 {
        let mut ends = told!(self.events, event, EventKind::StepEnded { .. } => event.at_us);
        ends.find(|end_us| *end_us >= at_us).unwrap_or(u64::MAX)
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

    /// The restores that led to a server as it was at an instant, the newest first, each with the
    /// time it was told; empty when it was there from the beginning.
    fn lineage(&self, server: &str, until_us: u64) -> Vec<(u64, &'a RestoreRecord)> {
        let restores: Vec<_> = self.restores().collect();
        let (mut server, mut until_us) = (server, until_us);
        let mut all = Vec::new();
        for (at_us, restore) in restores.into_iter().rev() {
            if restore.server != server || at_us > until_us {
                continue;
            }
            all.push((at_us, restore));
            if let Some(backup) = self.taken(&restore.backup) {
                (server, until_us) = (&backup.server, backup.began_us);
            }
        }
        all
    }

    /// When the restore was told that had made a server by an instant; none when it was there from
    /// the beginning.
    pub fn restored_us(&self, server: &str, until_us: u64) -> Option<u64> {
        self.lineage(server, until_us)
            .first()
            .map(|(at_us, _)| *at_us)
    }

    /// The restore that had made a server by an instant; none when it was there from the beginning.
    pub fn restore_of(&self, server: &str, until_us: u64) -> Option<&'a RestoreRecord> {
        let lineage = self.lineage(server, until_us);
        lineage.first().map(|(_, restore)| *restore)
    }

    /// The last recovery of a server by WAL, up to an instant.
    pub fn recovery_of(&self, server: &str, until_us: u64) -> Option<&'a RecoveryRecord> {
        let mut all = told!(self.events, event, EventKind::Recovered(recovery)
            => (event.at_us, recovery));
        let own = all.rfind(|(at_us, one)| *at_us <= until_us && one.server == server);
        own.map(|(_, recovery)| recovery)
    }

    /// The timeline on which the backup was taken that a server was restored from by an instant.
    pub fn began_on(&self, server: &str, until_us: u64) -> Option<u32> {
        let restore = self.restore_of(server, until_us)?;
        self.taken(&restore.backup)?.listed.timeline
    }

    /// The timeline that a server's branched off, which recovery had followed; none when not known.
    pub fn branched_off(&self, timeline: u32) -> Option<u32> {
        let serves = |one: &RestoreRecord| !one.scratch && one.timeline == timeline;
        let (at_us, made) = self.restores().find(|(_, one)| serves(one))?;
        let left = &self.recovery_of(&made.server, at_us)?.left;
        left.last().map(|(parent, _)| *parent)
    }

    /// Whether recovery led to a server past another one's timeline, as that was at an instant: what
    /// was written on it belongs to another branch, of which WAL positions say nothing here.
    pub fn left_aside(&self, (from, at_us): (&str, u64), recovery: &RecoveryRecord) -> bool {
        let restore = self.restore_of(from, at_us);
        let timeline = restore.map_or(FIRST_TIMELINE, |restore| restore.timeline);
        let mut followed = recovery.left.iter();
        !recovery.left.is_empty() && !followed.any(|(on, _)| *on == timeline)
    }

    /// Whether a server, or one that it was restored from, was made anew from a logical backup:
    /// another cluster than there was.
    pub fn is_logical(&self, server: &str, until_us: u64) -> bool {
        let mut lineage = self.lineage(server, until_us).into_iter();
        lineage.any(|(_, restore)| restore.nature == Nature::Logical)
    }

    /// When rows came home as they were in a dump, into a server that goes on.
    pub fn salvaged_from_dumps(&self) -> impl Iterator<Item = u64> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Salvaged { from, .. } => {
                self.is_logical(from, u64::MAX).then_some(event.at_us)
            }
            _other => None,
        })
    }

    /// How what a workload had written by an instant came to the server that serves it at the end:
    /// from one server to another, and in dumps, of which each database has its own. What survives
    /// of one workload tells of another that came the same way: both have the place of the first.
    pub fn way_of(&self, workload: &str, at_us: u64) -> usize {
        let way = |name: &str| {
            let to = self.server_of(name);
            let dumped = |(told_us, restore): &(u64, &RestoreRecord)| {
                *told_us > at_us && restore.nature == Nature::Logical
            };
            let lineage = self.lineage(to, u64::MAX);
            let database = self.plan.workloads.get(name).map(|one| &one.database);
            let mut salvages = self.salvaged_from_dumps();
            let salvaged = salvages.any(|told_us| told_us > at_us);
            let database = database.filter(|_| salvaged || lineage.iter().any(dumped));
            (self.server_before(name, Some(at_us)), to, database)
        };
        let own = way(workload);
        let mut names = self.plan.workloads.keys();
        names.position(|name| way(name) == own).unwrap_or_default()
    }

    /// Whether a server was restored for looking only, and never to serve.
    pub fn is_scratch(&self, server: &str) -> bool {
        let mut restores = self.restores();
        restores.any(|(_, restore)| restore.server == server && restore.scratch)
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
        // One after the other.
        steps.any(|step| step.repairs(server))
            && steps.any(|step| matches!(&step.action, Action::Verify(at) if at == server))
            && steps.any(|step| matches!(step.action, Action::Run(_)))
    }

    /// The server that a server's data come from in the end: itself when it was there from the
    /// beginning, otherwise the one of whose backup it was restored, and so on.
    pub fn origin(&self, server: &'a str) -> &'a str {
        let mut lineage = self.lineage(server, u64::MAX).into_iter().rev();
        let first = lineage.find_map(|(_, restore)| self.taken(&restore.backup));
        first.map_or(server, |backup| &backup.server)
    }

    fn taken(&self, label: &str) -> Option<&'a BackupRecord> {
        let mut backups = told!(self.events, EventKind::BackupTaken(backup) => backup);
        backups.rfind(|backup| backup.listed.label == label)
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
        let at_first = || self.plan.cluster_of_workload(workload);
        moves.last().map_or_else(at_first, |cut| cut.to)
    }

    /// The server that serves at the end.
    pub fn serving(&self) -> &'a str {
        let cut_over = self.cut_overs().last().map(|cut| cut.to);
        cut_over.unwrap_or_else(|| self.plan.serves_at_first(self.first_server()))
    }

    /// Other servers that workloads' clients talk to at the end.
    pub fn also_serving(&self) -> BTreeSet<&'a str> {
        let servers = self.workloads().map(|(_, name)| self.server_of(name));
        servers.filter(|server| *server != self.serving()).collect()
    }

    /// Whether a fault had taken a server down, and nothing had brought it back by an instant.
    pub fn is_down(&self, server: &str, at_us: u64) -> bool {
        let hit = |fault: &&FaultRecord| fault.server == server && fault.began_us <= at_us;
        let Some(fault) = self.faults().filter(hit).last() else {
            return false;
        };
        let after = fault.fault.facts().server_after;
        let brings_back = |step: &StepTold<'_>| match &self.plan.steps[step.index].action {
            Action::Start(at) => at == server,
            Action::Restore(restore) => restore.into == server,
            _other => false,
        };
        let since = |step: &StepTold<'_>| step.began_us.is_some_and(|at| at > fault.began_us);
        let ended = |step: &StepTold<'_>| step.ended_us.is_some_and(|at| at <= at_us);
        let mut steps = self.steps().into_iter();
        matches!(after, ServerAfter::Down | ServerAfter::Lost)
            && !steps.any(|step| since(&step) && ended(&step) && brings_back(&step))
    }

    /// The last restore into a server that had begun by an instant, with when it did.
    pub fn restoring(&self, server: &str, until_us: u64) -> Option<(u64, &'a Restore)> {
        let mut steps = self.steps().into_iter().rev();
        steps.find_map(|step| {
            let restore = self.plan.steps[step.index].action.restore();
            let began_us = step.began_us.filter(|began| *began <= until_us);
            began_us.zip(restore.filter(|restore| restore.into == server))
        })
    }

    /// The earliest instant that a recovery's salvages aimed at, where their scratch servers were
    /// recovered to an instant before the fault on purpose: nothing later can have come home.
    /// None: no salvage, or all aimed at the fault itself or at all WAL there is.
    pub fn salvage_aimed_us(&self, recovery: &Recovery<'_>) -> Option<u64> {
        let steps = recovery.steps(self).into_iter();
        let aimed = steps.filter_map(|step| match &self.plan.steps[step.index].action {
            Action::Salvage(salvage) if self.has_server(salvage.into()) => {
                self.aimed_us(salvage.from(), step.began_us?)
            }
            _other => None,
        });
        aimed.min()
    }

    /// The instant to which the scratch server of a salvage was recovered.
    fn aimed_us(&self, scratch: &str, salvaged_us: u64) -> Option<u64> {
        let made = self.restore_of(scratch, salvaged_us);
        if let Some(restore) = made.filter(|restore| restore.nature == Nature::Logical) {
            return self.taken(&restore.backup).map(|backup| backup.began_us);
        }
        let (began_us, restore) = self.restoring(scratch, salvaged_us)?;
        match &restore.target {
            Target::Latest => None,
            Target::Before { fault, by, .. } => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::testing::salvage, scenario::plan::WorkloadPlan};

    /// Two workloads in databases of their own, on the server into which rows came home.
    fn ways(nature: Nature) -> (usize, usize) {
        let mut fixture = salvage();
        let oa = &fixture.plan.workloads["oa"];
        let database = "shop".into();
        let web = WorkloadPlan {
            database,
            ..oa.clone()
        };
        fixture.plan.workloads.insert("web".into(), web);
        for event in &mut fixture.events {
            if let EventKind::Restored(restore) = &mut event.kind {
                restore.nature = nature;
            }
        }
        let history = fixture.history();
        (history.way_of("oa", 0), history.way_of("web", 0))
    }

    /// Of a database that came home from a dump, what survives in another one tells nothing.
    #[test]
    fn rows_from_a_dump_came_another_way_than_those_of_another_database() {
        let (oa, web) = ways(Nature::Logical);
        assert_ne!(oa, web);
        let (oa, web) = ways(Nature::Physical);
        assert_eq!(oa, web);
    }
}
