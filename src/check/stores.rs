//! What faults did to stores: a backup or a segment that is not there any more need not be.

use std::ops::Range;

use super::Context;
use crate::{
    event::{Event, EventKind, FaultRecord, StepOutcome},
    scenario::plan::Action,
};

/// Whether a store lost everything, or was cut off and not healed, between two events.
pub(super) fn out_of_reach(context: &Context<'_>, store: &str, between: Range<u64>) -> bool {
    faults(context, store).any(|(event, fault)| {
        let facts = fault.fault.facts();
        let cut_off = facts.closes_store && !healed(context, fault, event.seq..between.end);
        between.contains(&event.seq) && (facts.loses_store || cut_off)
    })
}

/// When a store lost everything; none: never.
pub(super) fn lost_us(context: &Context<'_>, store: &str) -> Option<u64> {
    let lost = faults(context, store).filter(|(_, fault)| fault.fault.facts().loses_store);
    lost.map(|(_, fault)| fault.ended_us).max()
}

/// Whether a store is cut off at the end.
pub(super) fn is_closed(context: &Context<'_>, store: &str) -> bool {
    faults(context, store).any(|(event, fault)| {
        fault.fault.facts().closes_store && !healed(context, fault, event.seq..u64::MAX)
    })
}

fn faults<'a>(
    context: &Context<'a>,
    store: &str,
) -> impl Iterator<Item = (&'a Event, &'a FaultRecord)> {
    let events = context.history.events.iter();
    events.filter_map(move |event| match &event.kind {
        EventKind::FaultInjected(fault) if fault.fault.facts().store() == Some(store) => {
            let own = context.history.has_server(&fault.server);
            own.then_some((event, fault))
        }
        _other => None,
    })
}

fn healed(context: &Context<'_>, fault: &FaultRecord, between: Range<u64>) -> bool {
    let steps = &context.history.plan.steps;
    let events = context.history.events.iter();
    let mut done = events.filter_map(|event| match &event.kind {
        EventKind::StepEnded {
            step,
            outcome: StepOutcome::Done,
        } if between.contains(&event.seq) => steps.get(*step),
        _other => None,
    });
    done.any(|step| matches!(&step.action, Action::Heal(name) if *name == fault.name))
}
