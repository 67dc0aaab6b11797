//! Servers now held against the steady state, one check after the other.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    Context, Said, amcheck, archive, audit, business, catalog, checksums, digests, performance,
    permissions, rows, sequences, server_log, timeline,
};
use crate::{
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
        CheckKind::Catalog => catalog::check(context, before, now),
        CheckKind::Sequences => sequences::check(before, now),
        CheckKind::Business => business::check(now),
        CheckKind::Ledger => Said::NotApplicable("judged by workload".into()),
        CheckKind::Audit => audit::check(context, now),
        CheckKind::Timeline => timeline::check(context, before, now),
        CheckKind::Amcheck => amcheck::check(now),
        CheckKind::Checksums => checksums::check(context, before, now),
        CheckKind::Performance => performance::check(context, before, now),
        CheckKind::ServerLog => server_log::check(context, now),
        CheckKind::Archive => archive::check(context, now),
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
    match said {
        Said::Unknown(why) => Said::Unknown(with_probe_error(kind, &why, before, now)),
        Said::Pass(..) | Said::Fail(..) | Said::NotApplicable(_) => said,
    }
}

/// Runs a check; a crash is no verdict.
fn guarded(check: impl FnOnce() -> Said) -> Said {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        Said::Unknown(format!("the check crashed: {}", panic_text(panic.as_ref())))
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
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

/// The findings of the selected checks on the servers that count: the one that serves at
/// the end, and the last gate of every other one. And what was not applicable, with why.
pub(super) fn findings(context: &Context<'_>) -> (Vec<Finding>, BTreeMap<&'static str, String>) {
    let mut findings = Vec::new();
    let mut not_applicable = BTreeMap::new();
    let selected = CheckKind::ALL
        .into_iter()
        .filter(|kind| context.story.plan.checks.contains(kind));
    for kind in selected.filter(|kind| *kind != CheckKind::Ledger) {
        match finding(kind, context) {
            Ok(finding) => findings.push(finding),
            Err(why) => {
                not_applicable.insert(kind.name(), why);
            }
        }
    }
    (findings, not_applicable)
}

/// One check's finding; an error says why it is not applicable.
fn finding(kind: CheckKind, context: &Context<'_>) -> Result<Finding, String> {
    let Some(before) = view::steady(&context.views) else {
        let why = "the steady state before the fault was not observed";
        return Ok(context.unknown(kind.name(), why));
    };
    let serving = context.story.serving();
    let Some(after) = view::after(&context.views, serving) else {
        let why = format!("`{serving}` was not observed after the last step");
        return Ok(context.unknown(kind.name(), why));
    };
    let said = judge_view(kind, context, before, after);
    let mut all = vec![(serving, said)];
    for server in context.story.also_serving() {
        all.push((server, also(kind, context, before, server)));
    }
    if kind.is_gate() {
        let others = view::last_gates(&context.views);
        for view in others.into_iter().filter(|view| view.server != serving) {
            all.push((view.server, judge_view(kind, context, before, view)));
        }
    }
    merge(kind, context, all)
}

/// A further server that serves at the end. The one that the fault hit may lack what moved away
/// from it: whether that is all it lacks can't be told.
fn also(kind: CheckKind, context: &Context<'_>, before: &View<'_>, server: &str) -> Said {
    let Some(after) = view::after(&context.views, server) else {
        return Said::Unknown("it was not observed after the last step".into());
    };
    let hit = context.story.fault().map(|fault| fault.server.as_str()) == Some(server);
    match judge_view(kind, context, before, after) {
        Said::Fail(why, _) if hit => {
            Said::Unknown(format!("it still serves what did not move: {why}"))
        }
        said => said,
    }
}

fn merge(
    kind: CheckKind,
    context: &Context<'_>,
    all: Vec<(&str, Said)>,
) -> Result<Finding, String> {
    let worst = all.into_iter().rev().max_by_key(|(_, said)| rank(said));
    let Some((server, said)) = worst else {
        return Ok(context.unknown(kind.name(), "nothing was looked at"));
    };
    let on = |message: String| match server == context.story.serving() {
        true => message,
        false => format!("{message} (on `{server}`)"),
    };
    match said {
        Said::Pass(message, details) => {
            Ok(Finding::pass(kind.name(), on(message)).details(details))
        }
        Said::Unknown(message) => Ok(context.unknown(kind.name(), on(message))),
        Said::Fail(message, details) => {
            Ok(Finding::fail(kind.name(), on(message)).details(details))
        }
        Said::NotApplicable(why) => Err(why),
    }
}

/// How bad it is; of equals the first counts, which is the serving server.
fn rank(said: &Said) -> u8 {
    match said {
        Said::NotApplicable(_) => 0,
        Said::Pass(..) => 1,
        Said::Unknown(_) => 2,
        Said::Fail(..) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::testing::{expect, oa_alone_moved},
        event::{EventKind, Moment},
        finding::Verdict,
        observation::Observation,
        scenario::plan::PRIMARY,
    };

    /// The OA moved, the agent stayed: at the end its server is in order, or refuses it.
    #[test]
    fn every_server_that_serves_at_the_end_is_judged() {
        let mut tale = oa_alone_moved();
        expect(&tale, "business", Verdict::Pass, "as they must be");
        for event in &mut tale.events {
            if let EventKind::Observed {
                moment: Moment::After,
                server,
                observation: Observation::Business(results),
                ..
            } = &mut event.kind
                && server == PRIMARY
            {
                results[0].got = "42501".into();
            }
        }
        let why = "it still serves what did not move: 1 operation went wrong";
        expect(&tale, "business", Verdict::Unknown, why);
    }

    #[test]
    fn a_crashed_check_is_unknown() {
        let said = guarded(|| panic!("out of {}", "luck"));
        assert_eq!(said, Said::Unknown("the check crashed: out of luck".into()));
    }
}
