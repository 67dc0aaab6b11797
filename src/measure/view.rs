//! What all probes saw of one server at one moment.
//!
//! Groups `Observed` and `ProbeFailed` events; comparing two views belongs to `check/`.

use std::collections::BTreeMap;

use crate::{
    event::{Event, EventKind, Moment, Revoked},
    measure::drill_history::DrillHistory,
    observation::{
        AccessState, ArchiveState, AuditState, BusinessResult, Collations, LargeObjectsState,
        Observation, Probe, QueryTiming, SequenceState, ServerState, SettingsState, Structure,
        TableState,
    },
    scenario::plan::{PRIMARY, StepIndex},
};

/// One server at one moment. The last observation of a kind counts.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub moment: Moment,
    pub server: &'a str,
    pub step: Option<StepIndex>,
    /// When it was first looked at.
    pub at_us: u64,
    /// Workloads whose writes were revoked then.
    pub frozen: BTreeMap<&'a str, Frozen<'a>>,
    /// Probes that could not look: probe and error.
    pub failures: Vec<(Probe, &'a str)>,
    seen: Vec<&'a Observation>,
}

#[derive(Clone, Copy, Debug)]
pub struct Frozen<'a> {
    pub role: &'a str,
    /// What the role lost.
    pub revoked: &'a Revoked,
}

impl<'a> View<'a> {
    fn find<T>(&self, pick: impl Fn(&'a Observation) -> Option<T>) -> Option<T> {
        self.seen.iter().rev().find_map(|seen| pick(seen))
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// What was seen last of each kind.
macro_rules! accessors {
    ($($name:ident: $variant:ident($type:ty),)*) => {
        impl<'a> View<'a> {
            $(pub fn $name(&self) -> Option<&'a $type> {
                self.find(|seen| match seen {
                    Observation::$variant(value) => Some(value),
                    _other => None,
                })
            })*
        }
    };
}

accessors! {
    tables: Tables(BTreeMap<String, TableState>),
    privileges: Privileges(Vec<String>),
    definitions: Definitions(BTreeMap<String, String>),
    catalog: Catalog(BTreeMap<String, String>),
    audit: Audit(AuditState),
    large_objects: LargeObjects(BTreeMap<String, LargeObjectsState>),
    sequences: Sequences(Vec<SequenceState>),
    business: Business(Vec<BusinessResult>),
    settings: Settings(SettingsState),
    access: Access(AccessState),
    archive: Archive(ArchiveState),
    server_state: Server(ServerState),
    collations: Collations(Collations),
    structure: Amcheck(Structure),
    performance: Performance(Vec<QueryTiming>),
}

impl<'a> View<'a> {
    /// The file that holds the rows found, and how many they were.
    pub fn readback(&self) -> Option<(&'a str, u64)> {
        self.find(|seen| {
            let Observation::Readback { file, rows } = seen else {
                return None;
            };
            Some((file.as_str(), *rows))
        })
    }
}

/// Every view of a drill, in the order in which they were first looked at.
pub fn views<'a>(history: &DrillHistory<'a>) -> Vec<View<'a>> {
    let mut views: Vec<View<'a>> = Vec::new();
    let mut step = None;
    let mut frozen = BTreeMap::new();
    for event in history.events {
        match &event.kind {
            EventKind::StepBegan { step: index, .. } => step = Some(*index),
            EventKind::StepEnded { .. } => step = None,
            EventKind::Frozen {
                workload,
                role,
                revoked,
            } => drop(frozen.insert(workload.as_str(), Frozen { role, revoked })),
            EventKind::Thawed { workload } => drop(frozen.remove(workload.as_str())),
            _other => look(&mut views, event, step, &frozen),
        }
    }
    views
}

fn look<'a>(
    views: &mut Vec<View<'a>>,
    event: &'a Event,
    step: Option<StepIndex>,
    frozen: &BTreeMap<&'a str, Frozen<'a>>,
) {
    let (EventKind::Observed { moment, server, .. }
    | EventKind::ProbeFailed { moment, server, .. }) = &event.kind
    else {
        return;
    };
    let unseen = View {
        moment: *moment,
        server,
        step,
        at_us: event.at_us,
        frozen: frozen.clone(),
        failures: Vec::new(),
        seen: Vec::new(),
    };
    let view = at(views, unseen);
    match &event.kind {
        EventKind::Observed { observation, .. } => view.seen.push(observation),
        EventKind::ProbeFailed { probe, error, .. } => view.failures.push((*probe, error)),
        _other => {}
    }
}

fn at<'v, 'a>(views: &'v mut Vec<View<'a>>, unseen: View<'a>) -> &'v mut View<'a> {
    let same = |view: &View<'a>| {
        view.moment == unseen.moment
            && view.server == unseen.server
            && (view.moment != Moment::Gate || view.step == unseen.step)
    };
    if let Some(position) = views.iter().position(same) {
        return &mut views[position];
    }
    views.push(unseen);
    views.last_mut().expect("just pushed")
}

/// The steady state: the first server's, or the first one observed.
pub fn steady<'v, 'a>(views: &'v [View<'a>]) -> Option<&'v View<'a>> {
    let before = || views.iter().filter(|view| view.moment == Moment::Before);
    before()
        .find(|view| view.server == PRIMARY)
        .or_else(|| before().next())
}

/// The view of a server after the last step.
pub fn after<'v, 'a>(views: &'v [View<'a>], server: &str) -> Option<&'v View<'a>> {
    views
        .iter()
        .find(|view| view.moment == Moment::After && view.server == server)
}

/// The last gate's view of each server in each recovery, in order; `recovery` as of a step.
pub fn last_gates<'v, 'a>(
    views: &'v [View<'a>],
    recovery: impl Fn(&View<'a>) -> usize,
) -> Vec<(usize, &'v View<'a>)> {
    let gates = views.iter().filter(|view| view.moment == Moment::Gate);
    let gates: Vec<(usize, &View<'a>)> = gates.map(|view| (recovery(view), view)).collect();
    let alike = |one: &(usize, &View<'a>), other: &(usize, &View<'a>)| {
        one.0 == other.0 && one.1.server == other.1.server
    };
    let last = |at: usize| !gates[at + 1..].iter().any(|later| alike(later, &gates[at]));
    (0..gates.len())
        .filter(|at| last(*at))
        .map(|at| gates[at])
        .collect()
}
