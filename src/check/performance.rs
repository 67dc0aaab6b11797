//! `performance`: business queries are as fast as before.
//!
//! The rule: a query is too slow when both its median and its 95th percentile are more
//! than three times those of the steady state, plus 5 ms. Missing planner statistics, a
//! missing index or a bottleneck shift both: a query is timed with the same values again and
//! again. One hiccup of a shared machine shifts the 95th percentile of a few dozen executions
//! alone, and the 5 ms keep sub-millisecond queries out of the red.
//!
//! Whatever the verdict, the particulars tell the figures and what the node used.

use super::{CheckResult, Context, Said, any, count};
use crate::{
    measure::{resources::usage, rpo::time, view::View},
    observation::QueryTiming,
};

const FACTOR: u64 = 3;
const SLACK_US: u64 = 5_000;
const RULE: &str = "too slow: median and 95th percentile both beyond 3 times as before plus 5 ms";

/// A query's timing before, and now.
type Pair<'t> = (&'t QueryTiming, &'t QueryTiming);

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.performance().zip(now.performance());
    let (was, is) = both.ok_or("business queries were not timed both before and after")?;
    if was.is_empty() {
        return Err("the data model declares no business query to time".into());
    }
    let pairs = pairs(was, is)?;
    let details = details(context, &pairs, [before.server, now.server]);
    match pairs.iter().find(|pair| too_slow(pair)) {
        Some((was, is)) => CheckResult::fail(told(was, is), details),
        None => CheckResult::pass_with(
            any(pairs.len(), "query", "more than 3 times slower"),
            format!(
                "{} at most {FACTOR} times as slow as before",
                count(pairs.len(), "query")
            ),
            details,
        ),
    }
}

/// Every query of the steady state with its timing now; an error names one that has none.
fn pairs<'t>(was: &'t [QueryTiming], is: &'t [QueryTiming]) -> Result<Vec<Pair<'t>>, String> {
    let again = |was: &'t QueryTiming| {
        let now = is.iter().find(|is| is.name == was.name);
        let missing = || format!("query `{}` was not timed again", was.name);
        now.map(|is| (was, is)).ok_or_else(missing)
    };
    was.iter().map(again).collect()
}

fn too_slow((was, is): &Pair<'_>) -> bool {
    shifted(was.p50_us, is.p50_us) && shifted(was.p95_us, is.p95_us)
}

fn shifted(was_us: u64, is_us: u64) -> bool {
    is_us > FACTOR * was_us + SLACK_US
}

fn told(was: &QueryTiming, is: &QueryTiming) -> String {
    format!(
        "query `{}`: p95 {} before, {} now (allowed: {FACTOR} times, plus 5 ms)",
        was.name,
        time(was.p95_us),
        time(is.p95_us)
    )
}

/// The figures of every query, the rule, and what the nodes of the servers then and now used.
fn details(context: &Context<'_>, pairs: &[Pair<'_>], servers: [&str; 2]) -> Vec<String> {
    let lines = pairs.iter().map(line).chain([RULE.to_owned()]);
    lines.chain(resources(context, servers)).collect()
}

fn line((was, is): &Pair<'_>) -> String {
    let [p50, p95] = [(was.p50_us, is.p50_us), (was.p95_us, is.p95_us)]
        .map(|(was, is)| format!("{} → {}", time(was), time(is)));
    let alone = shifted(was.p95_us, is.p95_us) && !shifted(was.p50_us, is.p50_us);
    let hiccup = if alone { " (alone: a hiccup)" } else { "" };
    format!("{}: p50 {p50}, p95 {p95}{hiccup}", was.name)
}

/// What the servers' nodes used while business ran: at first, and at last.
fn resources(context: &Context<'_>, [before, now]: [&str; 2]) -> Vec<String> {
    let history = &context.history;
    let first = history.steady_runs().first().copied();
    let last = history
        .runs()
        .last()
        .copied()
        .filter(|run| Some(*run) != first);
    let used = |when: &str, server: &str, run: Option<(u64, u64)>| {
        let used = usage(history, server, run?)?;
        Some(format!("node `{server}` {when}: {used}"))
    };
    let lines = [used("before", before, first), used("now", now, last)];
    lines.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn queries_that_became_slow_are_red() {
        let timed = |p50: u64, p95: u64| {
            salvage().bend(Moment::After, move |seen| {
                if let Observation::Performance(queries) = seen {
                    queries[0].p50_us = p50;
                    queries[0].p95_us = p95;
                }
            })
        };
        expect(
            &timed(7_701, 11_000),
            "performance",
            Verdict::Pass,
            "1 query",
        );
        expect(
            &timed(7_701, 11_001),
            "performance",
            Verdict::Fail,
            "query `inbox`",
        );
        // A hiccup shifts the 95th percentile alone.
        expect(
            &timed(900, 900_000),
            "performance",
            Verdict::Pass,
            "1 query",
        );
        let hiccup = timed(900, 900_000).judge();
        let details = &finding(&hiccup, "performance").details;
        assert_eq!(
            details[0],
            "inbox: p50 900us → 900us, p95 2ms → 900ms (alone: a hiccup)"
        );
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Performance(_))
        });
        expect(&blind, "performance", Verdict::Unknown, "not timed");
    }

    #[test]
    fn what_the_node_used_is_told_before_and_now() {
        let stats = |cpu_us: u64| {
            EventKind::NodeStats(NodeStats {
                node: "primary".into(),
                cpu_us,
                memory: 64_000_000,
                read_bytes: 0,
                written_bytes: 4_000_000,
            })
        };
        let samples = [(50, 10), (70, 20), (230, 30), (250, 230)];
        let fixture = samples.into_iter().fold(salvage(), |fixture, (at, cpu)| {
            fixture.with(at * SECOND / 10, stats(cpu * 10_000))
        });
        let judgement = fixture.judge();
        let performance = finding(&judgement, "performance");
        assert_eq!(performance.verdict, Verdict::Pass);
        let used = "% of a core, memory 64.0 MB, read 0 B/s, written 0 B/s";
        let expected = [
            format!("node `primary` before: CPU 5 {used}"),
            format!("node `primary` now: CPU 100 {used}"),
        ];
        assert_eq!(performance.details[2..], expected);
    }
}
