//! `evidence`: the records the judgement rests on are whole. `leak`: the drill removed
//! everything it made.

use super::{Context, count};
use crate::{
    event::{Event, EventKind, Moment},
    finding::{AtStake, Finding},
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

/// Whether the records are whole. A failed step excuses only that nothing was read back.
pub(super) fn check(context: &Context<'_>, files: &Files, accounts: &[Account]) -> Finding {
    let mut troubles = broken(context, files, accounts);
    let excused = troubles.is_empty() && nothing_looked_at(context);
    let judged = context.history.plan.checks.contains(&CheckKind::Ledger);
    let readback = Some(&files.readback).filter(|why| judged && !why.is_empty());
    troubles.extend(readback.cloned());
    let Some(first) = troubles.first().cloned() else {
        let events = context.history.events.len();
        return Finding::pass(
            "evidence",
            AtStake::always("a hole in the history, a ledger or readback that is not whole"),
            format!("history of {events} events and ledger are whole"),
        );
    };
    let finding = match excused {
        true => context.unknown("evidence", first),
        false => Finding::unknown("evidence", first),
    };
    finding.details(troubles)
}

fn broken(context: &Context<'_>, files: &Files, accounts: &[Account]) -> Vec<String> {
    let mut troubles = history(context);
    troubles.extend(unfinished(context));
    match files.ledger.as_str() {
        "" => troubles.extend(short_ledger(context, accounts)),
        why => troubles.push(why.to_owned()),
    }
    troubles
}

/// Whether no server was looked at after the last step, as is right when a step failed.
fn nothing_looked_at(context: &Context<'_>) -> bool {
    let mut views = context.views.iter();
    views.all(|view| view.moment != Moment::After)
}

fn history(context: &Context<'_>) -> Vec<String> {
    let events = context.history.events;
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
    let withheld = |event: &Event| event.kind == EventKind::Withheld;
    let withheld = events.iter().filter(|event| withheld(event)).count();
    if withheld > 0 {
        let events = count(withheld, "event");
        troubles.push(format!(
            "{events} withheld, since a secret stood in the way"
        ));
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
    } = &context.history.events.last()?.kind
    else {
        return None;
    };
    Some((*completed, reason))
}

/// Workloads that began and were never told to have ended: nobody knows what the ledger
/// must hold of them. It ends when it can't be written, for one.
fn unfinished(context: &Context<'_>) -> Vec<String> {
    let history = &context.history;
    let open =
        |name: &&String| began(context, name) && throughput::summary(history, name).is_none();
    let names = history.plan.workloads.keys().filter(open);
    names
        .map(|name| format!("the clients of `{name}` began, and how they ended is not told"))
        .collect()
}

fn began(context: &Context<'_>, name: &str) -> bool {
    let told = context.history.events.iter().any(|event| {
        matches!(&event.kind, EventKind::WorkloadBegan { workload, .. } if workload == name)
    });
    told || throughput::series(&context.history, name).next().is_some()
}

/// A ledger that holds fewer acknowledgements than the clients counted is not whole.
fn short_ledger(context: &Context<'_>, accounts: &[Account]) -> Vec<String> {
    let names = context.history.plan.workloads.keys();
    let short = |(name, account): (&String, &Account)| short_of(context, name, account.tally.ok);
    names.zip(accounts).filter_map(short).collect()
}

/// Why a ledger that holds so many acknowledgements of a workload is not whole, if it is not.
pub(super) fn short_of(context: &Context<'_>, name: &str, held: u64) -> Option<String> {
    let counted = throughput::summary(&context.history, name)?.ok;
    (held < counted).then(|| {
        format!("the ledger holds {held} acknowledged transactions of `{name}`, its clients counted {counted}")
    })
}

/// Whether everything was removed; a history that does not end tells nothing of it.
pub(super) fn leak(context: &Context<'_>) -> Finding {
    let last = context.history.events.last().map(|event| &event.kind);
    let Some(EventKind::DrillEnded {
        leaked, unanswered, ..
    }) = last
    else {
        let why = "what is left can't be told: the history does not end with the drill's end";
        return Finding::unknown("leak", why);
    };
    left(leaked, unanswered)
}

fn left(leaked: &[String], unanswered: &str) -> Finding {
    if let Some(why) = unanswered.lines().next() {
        let message = format!("what is left can't be told: {why}");
        let hints = unanswered.lines().skip(1).map(str::to_owned);
        return Finding::unknown("leak", message).details(hints);
    }
    let Some(first) = leaked.first() else {
        let at_stake = AtStake::always("anything that the drill made and is still there");
        return Finding::pass("leak", at_stake, "everything the drill made was removed");
    };
    let message = format!("{} not removed: {first}", count(leaked.len(), "object"));
    Finding::fail("leak", message).details(leaked.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::{
        check::{expect::Outcome, judge, testing::*},
        history::files,
        scenario::plan::CheckKind,
    };

    #[test]
    fn broken_records_are_no_evidence() {
        let open = salvage().without(|kind| matches!(kind, EventKind::DrillEnded { .. }));
        expect(&open, "evidence", Verdict::Unknown, "does not end");
        expect(&open, "leak", Verdict::Unknown, "does not end");
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
    fn an_event_that_was_withheld_is_missed() {
        let withheld = salvage().with(20 * SECOND, EventKind::Withheld);
        expect(&withheld, "evidence", Verdict::Unknown, "1 event withheld");
    }

    #[test]
    fn clients_that_began_and_never_ended_are_no_evidence() {
        let of_oa = |kind: &EventKind| matches!(kind, EventKind::WorkloadEnded(one) if one.workload == "oa");
        let open = salvage().without(of_oa);
        expect(&open, "evidence", Verdict::Unknown, "`oa` began");
        let failed = salvage().failing_at(4, "no");
        unexcused(&outcome(&failed.without(of_oa), |_dir| ()), &["evidence"]);
        let only_begun = salvage().without(|kind| {
            of_oa(kind) || matches!(kind, EventKind::Throughput(one) if one.workload == "oa")
        });
        expect(&only_begun, "evidence", Verdict::Unknown, "`oa` began");
    }

    #[test]
    fn clients_that_never_began_need_not_end() {
        let of_oa = |kind: &EventKind| match kind {
            EventKind::WorkloadBegan { workload, .. } => workload == "oa",
            EventKind::Throughput(one) => one.workload == "oa",
            EventKind::WorkloadEnded(one) => one.workload == "oa",
            _other => false,
        };
        let never = salvage().failing_at(4, "no").without(of_oa);
        assert_eq!(outcome(&never, |_dir| ()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_torn_ledger_is_no_evidence() {
        let dir = tempfile::tempdir().unwrap();
        salvage().write(dir.path());
        let ledger = dir.path().join(files::LEDGER);
        let bytes = std::fs::read(&ledger).unwrap();
        std::fs::write(&ledger, &bytes[..bytes.len() - 7]).unwrap();
        let judgement = judge(dir.path()).unwrap();
        assert!(finding(&judgement, "evidence").message.contains("torn"));
        assert_eq!(finding(&judgement, "rpo.oa").verdict, Verdict::Unknown);
    }

    /// The outcome where the failure of `restore` is expected.
    fn outcome(fixture: &HistoryFixture, bend: impl Fn(&std::path::Path)) -> Outcome {
        let mut fixture = fixture.clone();
        let fail = &mut fixture.plan.expect.fail;
        fail.insert("restore".into(), String::new());
        let dir = tempfile::tempdir().unwrap();
        fixture.write(dir.path());
        bend(dir.path());
        judge(dir.path()).unwrap().outcome
    }

    #[track_caller]
    fn unexcused(outcome: &Outcome, ids: &[&str]) {
        let told = |reason: &String| reason.split(':').next().unwrap().to_owned();
        let told: Vec<String> = outcome.reasons.iter().map(told).collect();
        assert_eq!((outcome.verdict, told), (Verdict::Unknown, owned(ids)));
    }

    fn owned(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    #[test]
    fn an_expected_failure_excuses_that_nothing_was_read_back() {
        let failed = salvage().failing_at(4, "no");
        let evidence = finding(&failed.judge(), "evidence").clone();
        assert_eq!(evidence.verdict, Verdict::Unknown);
        assert_eq!(evidence.follows_from, "restore");
        assert_eq!(outcome(&failed, |_dir| ()).verdict, Verdict::Pass);
    }

    #[test]
    fn an_expected_failure_excuses_no_broken_record() {
        let failed = salvage().failing_at(4, "no");
        let killed = failed
            .clone()
            .without(|kind| matches!(kind, EventKind::DrillEnded { .. }));
        unexcused(&outcome(&killed, |_dir| ()), &["evidence", "leak"]);
        let mut hole = failed.clone();
        hole.events.remove(5);
        unexcused(&outcome(&hole, |_dir| ()), &["evidence"]);
        let torn = outcome(&failed, |dir| {
            let ledger = dir.join(files::LEDGER);
            let bytes = std::fs::read(&ledger).unwrap();
            std::fs::write(&ledger, &bytes[..bytes.len() - 7]).unwrap();
        });
        unexcused(&torn, &["evidence"]);
    }

    #[test]
    fn an_expected_failure_excuses_no_silence_of_the_engine() {
        let mut silent = salvage().failing_at(4, "no");
        if let Some(EventKind::DrillEnded { unanswered, .. }) =
            silent.events.last_mut().map(|event| &mut event.kind)
        {
            *unanswered = "the engine does not answer".into();
        }
        unexcused(&outcome(&silent, |_dir| ()), &["leak"]);
    }

    #[test]
    fn leaks_are_red() {
        let mut fixture = salvage();
        for event in &mut fixture.events {
            if let EventKind::DrillEnded { leaked, .. } = &mut event.kind {
                leaked.push("container pgdrill-x".into());
            }
        }
        expect(&fixture, "leak", Verdict::Fail, "container pgdrill-x");
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
