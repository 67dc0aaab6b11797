//! Gates: what must hold at a `verify` step before clients may come back.
//!
//! Rows, digests, permissions, catalog, sequences, business, timeline, collations, amcheck and
//! checksums are gates. Performance, server log, archive, audit and ledger are judged at
//! the end only.

use super::{CheckResult, Context, comparison::judge_view};
use crate::{
    event::{Moment, StepOutcome},
    measure::{
        drill_history::StepTold,
        recovery::Recovery,
        rto::Gates,
        view::{self, View},
    },
    scenario::plan::Action,
};

/// What the `verify` steps of a recovery came to for a workload: the last one of the server that
/// serves it when the recovery is over.
pub fn gates(context: &Context<'_>, recovery: &Recovery<'_>, workload: &str) -> Gates {
    let history = &context.history;
    let own = history.server_before(workload, recovery.until_us);
    let mut steps = recovery.steps(history).into_iter();
    let verifies = |step: &StepTold<'_>| match &history.plan.steps[step.index].action {
        Action::Verify(server) => server == own,
        _other => false,
    };
    let Some(last) = steps.rfind(verifies) else {
        let failed = context.failed_step().unwrap_or_default();
        return Gates::Closed(
            format!("no `verify` of `{own}` was reached after the fault"),
            failed.into(),
        );
    };
    match (last.outcome, last.ended_us) {
        (Some(StepOutcome::Done), Some(at)) => match closing(context, recovery, workload, &last) {
            Some((why, finding)) => Gates::Closed(why, finding.into()),
            None => Gates::Passed(at),
        },
        (Some(StepOutcome::Failed(_)), _) => Gates::Closed(
            "the last `verify` step failed".into(),
            history.plan.steps[last.index].action.word().into(),
        ),
        (Some(StepOutcome::Done | StepOutcome::Skipped) | None, _) => {
            Gates::Closed("the last `verify` step did not end".into(), String::new())
        }
    }
}

/// Why a `verify` step opened nothing, and the finding that says so; none: it did.
fn closing(
    context: &Context<'_>,
    recovery: &Recovery<'_>,
    workload: &str,
    step: &StepTold<'_>,
) -> Option<(String, &'static str)> {
    let Some(before) = view::steady(&context.views) else {
        return Some(("the steady state was not observed".into(), "steady-state"));
    };
    let at_gate = |view: &&View<'_>| view.moment == Moment::Gate && view.step == Some(step.index);
    let mut views = context.views.iter().filter(at_gate);
    if views.clone().all(|view| view.is_empty()) {
        return Some(("the last `verify` step observed nothing".into(), ""));
    }
    if let Some((kind, why)) = views.find_map(|view| closes(context, before, view)) {
        return Some((format!("the gate `{kind}` did not pass: {why}"), kind));
    }
    // What is seen at the end speaks of the last recovery alone.
    let server = context.history.server_of(workload);
    let after = view::after(&context.views, server).filter(|_| recovery.until_us.is_none());
    let (kind, why) = after.and_then(|after| closes(context, before, after))?;
    Some((format!("`{kind}` failed later: {why}"), kind))
}

/// The first gate check that does not pass on a view: could not tell is no pass.
fn closes(
    context: &Context<'_>,
    before: &View<'_>,
    view: &View<'_>,
) -> Option<(&'static str, String)> {
    let selected = context.history.plan.checks.iter().copied();
    selected.filter(|kind| kind.is_gate()).find_map(|kind| {
        let failed = view.failures.iter().find(|(probe, _)| probe.serves(kind));
        if let Some((probe, error)) = failed {
            return Some((kind.name(), format!("probe {probe} failed: {error}")));
        }
        match judge_view(kind, context, before, view) {
            Ok(CheckResult::Fail(why, _)) | Err(why) => Some((kind.name(), why)),
            Ok(CheckResult::Pass(..) | CheckResult::NotApplicable(_)) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        event::StepOutcome,
        scenario::plan::{Action, PRIMARY, Step},
    };

    /// The OA is frozen at the gate: its membership is missing there, and thawed later.
    fn frozen() -> HistoryFixture {
        salvage().bend(Moment::Gate, |seen| match seen {
            Observation::Privileges(lines) => {
                lines.retain(|line| !line.contains(" role "));
            }
            Observation::Business(results) => results[0].got = "42501 permission denied".into(),
            _other => {}
        })
    }

    #[test]
    fn a_freeze_does_not_close_the_gate() {
        expect(&frozen(), "rto.oa", Verdict::Pass, "10.1s");
        let more = frozen().bend(Moment::Gate, |seen| {
            if let Observation::Privileges(lines) = seen {
                lines.clear();
            }
        });
        expect(
            &more,
            "rto.oa",
            Verdict::Unknown,
            "the gate `permissions` did not pass",
        );
    }

    #[test]
    fn a_freeze_excuses_its_own_role_alone() {
        let of_another = |bend: fn(&mut Observation)| {
            let mut fixture = salvage().bend(Moment::Gate, bend);
            for event in &mut fixture.events {
                if let EventKind::Frozen { role, .. } = &mut event.kind {
                    *role = "app".into();
                }
            }
            fixture
        };
        let refused = of_another(|seen| {
            if let Observation::Business(results) = seen {
                results[0].got = "42501 permission denied".into();
            }
        });
        let why = "the gate `business` did not pass";
        expect(&refused, "rto.oa", Verdict::Unknown, why);
        let missing = of_another(|seen| {
            if let Observation::Privileges(lines) = seen {
                lines.retain(|line| !line.contains(" role "));
            }
        });
        let why = "the gate `permissions` did not pass";
        expect(&missing, "rto.oa", Verdict::Unknown, why);
    }

    #[test]
    fn a_freeze_excuses_what_it_revoked_alone() {
        let writing = |writes: bool| {
            frozen().bend(Moment::Gate, move |seen| {
                if let Observation::Business(results) = seen {
                    results[0].writes = writes;
                }
            })
        };
        let revoking = |revoked| writing(true).revoking(revoked);
        let group = |name: &str| Revoked::Membership(name.into());
        let closed = |fixture: HistoryFixture, gate: &str| {
            let why = format!("the gate `{gate}` did not pass");
            expect(&fixture, "rto.oa", Verdict::Unknown, &why);
        };
        closed(writing(false), "business");
        closed(revoking(group("auditors")), "permissions");
        closed(revoking(Revoked::Writes("app.notes".into())), "permissions");
        let open = revoking(group("app_writers"));
        expect(&open, "rto.oa", Verdict::Pass, "10.1s");
        let own_table = salvage().bend(Moment::Gate, |seen| {
            if let Observation::Business(results) = seen {
                results[0].got = "42501".into();
            }
        });
        let notes = Revoked::Writes("app.notes".into());
        closed(own_table.revoking(notes), "business");
    }

    /// The OA moved, the agent stayed: the gate of each is its own server's, and the last.
    #[test]
    fn each_workload_has_the_gate_of_its_own_server() {
        let mut fixture = oa_alone_moved();
        fixture.plan.steps.push(Step {
            action: Action::Verify(PRIMARY.into()),
            ..fixture.plan.steps[4].clone()
        });
        let step = fixture.plan.steps.len() - 1;
        let title = String::new();
        fixture.tell(25 * SECOND, EventKind::StepBegan { step, title });
        let outcome = StepOutcome::Done;
        fixture.tell(26 * SECOND, EventKind::StepEnded { step, outcome });
        fixture.observe(25_500_000, Moment::Gate, PRIMARY, 1);
        let judgement = fixture.in_order().judge();
        let rto = |at: usize| judgement.measures[at].rto.measured_us.unwrap();
        assert!(rto(1) < 10 * SECOND, "of the OA: {}", rto(1));
    }

    #[test]
    fn what_was_not_looked_at_closes_the_gate() {
        let blind = salvage().unseen(Moment::Gate, |seen| {
            matches!(seen, Observation::Privileges(_))
        });
        let why = "the gate `permissions` did not pass: the privileges were not read";
        expect(&blind, "rto.oa", Verdict::Unknown, why);
    }

    #[test]
    fn a_service_that_fails_later_was_not_ready() {
        let later = salvage().bend(Moment::After, |seen| {
            if let Observation::Privileges(lines) = seen {
                lines.clear();
            }
        });
        let judgement = later.judge();
        let rto = finding(&judgement, "rto.oa");
        assert_eq!(rto.verdict, Verdict::Unknown);
        assert_eq!(rto.follows_from, "permissions");
        assert!(rto.message.contains("`permissions` failed later"));
    }

    #[test]
    fn the_gate_of_a_server_that_does_not_serve_counts_too() {
        let mut fixture = salvage();
        for event in &mut fixture.events {
            if let EventKind::Observed {
                moment: Moment::Gate,
                server,
                observation,
                ..
            } = &mut event.kind
            {
                *server = "scratch".into();
                match observation {
                    Observation::Server(state) => state.timeline = 2,
                    Observation::Tables(tables) => tables.get_mut("app.users").unwrap().rows = 1,
                    _other => {}
                }
            }
        }
        let judgement = fixture.judge();
        assert!(
            finding(&judgement, "rows")
                .message
                .ends_with("(on `scratch`)")
        );
        assert_eq!(finding(&judgement, "rto.oa").follows_from, "rows");
    }

    /// Two were restored, and the one that was verified is not the one that clients moved to.
    #[test]
    fn the_gate_of_a_server_that_does_not_serve_opens_nothing() {
        let mut fixture = lost_server();
        fixture.plan.steps[4].action = Action::Verify("second".into());
        let why = "no `verify` of `";
        expect(&fixture, "rto.oa", Verdict::Unknown, why);
    }

    #[test]
    fn a_look_at_a_scratch_server_opens_no_gate() {
        let mut fixture = salvage();
        for step in &mut fixture.plan.steps {
            if let Action::Verify(server) = &mut step.action {
                *server = "scratch".into();
            }
        }
        let why = "no `verify` of `";
        expect(&fixture, "rto.oa", Verdict::Unknown, why);
    }
}
