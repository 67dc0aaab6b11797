//! The history of one drill, indexed by what is asked of it.
//!
//! Answers "when was the cut-over", "which server serves", "what did step 3 come to".
//! Where a server's data come from is in [`lineage`], what probes saw in [`super::view`]; judging
//! any of it does not belong here.

mod lineage;

use std::{collections::BTreeSet, ops::Range};

use crate::{
    event::{Event, EventKind, FaultRecord, ImageRecord, RestoreRecord, StepOutcome},
    fault::ServerAfter,
    scenario::plan::{Action, PRIMARY, Plan, StepIndex},
    wal::SegmentSize,
};

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
