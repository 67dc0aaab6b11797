//! `checksums`: the server has counted no page whose checksum failed.
//!
//! The counters never go down. On a server whose pages a fault damaged, those read before the
//! repair count towards the fault: what is judged there is growth since the last gate after it.
//! Everywhere else the steady state is the base.

use super::{CheckResult, Context, Said};
use crate::{
    event::{FaultRecord, Moment},
    finding::AtStake,
    measure::view::View,
};

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let state = now
        .server_state()
        .ok_or("the server's state was not read")?;
    let failures = state
        .checksum_failures
        .ok_or("data checksums are off: nothing can be told")?;
    let base = base(context, before, now);
    if failures <= base {
        let at_stake = AtStake::always("any page read whose checksum failed");
        return CheckResult::pass(at_stake, "no page with a wrong checksum was read");
    }
    let new = failures - base;
    let counted = format!("pg_stat_database.checksum_failures: {base} at the base, {failures} now");
    let damaged = damages(context, now)
        .map(|fault| format!("the scenario damaged pages of {}", fault.target));
    CheckResult::fail(
        format!("pages with a wrong checksum were read: {new}"),
        damaged.chain([counted]).collect(),
    )
}

fn base(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> u64 {
    let counted = |view: &View<'_>| {
        view.server_state()
            .and_then(|state| state.checksum_failures)
    };
    let Some(damaged) = damages(context, now).last() else {
        let same = before.server == now.server;
        return counted(before).filter(|_| same).unwrap_or(0);
    };
    let since = |view: &&View<'_>| {
        view.moment == Moment::Gate
            && view.server == now.server
            && (damaged.began_us..now.at_us).contains(&view.at_us)
    };
    let gate = context.views.iter().rfind(since).and_then(counted);
    gate.unwrap_or_else(|| match now.moment {
        Moment::Gate => counted(now).unwrap_or(0),
        Moment::Before | Moment::After => 0,
    })
}

/// The faults that had damaged pages of a server when it was looked at.
fn damages<'a>(context: &Context<'a>, now: &View<'_>) -> impl Iterator<Item = &'a FaultRecord> {
    let (server, until_us) = (now.server.to_owned(), now.at_us);
    context.history.faults().filter(move |fault| {
        fault.fault.facts().damages_pages && fault.server == server && fault.began_us <= until_us
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        fault::{DamageTable, Fault},
    };

    /// At a gate so many pages with a wrong checksum had been read.
    fn at_the_gate(fixture: HistoryFixture) -> HistoryFixture {
        fixture.bend(Moment::Gate, |seen| {
            if let Observation::Server(state) = seen {
                state.checksum_failures = Some(2);
            }
        })
    }

    #[test]
    fn damage_elsewhere_excuses_nothing_at_a_gate() {
        let mut fixture = at_the_gate(lost_twice());
        for event in &mut fixture.events {
            if let EventKind::FaultInjected(fault) = &mut event.kind
                && fault.server == "primary"
            {
                fault.fault = Fault::DamageTable(DamageTable("app.users".into()));
            }
        }
        let why = "2 (on `second` after recovery 1 of 2)";
        expect(&fixture, "checksums", Verdict::Fail, why);
    }

    #[test]
    fn pages_read_before_the_repair_count_towards_the_fault() {
        let mut fixture = at_the_gate(salvage());
        for event in &mut fixture.events {
            if let EventKind::FaultInjected(fault) = &mut event.kind {
                fault.fault = Fault::DamageTable(DamageTable("app.users".into()));
            }
        }
        expect(&fixture, "checksums", Verdict::Pass, "no page");
    }

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
