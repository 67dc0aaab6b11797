//! Gates: what must hold at a `verify` step before clients may come back.
//!
//! Rows, digests, permissions, catalog, sequences, business, timeline, amcheck and
//! checksums are gates. Performance, server log, archive and ledger are judged at the
//! end only.

use super::{Context, Said, is_of, judge_view};
use crate::{
    event::{Moment, StepOutcome},
    measure::{
        rto::Gates,
        story::StepTold,
        view::{self, View},
    },
    scenario::plan::Action,
};

/// What the `verify` steps after the fault came to.
pub fn gates(context: &Context<'_>) -> Gates {
    let began = context.story.fault().map_or(0, |fault| fault.began_us);
    let verify = |step: &StepTold<'_>| {
        matches!(
            context.story.plan.steps[step.index].action,
            Action::Verify { .. }
        ) && step.began_us.is_some_and(|at| at >= began)
    };
    let steps = context.story.steps();
    let Some(last) = steps.iter().rfind(|step| verify(step)) else {
        let failed = context.failed_step().unwrap_or_default();
        return Gates::Closed(
            "no `verify` step was reached after the fault".into(),
            failed.into(),
        );
    };
    match (last.outcome, last.ended_us) {
        (Some(StepOutcome::Done), Some(at)) => opened(context, last, at),
        (Some(StepOutcome::Failed(_)), _) => Gates::Closed(
            "the last `verify` step failed".into(),
            context.story.plan.steps[last.index].action.word().into(),
        ),
        (Some(StepOutcome::Done | StepOutcome::Skipped) | None, _) => {
            Gates::Closed("the last `verify` step did not end".into(), String::new())
        }
    }
}

fn opened(context: &Context<'_>, step: &StepTold<'_>, at_us: u64) -> Gates {
    let closed = |why: String, finding: &str| Gates::Closed(why, finding.into());
    let Some(before) = view::steady(&context.views) else {
        return closed("the steady state was not observed".into(), "steady-state");
    };
    let at_gate = |view: &&View<'_>| view.moment == Moment::Gate && view.step == Some(step.index);
    let views: Vec<&View<'_>> = context.views.iter().filter(at_gate).collect();
    if views.iter().all(|view| view.is_empty()) {
        return closed("the last `verify` step observed nothing".into(), "");
    }
    let closing = views.iter().find_map(|view| closes(context, before, view));
    match closing {
        Some((kind, why)) => closed(format!("the gate `{kind}` did not pass: {why}"), kind),
        None => Gates::Passed(at_us),
    }
}

/// The first gate check that does not pass on a view. A check whose probe was not asked
/// to look at a gate is not judged there; one whose probe failed does not pass.
fn closes(
    context: &Context<'_>,
    before: &View<'_>,
    view: &View<'_>,
) -> Option<(&'static str, String)> {
    let selected = context.story.plan.checks.iter().copied();
    selected.filter(|kind| kind.is_gate()).find_map(|kind| {
        let failed = view.failures.iter().find(|(probe, _)| is_of(kind, probe));
        if let Some((probe, error)) = failed {
            return Some((kind.name(), format!("probe {probe} failed: {error}")));
        }
        match judge_view(kind, context, before, view) {
            Said::Fail(why, _) => Some((kind.name(), why)),
            Said::Pass(_) | Said::Unknown(_) | Said::NotApplicable(_) => None,
        }
    })
}
