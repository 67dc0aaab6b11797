//! `steady-state`: before the fault everything was in order. If not, the set-up was bad,
//! not the backup: `unknown`.

use super::{
    CheckResult, Context, Said, access, amcheck, any, archive, audit, business, collations, count,
    rows, sequences, settings,
};
use crate::{
    finding::Finding,
    measure::view::{self, View},
    observation::Probe,
    scenario::plan::CheckKind,
};

pub(super) fn check(context: &Context<'_>) -> Finding {
    let Some(before) = view::steady(&context.views).filter(|view| !view.is_empty()) else {
        return Finding::unknown("steady-state", "nothing was observed before the fault");
    };
    let troubles = troubles(context, before);
    if troubles.is_empty() {
        let message = format!("`{}` was in order before the fault", before.server);
        let kinds = context.history.plan.checks.len();
        let at_stake = any(kinds, "check", "that was red before the fault");
        return Finding::pass("steady-state", at_stake, message);
    }
    let message = format!(
        "{} before the fault: {}",
        count(troubles.len(), "trouble"),
        troubles[0]
    );
    Finding::unknown("steady-state", message).details(troubles)
}

fn troubles(context: &Context<'_>, before: &View<'_>) -> Vec<String> {
    let failed = |(probe, error): &(Probe, &str)| format!("probe {probe}: {error}");
    let mut troubles: Vec<String> = before.failures.iter().map(failed).collect();
    let selected = context.history.plan.checks.iter();
    let said = selected.filter_map(|kind| by_itself(*kind, context, before));
    troubles.extend(said.filter_map(wrong));
    troubles.extend(before.tables().and_then(rows::unread));
    if let Some(state) = before.server_state() {
        if state.in_recovery || state.read_only {
            troubles.push("the server was in recovery or read-only".into());
        }
        if state.checksum_failures.unwrap_or(0) > 0 {
            troubles.push("pages with a wrong checksum had been read".into());
        }
    }
    troubles
}

/// What a check says of the steady state by itself; none when it compares two servers.
fn by_itself(kind: CheckKind, context: &Context<'_>, before: &View<'_>) -> Option<Said> {
    match kind {
        CheckKind::Sequences => Some(sequences::check(before, before)),
        CheckKind::Settings => Some(settings::steady(context, before)),
        CheckKind::Access => Some(access::steady(before)),
        CheckKind::Business => Some(business::check(before)),
        CheckKind::Audit => Some(audit::check(context, before)),
        CheckKind::Collations => Some(collations::check(before)),
        CheckKind::Amcheck => Some(amcheck::check(before, before)),
        CheckKind::Archive => Some(archive::steady(context, before)),
        _of_two_servers => None,
    }
}

fn wrong(said: Said) -> Option<String> {
    match said {
        Ok(CheckResult::Fail(why, _)) | Err(why) => Some(why),
        Ok(CheckResult::Pass(..) | CheckResult::NotApplicable(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, scenario::plan::CheckKind};

    #[test]
    fn a_bad_steady_state_is_unknown() {
        let sick = salvage().bend(Moment::Before, |seen| {
            if let Observation::Business(results) = seen {
                results[0].got = "no rows".into();
            }
        });
        expect(&sick, "steady-state", Verdict::Unknown, "login");
        let blind = salvage().unseen(Moment::Before, |_all| true);
        expect(
            &blind,
            "steady-state",
            Verdict::Unknown,
            "nothing was observed",
        );
        expect(&blind, "rows", Verdict::Unknown, "steady state");
    }

    #[test]
    fn a_sequence_that_was_behind_already_is_no_fault_of_the_backup() {
        let behind = |seen: &mut Observation| {
            if let Observation::Sequences(sequences) = seen {
                sequences[0].next = 1000;
            }
        };
        let sick = salvage().bend(Moment::Before, behind);
        expect(&sick, "steady-state", Verdict::Unknown, "orders_id_seq");
        let mut unselected = sick;
        unselected
            .plan
            .checks
            .retain(|kind| *kind != CheckKind::Sequences);
        expect(&unselected, "steady-state", Verdict::Pass, "in order");
    }

    #[test]
    fn a_trail_that_was_wrong_already_is_no_fault_of_the_backup() {
        let sick = salvage().bend(Moment::Before, |seen| {
            if let Observation::Audit(audit) = seen {
                audit.missing.count = 2;
            }
        });
        expect(
            &sick,
            "steady-state",
            Verdict::Unknown,
            "changes without an entry: 2",
        );
        let idle = salvage().bend(Moment::Before, |seen| {
            if let Observation::Audit(audit) = seen {
                audit.right = 0;
            }
        });
        expect(&idle, "steady-state", Verdict::Pass, "in order");
    }

    #[test]
    fn a_failed_step_excuses_no_unobserved_steady_state() {
        let failed = salvage().failing_at(4, "no");
        let mut blind = failed.unseen(Moment::Before, |_all| true);
        let fail = &mut blind.plan.expect.fail;
        fail.insert("restore".into(), String::new());
        let outcome = blind.judge().outcome;
        assert_eq!(outcome.verdict, Verdict::Unknown);
        assert!(outcome.reasons[0].starts_with("steady-state: nothing was observed"));
    }
}
