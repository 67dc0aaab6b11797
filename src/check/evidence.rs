//! `evidence`: the records the judgement rests on are whole. `leak`: the drill removed
//! everything it made.

use super::{Context, count};
use crate::{
    event::EventKind,
    finding::Finding,
    measure::{account::Account, throughput},
    scenario::plan::CheckKind,
};

/// What is known of the files beside the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Why the ledger is no evidence; empty when it is whole.
    pub ledger: String,
    /// Why the readback is no evidence; empty when it is whole.
    pub readback: String,
}

/// Whether the records are whole.
pub(super) fn check(context: &Context<'_>, files: &Files, accounts: &[Account]) -> Finding {
    let mut troubles = history(context);
    let judged = context.story.plan.checks.contains(&CheckKind::Ledger);
    let readback = Some(&files.readback).filter(|_| judged);
    let files_troubles = [Some(&files.ledger), readback].into_iter().flatten();
    troubles.extend(
        files_troubles
            .filter(|trouble| !trouble.is_empty())
            .cloned(),
    );
    if files.ledger.is_empty() {
        troubles.extend(short_ledger(context, accounts));
    }
    let Some(first) = troubles.first() else {
        let events = context.story.events.len();
        return Finding::pass(
            "evidence",
            format!("history of {events} events and ledger are whole"),
        );
    };
    context.unknown("evidence", first.clone()).details(troubles)
}

fn history(context: &Context<'_>) -> Vec<String> {
    let events = context.story.events;
    let mut troubles = Vec::new();
    if let Some(at) = (0..events.len()).find(|at| events[*at].seq != *at as u64) {
        troubles.push(format!(
            "the history has a hole before event {}",
            events[at].seq
        ));
    }
    if !matches!(
        events.first().map(|event| &event.kind),
        Some(EventKind::DrillStarted { .. })
    ) {
        troubles.push("the history does not begin with the drill's beginning".into());
    }
    match ended(context) {
        None => troubles.push("the history does not end with the drill's end".into()),
        Some((false, reason)) if context.failed_step().is_none() => {
            troubles.push(format!("the drill was not completed: {reason}"));
        }
        Some(_) => {}
    }
    troubles
}

/// Whether the drill was completed, and why not; none when the history does not say.
pub(super) fn ended<'a>(context: &Context<'a>) -> Option<(bool, &'a str)> {
    let EventKind::DrillEnded {
        completed, reason, ..
    } = &context.story.events.last()?.kind
    else {
        return None;
    };
    Some((*completed, reason))
}

/// A ledger that holds fewer acknowledgements than the clients counted is not whole.
fn short_ledger(context: &Context<'_>, accounts: &[Account]) -> Vec<String> {
    let names = context.story.plan.workloads.keys();
    names
        .zip(accounts)
        .filter_map(|(name, account)| {
            let counted = throughput::summary(&context.story, name)?.ok;
            let held = account.tally.ok;
            (held < counted).then(|| {
                format!("the ledger holds {held} acknowledged transactions of `{name}`, its clients counted {counted}")
            })
        })
        .collect()
}

/// Whether everything was removed; none when the history does not say.
pub(super) fn leak(context: &Context<'_>) -> Option<Finding> {
    let EventKind::DrillEnded {
        leaked, unanswered, ..
    } = &context.story.events.last()?.kind
    else {
        return None;
    };
    if let Some(why) = unanswered.lines().next() {
        let message = format!("what is left can't be told: {why}");
        let hints = unanswered.lines().skip(1).map(str::to_owned);
        return Some(context.unknown("leak", message).details(hints));
    }
    let Some(first) = leaked.first() else {
        return Some(Finding::pass(
            "leak",
            "everything the drill made was removed",
        ));
    };
    let message = format!("{} not removed: {first}", count(leaked.len(), "object"));
    Some(Finding::fail("leak", message).details(leaked.clone()))
}

#[cfg(test)]
mod tests {
    use crate::{check::judge, check::testing::*, history::files, scenario::plan::CheckKind};

    #[test]
    fn broken_records_are_no_evidence() {
        let open = salvage().without(|kind| matches!(kind, EventKind::DrillEnded { .. }));
        expect(&open, "evidence", Verdict::Unknown, "does not end");
        let mut hole = salvage();
        hole.events.remove(5);
        expect(&hole, "evidence", Verdict::Unknown, "hole");
        let mut short = salvage();
        short.ledger.pop();
        short.readback.pop();
        expect(&short, "evidence", Verdict::Unknown, "its clients counted");
        let mut cancelled = salvage();
        for event in &mut cancelled.events {
            if let EventKind::DrillEnded {
                completed, reason, ..
            } = &mut event.kind
            {
                *completed = false;
                *reason = "interrupted".into();
            }
        }
        expect(&cancelled, "evidence", Verdict::Unknown, "interrupted");
        let blind = cancelled.unseen(Moment::Before, |_all| true).judge();
        for (id, cause) in [("evidence", ""), ("rows", "evidence")] {
            assert_eq!(finding(&blind, id).follows_from, cause, "{id}");
        }
    }

    #[test]
    fn a_torn_ledger_is_no_evidence() {
        let dir = tempfile::tempdir().unwrap();
        salvage().write(dir.path());
        let ledger = dir.path().join(files::LEDGER);
        let bytes = std::fs::read(&ledger).unwrap();
        std::fs::write(&ledger, &bytes[..bytes.len() - 7]).unwrap();
        let judgement = judge(dir.path(), |_plan| vec![]).unwrap();
        assert!(finding(&judgement, "evidence").message.contains("torn"));
        assert_eq!(finding(&judgement, "rpo.oa").verdict, Verdict::Unknown);
    }

    #[test]
    fn leaks_are_red() {
        let mut tale = salvage();
        for event in &mut tale.events {
            if let EventKind::DrillEnded { leaked, .. } = &mut event.kind {
                leaked.push("container pgdrill-x".into());
            }
        }
        expect(&tale, "leak", Verdict::Fail, "container pgdrill-x");
    }

    #[test]
    fn without_the_ledger_check_nothing_need_be_read_back() {
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Readback { .. })
        });
        expect(&blind, "evidence", Verdict::Unknown, "not read back");
        let mut unselected = blind;
        unselected
            .plan
            .checks
            .retain(|kind| *kind != CheckKind::Ledger);
        expect(&unselected, "evidence", Verdict::Pass, "whole");
        expect(&unselected, "rpo.oa", Verdict::Unknown, "not selected");
    }
}
