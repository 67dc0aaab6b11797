//! `checksums`: the server has counted no page whose checksum failed.
//!
//! The counters never go down. Where the scenario itself damages pages, those read
//! before the repair count towards the fault: what is judged is growth after the last
//! gate on the same server. Everywhere else the steady state is the base.

use super::{Context, Said};
use crate::{
    event::Moment,
    finding::AtStake,
    measure::view::View,
    scenario::plan::{Action, Fault},
};

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let Some(state) = now.server_state() else {
        return Said::Unknown("the server's state was not read".into());
    };
    let Some(failures) = state.checksum_failures else {
        return Said::Unknown("data checksums are off: nothing can be told".into());
    };
    let base = base(context, before, now);
    if failures <= base {
        let at_stake = AtStake::always("any page read whose checksum failed");
        return Said::pass(at_stake, "no page with a wrong checksum was read");
    }
    let new = failures - base;
    let counted = format!("pg_stat_database.checksum_failures: {base} at the base, {failures} now");
    let damaged = damaged(context).map(|what| format!("the scenario damaged pages of {what}"));
    Said::Fail(
        format!("pages with a wrong checksum were read: {new}"),
        damaged.chain([counted]).collect(),
    )
}

fn base(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> u64 {
    let counted = |view: &View<'_>| {
        view.server_state()
            .and_then(|state| state.checksum_failures)
    };
    let gates = context
        .views
        .iter()
        .filter(|view| view.moment == Moment::Gate && view.server == now.server);
    if damages(context) && now.moment == Moment::After {
        return gates.filter_map(counted).next_back().unwrap_or(0);
    }
    if damages(context) && now.moment == Moment::Gate {
        return counted(now).unwrap_or(0);
    }
    if before.server == now.server {
        counted(before).unwrap_or(0)
    } else {
        0
    }
}

fn damages(context: &Context<'_>) -> bool {
    damaged(context).next().is_some()
}

/// What the scenario damages pages of.
fn damaged<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a str> {
    context.story.plan.steps.iter().filter_map(|step| {
        let Action::Inject { fault, .. } = &step.action else {
            return None;
        };
        let (Fault::DamageIndex(what) | Fault::DamageTable(what)) = fault else {
            return None;
        };
        Some(what.as_str())
    })
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn failures_are_red_and_checksums_that_are_off_open() {
        let failures = |count: Option<u64>| {
            salvage().bend(Moment::After, move |seen| {
                if let Observation::Server(state) = seen {
                    state.checksum_failures = count;
                }
            })
        };
        expect(&failures(Some(2)), "checksums", Verdict::Fail, "2");
        expect(&failures(None), "checksums", Verdict::Unknown, "off");
        let blind = salvage().unseen(Moment::After, |seen| matches!(seen, Observation::Server(_)));
        expect(&blind, "checksums", Verdict::Unknown, "not read");
    }
}
