//! `timeline`: the server is the same cluster on the timeline it must be on, out of
//! recovery and writable.

use super::{CheckResult, Context, Said};
use crate::{
    finding::AtStake, measure::view::View, observation::ServerState, scenario::plan::Nature,
};

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.server_state().zip(now.server_state());
    let (was, is) = both.ok_or("the server's state was not read both before and after")?;
    let mut wrong = Vec::new();
    if is.in_recovery {
        wrong.push(in_recovery(context, now));
    } else if is.read_only {
        wrong.push("it is read-only".to_owned());
    }
    wrong.extend(wrong_cluster(context, now, was, is));
    if is.version / 10_000 != context.history.plan.postgres {
        wrong.push(format!("it runs server version {}", is.version));
    }
    wrong.extend(wrong_timeline(context, now, was, is));
    if wrong.is_empty() {
        return CheckResult::pass(
            AtStake::always("another cluster or timeline, a server in recovery or read-only"),
            format!("timeline {}, out of recovery, writable", is.timeline),
        );
    }
    CheckResult::fail(format!("`{}`: {}", now.server, wrong.join("; ")), wrong)
}

fn in_recovery(context: &Context<'_>, now: &View<'_>) -> String {
    let restore = context.history.restore_of(now.server, now.at_us);
    let paused = restore.is_some_and(|restore| restore.paused);
    let why = match paused {
        true => {
            "paused at its target, read-only for every application \
                 (hint: `recovery_target_action: promote`, or promote it in a step)"
        }
        false => "read-only for every application",
    };
    format!("it is still in recovery: {why}")
}

/// What comes from a logical backup is another cluster; any other server is the same.
fn wrong_cluster(
    context: &Context<'_>,
    now: &View<'_>,
    was: &ServerState,
    is: &ServerState,
) -> Option<String> {
    let logical = context.history.is_logical(now.server, now.at_us);
    let same = is.system_identifier == was.system_identifier;
    let (was, is) = (was.system_identifier, is.system_identifier);
    match (logical, same) {
        (false, true) | (true, false) => None,
        (false, false) => Some(format!(
            "it is another cluster: system identifier {is}, not {was}"
        )),
        (true, true) => Some(format!(
            "it is the cluster that was dumped, system identifier {is}, though it was made anew"
        )),
    }
}

/// A restored server has left the old timeline for the one its restore told of; any other
/// server has stayed where it was.
fn wrong_timeline(
    context: &Context<'_>,
    now: &View<'_>,
    was: &ServerState,
    is: &ServerState,
) -> Option<String> {
    let Some(restore) = context.history.restore_of(now.server, now.at_us) else {
        let stayed = is.timeline == was.timeline;
        return (!stayed).then(|| format!("timeline {}, though nothing was restored", is.timeline));
    };
    if is.in_recovery {
        return None;
    }
    if is.timeline <= was.timeline && restore.nature == Nature::Physical {
        return Some(format!(
            "timeline {}: recovery did not end in a promotion",
            is.timeline
        ));
    }
    let promoted_since = restore.paused && is.timeline == restore.timeline + 1;
    (is.timeline != restore.timeline && !promoted_since).then(|| {
        format!(
            "timeline {}, not {} as restored",
            is.timeline, restore.timeline
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        observation::ServerState,
        scenario::plan::{Nature, PRIMARY},
    };

    #[test]
    fn a_server_that_is_not_writable_or_on_the_wrong_timeline_is_red() {
        let server = |fixture: HistoryFixture, bend: fn(&mut ServerState)| {
            fixture.bend(Moment::After, move |seen| {
                if let Observation::Server(state) = seen {
                    bend(state);
                }
            })
        };
        expect(
            &server(salvage(), |s| s.read_only = true),
            "timeline",
            Verdict::Fail,
            "read-only",
        );
        expect(
            &server(salvage(), |s| s.in_recovery = true),
            "timeline",
            Verdict::Fail,
            "in recovery",
        );
        expect(
            &server(salvage(), |s| s.timeline = 2),
            "timeline",
            Verdict::Fail,
            "nothing was restored",
        );
        expect(
            &server(lost_server(), |s| s.timeline = 1),
            "timeline",
            Verdict::Fail,
            "promotion",
        );
        expect(
            &server(lost_server(), |s| s.timeline = 3),
            "timeline",
            Verdict::Fail,
            "not 2",
        );
        expect(
            &server(lost_server(), |s| s.system_identifier = 8),
            "timeline",
            Verdict::Fail,
            "another cluster",
        );
        let mut paused = server(lost_server(), |s| s.in_recovery = true);
        for event in &mut paused.events {
            if let EventKind::Restored(restore) = &mut event.kind {
                restore.paused = true;
            }
        }
        expect(
            &paused,
            "timeline",
            Verdict::Fail,
            "paused at its target, read-only",
        );
        let blind = salvage().unseen(Moment::After, |seen| matches!(seen, Observation::Server(_)));
        expect(&blind, "timeline", Verdict::Unknown, "not read");
    }

    /// Restored from a dump, and then from a physical backup of what that had become.
    #[test]
    fn what_comes_from_a_dump_is_another_cluster_however_it_is_restored_later() {
        let mut fixture = lost_twice();
        for event in &mut fixture.events {
            match &mut event.kind {
                EventKind::Restored(restore) if restore.server == "second" => {
                    restore.nature = Nature::Logical;
                }
                EventKind::Restored(restore) => restore.backup = "main-2".into(),
                EventKind::Observed {
                    server,
                    observation: Observation::Server(state),
                    ..
                } if server != PRIMARY => state.system_identifier = 8,
                _other => {}
            }
        }
        let mut taken = backup();
        taken.server = "second".into();
        taken.began_us = 18 * SECOND;
        taken.listed.label = "main-2".into();
        let fixture = fixture.with(18 * SECOND, EventKind::BackupTaken(taken));
        let judgement = fixture.judge();
        let timeline = finding(&judgement, "timeline");
        assert_eq!(timeline.verdict, Verdict::Pass, "{}", timeline.message);
    }
}
