//! RTO as measured, and the spans it is made of.
//!
//! `measures.md`, "RTO measured". Which checks are gates and whether they passed is
//! judged in `check/gate`; comparing with the objective belongs to `check/objectives`.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, EventKind},
    measure::{
        drill_history::{DrillHistory, StepTold},
        rank,
        recovery::Recovery,
    },
    scenario::plan::{Action, HumanSpans, Phase, StepIndex},
    units::Time,
};

/// How long until business again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rto {
    /// From the beginning of the injection to the first acknowledged write after recovery;
    /// none when not measured (see `unknown`).
    pub measured_us: Option<u64>,
    /// Why it is not measured; empty when it is.
    pub unknown: String,
    /// The finding it could not be measured for; empty: none.
    pub follows_from: String,
    /// Its spans in order; they add up to `measured_us`.
    pub spans: Vec<Span>,
    /// Declared constant: until somebody noticed. Not part of `measured_us`.
    pub detect_us: u64,
    /// Declared constant: until somebody decided. Not part of `measured_us`.
    pub decide_us: u64,
    pub began_us: u64,
    /// When the service was ready: the last gate passed, the last recovery step done.
    pub ready_us: Option<u64>,
    /// When the first write after that was acknowledged.
    pub ended_us: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub phase: Phase,
    pub from_us: u64,
    pub us: u64,
}

impl Rto {
    /// The figure with what people take: declared constants, or as measured.
    pub fn with_people_us(&self) -> Option<u64> {
        self.measured_us.map(|us| us + self.declared_us())
    }

    /// The figure without what people take, measured or not.
    pub fn without_people_us(&self) -> Option<u64> {
        self.measured_us.map(|us| us - self.timed_us())
    }

    fn declared_us(&self) -> u64 {
        self.detect_us + self.decide_us
    }

    /// What people took as measured: spans of `measured_us`.
    fn timed_us(&self) -> u64 {
        let people = |span: &&Span| matches!(span.phase, Phase::Detect | Phase::Decide);
        self.spans.iter().filter(people).map(|span| span.us).sum()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gates {
    /// The last one passed at this time, and none failed later.
    Passed(u64),
    /// Why none stands open; with the id of the finding that closed it (empty: none).
    Closed(String, String),
}

/// When a workload's service was ready in a recovery: the last gate has passed, and the last
/// step that brings it back has done so: ended, or for thaw and cut-over let clients write again.
pub fn ready_us(
    history: &DrillHistory<'_>,
    recovery: &Recovery<'_>,
    workload: &str,
    gates: &Gates,
) -> Option<u64> {
    let Gates::Passed(gate) = gates else {
        return None;
    };
    let recovery = recovery
        .steps(history)
        .into_iter()
        .filter(|step| brings_back(history, recovery, workload, step.index))
        .filter_map(|step| opened_us(history, &step, workload));
    Some(recovery.max().unwrap_or(0).max(*gate))
}

/// Whether a step, in a recovery, brings a workload's service back or a part of it.
fn brings_back(
    history: &DrillHistory<'_>,
    recovery: &Recovery<'_>,
    workload: &str,
    step: StepIndex,
) -> bool {
    let step = &history.plan.steps[step];
    let repairs = || step.repairs(history.server_before(workload, recovery.until_us));
    match &step.action {
        Action::Thaw(back) | Action::StartWorkload(back) => back == workload,
        Action::CutOver(cut_over) => cut_over.workloads().iter().any(|name| name == workload),
        Action::Start(_) => repairs(),
        _in_a_database => {
            let own = history.plan.workloads.get(workload);
            own.is_some_and(|own| own.database == step.database) && repairs()
        }
    }
}

/// When a step let clients write again: a thaw or cut-over may go on to wait for them.
fn opened_us(history: &DrillHistory<'_>, step: &StepTold<'_>, workload: &str) -> Option<u64> {
    let (began, ended) = (step.began_us?, step.ended_us?);
    let within = |event: &&Event| (began..=ended).contains(&event.at_us);
    let opened = history.events.iter().filter(within).find(|event| {
        if let EventKind::Thawed { workload: thawed } = &event.kind {
            return thawed == workload;
        }
        let EventKind::CutOver { workloads, .. } = &event.kind else {
            return false;
        };
        workloads.iter().any(|moved| moved == workload)
    });
    Some(opened.map_or(ended, |event| event.at_us))
}

/// Measures one recovery of a workload; `first_write_us` as the account found it after
/// `ready_us`.
pub fn measure(
    history: &DrillHistory<'_>,
    recovery: &Recovery<'_>,
    gates: &Gates,
    ready_us: Option<u64>,
    first_write_us: Option<u64>,
) -> Rto {
    let HumanSpans { detect, decide } = history.plan.human;
    let began_us = recovery.began_us();
    let rto = Rto {
        detect_us: detect.micros(),
        decide_us: decide.micros(),
        began_us,
        ready_us,
        ..Rto::default()
    };
    if !recovery.is_of(history) {
        return rto.not("no fault hit a server of its cluster", "");
    }
    if let Gates::Closed(why, finding) = gates {
        return rto.not(why, finding);
    }
    let Some(ended) = first_write_us else {
        return rto.not(
            "no write was acknowledged after the last gate had passed",
            "",
        );
    };
    Rto {
        measured_us: Some(ended.saturating_sub(began_us)),
        spans: spans(history, began_us, ended, Phase::Inject),
        ended_us: Some(ended),
        ..rto
    }
}

impl Rto {
    pub fn of_no_fault(people: &HumanSpans) -> Self {
        let rto = Self {
            detect_us: people.detect.micros(),
            decide_us: people.decide.micros(),
            ..Self::default()
        };
        rto.not("no fault was injected", "fault")
    }

    fn rank(&self, objective: Option<Time>) -> (u8, u64) {
        rank(self.with_people_us(), objective.map(Time::micros))
    }

    pub fn worse(self, other: Self, objective: Option<Time>) -> Self {
        if other.rank(objective) > self.rank(objective) {
            return other;
        }
        self
    }

    fn not(self, why: &str, follows_from: &str) -> Self {
        Self {
            unknown: why.into(),
            follows_from: follows_from.into(),
            ..self
        }
    }
}

/// The phases between two instants, cut at both: every instant belongs to exactly one, so
/// they add up. Neighbours of the same phase are one span. `first` is the phase until the
/// history's first mark.
pub fn spans(history: &DrillHistory<'_>, from_us: u64, to_us: u64, first: Phase) -> Vec<Span> {
    let mut marks: Vec<(u64, Phase)> = vec![(0, first)];
    for event in history.events {
        if let EventKind::PhaseBegan { phase } = event.kind {
            marks.push((event.at_us.max(from_us), phase));
        }
    }
    let ends = marks.iter().skip(1).map(|(at, _)| *at).chain([to_us]);
    let mut spans: Vec<Span> = Vec::new();
    for ((began, phase), ended) in marks.iter().zip(ends) {
        let from = (*began).max(from_us);
        let until = ended.clamp(from_us, to_us);
        if until <= from {
            continue;
        }
        push(&mut spans, *phase, from, until - from);
    }
    spans
}

fn push(spans: &mut Vec<Span>, phase: Phase, from_us: u64, us: u64) {
    if let Some(last) = spans.last_mut().filter(|last| last.phase == phase) {
        last.us += us;
        return;
    }
    spans.push(Span { phase, from_us, us });
}

pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Steady => "steady state",
        Phase::Inject => "inject",
        Phase::Detect => "detect",
        Phase::Decide => "decide",
        Phase::Freeze => "freeze",
        Phase::Provision => "provision",
        Phase::Fetch => "fetch",
        Phase::Combine => "combine",
        Phase::ReplayToConsistency => "replay to consistency",
        Phase::ReplayToTarget => "replay to target",
        Phase::Promote => "promote",
        Phase::Salvage => "salvage",
        Phase::Reindex => "reindex",
        Phase::Start => "start",
        Phase::Verify => "verify",
        Phase::CutOver => "cut over",
        Phase::Run => "run",
        Phase::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::testing::{SECOND, salvage},
        event::StepOutcome,
        scenario::plan::{Salvage, SalvageBy, Step},
    };
    use proptest::prelude::*;

    const PHASES: [Phase; 4] = [Phase::Fetch, Phase::Promote, Phase::Verify, Phase::Run];

    /// Another server, or another database of this one, is repaired later.
    #[test]
    fn what_brings_another_service_back_is_no_part_of_it() {
        let other = || "other".to_owned();
        let elsewhere = Salvage {
            tables: vec!["app.users".into()],
            schemas: vec![],
            into: Some(other()),
            from: Some("scratch".into()),
            by: SalvageBy::Rows,
        };
        let measured = |action: Action, database: &str| {
            let mut fixture = salvage();
            let step = fixture.plan.steps.len();
            fixture.plan.steps.push(Step {
                action,
                database: database.into(),
                ..fixture.plan.steps[4].clone()
            });
            let title = String::new();
            fixture.tell(23 * SECOND, EventKind::StepBegan { step, title });
            let outcome = StepOutcome::Done;
            fixture.tell(25 * SECOND, EventKind::StepEnded { step, outcome });
            fixture.in_order().judge().measures[1].rto.measured_us
        };
        let alone = salvage().judge().measures[1].rto.measured_us;
        assert_eq!(measured(Action::Start(other()), "postgres"), alone);
        assert_eq!(measured(Action::Salvage(elsewhere), "postgres"), alone);
        let index = || Action::Reindex("app.users_pkey".into());
        assert_eq!(measured(index(), "shop"), alone);
        assert!(measured(index(), "postgres") > alone);
    }

    proptest! {
        #[test]
        fn spans_add_up_whatever_the_marks(marks in prop::collection::vec((0u64..1_000, 0usize..4), 0..20), ends: [u64; 2]) {
            let mut marks = marks;
            marks.sort_unstable();
            let event = |(seq, (at_us, phase)): (usize, &(u64, usize))| Event {
                seq: seq as u64,
                at_us: *at_us,
                kind: EventKind::PhaseBegan { phase: PHASES[*phase] },
            };
            let events: Vec<Event> = marks.iter().enumerate().map(event).collect();
            let fixture = salvage();
            let history = DrillHistory::new(&fixture.plan, &events);
            let (from, to) = (ends[0].min(ends[1]) % 1_200, ends[0].max(ends[1]) % 1_200);
            prop_assume!(from <= to);
            let spans = spans(&history, from, to, Phase::Inject);
            prop_assert_eq!(spans.iter().map(|span| span.us).sum::<u64>(), to - from);
            prop_assert!(spans.windows(2).all(|pair| pair[0].from_us + pair[0].us == pair[1].from_us));
            prop_assert!(spans.windows(2).all(|pair| pair[0].phase != pair[1].phase));
        }
    }
}
