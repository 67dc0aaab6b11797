//! Servers now held against the steady state, one check after the other.

use std::collections::BTreeMap;

use super::{
    CheckResult, Context, Said, access, amcheck, archive, audit, business, catalog, checksums,
    client_rows, collations, digests, performance, permissions, rows, sequences, server_log,
    settings, timeline,
};
use crate::{
    bug,
    event::{FaultRecord, Moment},
    finding::Finding,
    measure::view::{self, View},
    scenario::plan::CheckKind,
};

/// Compares a server now with the steady state. `Ledger` is judged by workload, elsewhere.
fn compare(kind: CheckKind, context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    match kind {
        CheckKind::Rows => rows::check(context, before, now),
        CheckKind::Digests => digests::check(context, before, now),
        CheckKind::Permissions => permissions::check(before, now),
        CheckKind::Catalog => catalog::check(before, now),
        CheckKind::Settings => settings::check(context, before, now),
        CheckKind::Access => access::check(before, now),
        CheckKind::Sequences => sequences::check(before, now),
        CheckKind::Business => business::check(now),
        CheckKind::Ledger => CheckResult::not_applicable("judged by workload"),
        CheckKind::ClientRows => client_rows::check(context),
        CheckKind::Audit => audit::check(context, now),
        CheckKind::Timeline => timeline::check(context, before, now),
        CheckKind::Collations => collations::check(now),
        CheckKind::Amcheck => amcheck::check(before, now),
        CheckKind::Checksums => checksums::check(context, before, now),
        CheckKind::Performance => performance::check(context, before, now),
        CheckKind::ServerLog => server_log::check(context, now),
        CheckKind::Archive => archive::check(context, before, now),
    }
}

/// Judges one check on one view: a crash or a missing observation can't be told.
pub(super) fn judge_view(
    kind: CheckKind,
    context: &Context<'_>,
    before: &View<'_>,
    now: &View<'_>,
) -> Said {
    let said = guarded(|| compare(kind, context, before, now));
    said.map_err(|why| with_probe_error(kind, &why, before, now))
}

/// Runs a check; a crash is no verdict.
fn guarded(check: impl FnOnce() -> Said) -> Said {
    let said = bug::caught(check);
    said.unwrap_or_else(|bug| Err(format!("the check crashed: {bug}")))
}

fn with_probe_error(kind: CheckKind, why: &str, before: &View<'_>, now: &View<'_>) -> String {
    let failures = [before, now].into_iter().flat_map(|view| {
        view.failures
            .iter()
            .filter(|(probe, _)| probe.serves(kind))
            .map(|(probe, error)| format!("{probe} on {}: {error}", view.server))
    });
    let errors: Vec<String> = failures.collect();
    if errors.is_empty() {
        return why.to_owned();
    }
    format!("{why} ({})", errors.join("; "))
}

/// The findings of the selected checks on the servers that count: those that serve at the end, and
/// the last gate of each recovery. And what was not applicable, with why.
pub(super) fn findings(context: &Context<'_>) -> (Vec<Finding>, BTreeMap<String, String>) {
    let mut findings = Vec::new();
    let mut not_applicable = BTreeMap::new();
    let selected = CheckKind::ALL
        .into_iter()
        .filter(|kind| context.history.plan.checks.contains(kind));
    // The ledger has findings of its own, one a workload.
    let nobody = nobody_writes(context);
    for kind in selected.filter(|kind| *kind != CheckKind::Ledger || nobody) {
        match finding(kind, context) {
            Ok(finding) => findings.push(finding),
            Err(why) => {
                not_applicable.insert(kind.name().to_owned(), why);
            }
        }
    }
    (findings, not_applicable)
}

fn nobody_writes(context: &Context<'_>) -> bool {
    context.history.workloads().next().is_none()
}

/// One check's finding; an error says why it is not applicable.
fn finding(kind: CheckKind, context: &Context<'_>) -> Result<Finding, String> {
    if kind.is_of_clients() && nobody_writes(context) {
        return Err("no clients write: no workload works here".into());
    }
    if kind == CheckKind::ClientRows {
        // Of each table it knows itself on which server it is to be judged.
        let said = vec![guarded(|| client_rows::check(context))];
        return merge(kind.name(), context, said);
    }
    let Some(before) = view::steady(&context.views) else {
        let why = "the steady state before the fault was not observed";
        return Ok(context.unknown(kind.name(), why));
    };
    let said = that_count(kind, context)
        .into_iter()
        .map(|(server, view)| match view {
            None => Err(format!("`{server}` was not observed after the last step")),
            Some(view) => said_of(kind, context, before, view),
        });
    merge(kind.name(), context, said.collect())
}

/// What a check is judged on: each server that serves at the end, as it was seen after the last
/// step if it was, and for gates the last gate of every server in every recovery; but in the last
/// recovery what was seen after the last step stands for the gate of the server that serves.
fn that_count<'v, 'a>(
    kind: CheckKind,
    context: &'v Context<'a>,
) -> Vec<(&'a str, Option<&'v View<'a>>)> {
    let serving = context.history.serving();
    let at_the_end = [serving].into_iter().chain(context.history.also_serving());
    let mut all: Vec<_> = at_the_end
        .map(|server| (server, view::after(&context.views, server)))
        .collect();
    if kind.is_gate() {
        let gates = view::last_gates(&context.views, |view| context.recovery_of(view));
        let others = gates
            .into_iter()
            .filter(|(recovery, view)| view.server != serving || !context.is_last(*recovery));
        all.extend(others.map(|(_, view)| (view.server, Some(view))));
    }
    all
}

/// What a check says of a view, with the server's name where it is not the one that serves, and the
/// recovery where it is not the last one.
fn said_of(kind: CheckKind, context: &Context<'_>, before: &View<'_>, view: &View<'_>) -> Said {
    let said = judge_view(kind, context, before, view);
    let Some(place) = place(context, view) else {
        return said;
    };
    let on = |message: String| format!("{message} ({place})");
    match said.map_err(on)? {
        CheckResult::Fail(why, _) if left_behind(context, view) && may_lack(kind) => {
            Err(on(format!("it still serves what did not move: {why}")))
        }
        CheckResult::Fail(why, details) => CheckResult::fail(on(why), details),
        CheckResult::Pass(at_stake, message, details) => {
            CheckResult::pass_with(at_stake, on(message), details)
        }
        senseless @ CheckResult::NotApplicable(_) => Ok(senseless),
    }
}

fn place(context: &Context<'_>, view: &View<'_>) -> Option<String> {
    let recovery = context.recovery_of(view);
    if view.moment == Moment::Gate && !context.is_last(recovery) {
        let all = context.recoveries.len();
        return Some(format!(
            "on `{}` after recovery {} of {all}",
            view.server,
            recovery + 1
        ));
    }
    (view.server != context.history.serving()).then(|| format!("on `{}`", view.server))
}

/// Whether this is a server that a fault hit, and that serves at the end what did not move away.
fn left_behind(context: &Context<'_>, view: &View<'_>) -> bool {
    let hit = |fault: &FaultRecord| fault.server == view.server;
    context.history.faults().any(hit) && view.moment == Moment::After
}

/// Whether what moved away from a server, and may be damaged there, gone or forbidden, may be all
/// that fails a check on it. Other checks are of the server as a whole.
fn may_lack(kind: CheckKind) -> bool {
    match kind {
        CheckKind::Rows
        | CheckKind::Digests
        | CheckKind::Permissions
        | CheckKind::Catalog
        | CheckKind::Sequences
        | CheckKind::Business
        | CheckKind::Ledger
        | CheckKind::ClientRows
        | CheckKind::Audit
        | CheckKind::Amcheck
        | CheckKind::Checksums => true,
        _of_the_server => false,
    }
}

/// The worst of what was said; an error says why it is not applicable.
pub(super) fn merge(id: &str, context: &Context<'_>, all: Vec<Said>) -> Result<Finding, String> {
    match all.into_iter().rev().max_by_key(rank) {
        None => Ok(context.unknown(id, "nothing was looked at")),
        Some(Ok(CheckResult::Pass(at_stake, message, details))) => {
            Ok(Finding::pass(id, at_stake, message).details(details))
        }
        Some(Err(message)) => Ok(context.unknown(id, message)),
        Some(Ok(CheckResult::Fail(message, details))) => {
            Ok(Finding::fail(id, message).details(details))
        }
        Some(Ok(CheckResult::NotApplicable(why))) => Err(why),
    }
}

/// How bad it is; of equals the first counts, which is the serving server.
fn rank(said: &Said) -> u8 {
    match said {
        Ok(CheckResult::NotApplicable(_)) => 0,
        Ok(CheckResult::Pass(..)) => 1,
        Err(_) => 2,
        Ok(CheckResult::Fail(..)) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::testing::{HistoryFixture, expect, oa_alone_moved},
        event::EventKind,
        finding::Verdict,
        observation::Observation,
        scenario::plan::PRIMARY,
    };

    /// The OA moved, the agent stayed, and this was seen of its server at the end.
    fn left_behind(bend: impl Fn(&mut Observation)) -> HistoryFixture {
        let mut fixture = oa_alone_moved();
        for event in &mut fixture.events {
            if let EventKind::Observed {
                moment: Moment::After,
                server,
                observation,
                ..
            } = &mut event.kind
                && server == PRIMARY
            {
                bend(observation);
            }
        }
        fixture
    }

    #[test]
    fn where_nobody_writes_what_judges_clients_does_not_apply() {
        let mut fixture = crate::check::testing::lost_server();
        fixture.plan.workloads.clear();
        fixture.plan.objectives.clear();
        fixture.ledger.clear();
        fixture.readback.clear();
        let judgement = fixture.judge();
        for kind in [CheckKind::Ledger, CheckKind::ClientRows, CheckKind::Audit] {
            let why = &judgement.not_applicable[kind.name()];
            assert!(why.contains("no clients write"), "{why}");
        }
    }

    #[test]
    fn every_server_that_serves_at_the_end_is_judged() {
        let good = left_behind(|_as_it_was| ());
        expect(&good, "business", Verdict::Pass, "as they must be");
        let unseen = good.without(|kind| {
            matches!(kind, EventKind::Observed { moment: Moment::After, server, .. } if server == PRIMARY)
        });
        let why = "`primary` was not observed after the last step";
        expect(&unseen, "business", Verdict::Unknown, why);
    }

    #[test]
    fn a_server_may_lack_what_moved_away_from_it() {
        let refuses = left_behind(|seen| {
            if let Observation::Business(results) = seen {
                results[0].got = "42501".into();
            }
        });
        let why = "it still serves what did not move: 1 operation went wrong";
        expect(&refuses, "business", Verdict::Unknown, why);
        let read_only = left_behind(|seen| {
            if let Observation::Server(server) = seen {
                server.read_only = true;
            }
        });
        let why = "it is read-only (on `primary`)";
        expect(&read_only, "timeline", Verdict::Fail, why);
    }

    #[test]
    fn a_crashed_check_is_unknown() {
        let said = guarded(|| panic!("out of {}", "luck"));
        assert_eq!(
            said,
            Err("the check crashed: a bug in pgdrill: out of luck".into())
        );
    }
}
