//! The recoveries of a drill: which faults each answers, and which steps belong to it.
//!
//! A fault begins a recovery of its own once the one before is over: a server that may serve was
//! looked at through a gate (`verify`), or clients were moved (`cut-over`). Faults that come sooner are recovered from
//! together. Where each ends for one workload's rows belongs to [`super::boundary`].

use crate::{
    event::{BoundaryKind, Event, EventKind, FaultRecord, StepOutcome},
    measure::drill_history::{DrillHistory, StepTold},
    scenario::plan::{Action, Step},
};

/// Faults that are recovered from together, and how far their recovery reaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery<'a> {
    /// Its faults in order, at least one.
    pub faults: Vec<&'a FaultRecord>,
    /// When the next recovery's first fault began; none: this is the last one.
    pub until_us: Option<u64>,
}

impl<'a> Recovery<'a> {
    /// When recovery time begins to count: with the first fault that takes something from
    /// clients. An archive that stops takes nothing by itself.
    pub fn began_us(&self) -> u64 {
        let takes = |fault: &&&FaultRecord| fault.fault.facts().is_outage;
        let first = self.faults.iter().find(takes).or(self.faults.first());
        first.map_or(0, |fault| fault.began_us)
    }

    /// The fault that RPO counts from: the last one that draws a boundary, or the last one
    /// where none does.
    pub fn fault(&self) -> Option<&'a FaultRecord> {
        let draws = |fault: &&&FaultRecord| fault.boundary != BoundaryKind::None;
        let drawing = self.faults.iter().rev().find(draws);
        drawing.or(self.faults.last()).copied()
    }

    /// Whether it was going on, or over and none after it had begun.
    pub fn holds(&self, at_us: u64) -> bool {
        let began = self.faults.first().map_or(0, |fault| fault.began_us);
        at_us >= began && self.until_us.is_none_or(|until| at_us < until)
    }

    /// The steps begun while it was going on.
    pub fn steps<'s>(&self, history: &DrillHistory<'s>) -> Vec<StepTold<'s>> {
        let mut steps = history.steps();
        steps.retain(|step| step.began_us.is_some_and(|at| self.holds(at)));
        steps
    }

    /// Whether a fault of it hit a server that the history is of.
    pub fn is_of(&self, history: &DrillHistory<'_>) -> bool {
        self.faults
            .iter()
            .any(|fault| history.has_server(&fault.server))
    }

    /// What it recovers from, e.g. `lose-server of second`.
    pub fn after(&self) -> String {
        let told = |fault: &&FaultRecord| match fault.target.as_str() {
            target if target == fault.server => format!("{} of {target}", fault.fault),
            target => format!("{} of {target} on {}", fault.fault, fault.server),
        };
        let all: Vec<String> = self.faults.iter().map(told).collect();
        all.join(" and ")
    }
}

/// The recoveries of a drill, in order; none where no fault was injected. Faults of another
/// cluster are no matter of one that has its own; where it has none they are one recovery,
/// by which nothing may be lost.
pub fn recoveries<'a>(history: &DrillHistory<'a>) -> Vec<Recovery<'a>> {
    let is_own = |fault: &FaultRecord| history.has_server(&fault.server);
    let has_own = history.faults().any(is_own);
    let mut all: Vec<Recovery<'a>> = Vec::new();
    let mut over = true;
    for event in history.events {
        let EventKind::FaultInjected(fault) = &event.kind else {
            over |= has_own && ends_one(history, event);
            continue;
        };
        if has_own && !is_own(fault) {
            continue;
        }
        if over {
            begin(&mut all, fault.began_us);
        }
        over = false;
        all.last_mut().expect("one has begun").faults.push(fault);
    }
    all
}

fn begin(all: &mut Vec<Recovery<'_>>, at_us: u64) {
    if let Some(before) = all.last_mut() {
        before.until_us = Some(at_us);
    }
    all.push(Recovery {
        faults: Vec::new(),
        until_us: None,
    });
}

/// Whether a recovery is over by this: the next fault begins another.
fn ends_one(history: &DrillHistory<'_>, event: &Event) -> bool {
    match &event.kind {
        EventKind::CutOver { .. } => true,
        EventKind::StepEnded { step, outcome } => {
            let verify = |step: &Step| match &step.action {
                Action::Verify(server) => history.has_server(server) && !history.is_scratch(server),
                _other => false,
            };
            *outcome == StepOutcome::Done && history.plan.steps.get(*step).is_some_and(verify)
        }
        _other => false,
    }
}

#[cfg(test)]
#[path = "recovery/tests.rs"]
mod tests;
