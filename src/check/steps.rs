//! `steps`: every step of the plan was performed. A step that failed is a finding of its
//! own, by its word: `backup`, `restore`, `salvage`, …

use super::{Context, any, count};
use crate::{
    event::StepOutcome, finding::Finding, measure::drill_history::StepTold, scenario::plan::Action,
};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let steps = context.history.steps();
    let done = steps
        .iter()
        .filter(|step| step.outcome == Some(&StepOutcome::Done))
        .count();
    if done == steps.len() && done > 0 {
        return vec![Finding::pass(
            "steps",
            any(done, "step", "that failed or was not reached"),
            format!("{} performed", count(done, "step")),
        )];
    }
    let failed: Vec<Finding> = steps
        .iter()
        .filter_map(|step| failure(context, step))
        .collect();
    let message = format!("{done} of {} performed", count(steps.len(), "step"));
    let missing = context.unknown("steps", message);
    failed.into_iter().chain([missing]).collect()
}

/// First line of the error as the message, the rest as particulars. An injection that
/// failed, or what undoes one, says nothing against the backup: `unknown`.
fn failure(context: &Context<'_>, step: &StepTold<'_>) -> Option<Finding> {
    let Some(StepOutcome::Failed(why)) = step.outcome else {
        return None;
    };
    let plan = &context.history.plan.steps[step.index];
    let mut lines = why.lines();
    let first = lines.next().unwrap_or("it failed without a message");
    let message = format!("step {} ({}): {first}", step.index + 1, plan.title);
    let id = plan.action.word();
    let finding = match &plan.action {
        Action::Inject(_) | Action::Heal(_) => Finding::unknown(id, message),
        _other => Finding::fail(id, message),
    };
    Some(finding.details(lines.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn what_follows_from_a_failed_step_says_so() {
        let judgement = salvage().failing_at(4, "pg_ctl failed\nlast line").judge();
        let restore = finding(&judgement, "restore");
        assert_eq!(restore.verdict, Verdict::Fail);
        assert!(
            restore.message.ends_with("pg_ctl failed"),
            "{}",
            restore.message
        );
        assert_eq!(restore.details, ["last line"]);
        for id in ["rows", "rto.oa", "rpo.oa", "ledger.oa", "steps"] {
            let open = finding(&judgement, id);
            assert_eq!(
                (open.verdict, open.follows_from.as_str()),
                (Verdict::Unknown, "restore"),
                "{id}"
            );
        }
    }
}
