//! `performance`: business queries are as fast as before.
//!
//! The rule: a query is too slow when both its median and its 95th percentile are more
//! than three times those of the steady state, plus 5 ms. Missing planner statistics, a
//! missing index or a bottleneck shift both; one hiccup of a shared machine shifts the
//! 95th percentile of a few dozen executions alone, and the 5 ms keep sub-millisecond
//! queries out of the red.

use super::{Context, Said, count};
use crate::{
    event::EventKind,
    measure::{rpo::time, view::View},
    observation::QueryTiming,
    units::Bytes,
};

const FACTOR: u64 = 3;
const SLACK_US: u64 = 5_000;

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let (Some(was), Some(is)) = (before.performance(), now.performance()) else {
        return Said::Unknown("business queries were not timed both before and after".into());
    };
    if was.is_empty() {
        return Said::Unknown("the data model declares no business query to time".into());
    }
    let pairs: Vec<(&QueryTiming, Option<&QueryTiming>)> = was
        .iter()
        .map(|was| (was, is.iter().find(|is| is.name == was.name)))
        .collect();
    if let Some((was, _)) = pairs.iter().find(|(_, is)| is.is_none()) {
        return Said::Unknown(format!("query `{}` was not timed again", was.name));
    }
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter_map(|(was, is)| Some((was, is?)))
        .collect();
    let slow = pairs
        .iter()
        .find(|(was, is)| shifted(was.p50_us, is.p50_us) && shifted(was.p95_us, is.p95_us));
    let Some((was, is)) = slow else {
        return Said::Pass(format!(
            "{} at most {FACTOR} times as slow as before",
            count(pairs.len(), "query")
        ));
    };
    let message = format!(
        "query `{}`: p95 {} before, {} now (allowed: {FACTOR} times, plus 5 ms)",
        was.name,
        time(was.p95_us),
        time(is.p95_us)
    );
    let lines = pairs.iter().map(|(was, is)| line(was, is));
    Said::Fail(
        message,
        lines.chain(resources(context, now.server)).collect(),
    )
}

fn shifted(was_us: u64, is_us: u64) -> bool {
    is_us > FACTOR * was_us + SLACK_US
}

fn line(was: &QueryTiming, is: &QueryTiming) -> String {
    let (was_p95, is_p95) = (time(was.p95_us), time(is.p95_us));
    format!(
        "{}: p50 {} → {}, p95 {was_p95} → {is_p95}",
        was.name,
        time(was.p50_us),
        time(is.p50_us)
    )
}

/// What the node used, for whoever has to find out why.
fn resources(context: &Context<'_>, server: &str) -> Option<String> {
    context.story.events.iter().rev().find_map(|event| {
        let EventKind::NodeStats {
            node,
            cpu_us,
            memory,
            read_bytes,
            written_bytes,
        } = &event.kind
        else {
            return None;
        };
        (node == server).then(|| {
            let [memory, read, written] = [memory, read_bytes, written_bytes].map(|n| Bytes(*n));
            format!(
                "node {node}: CPU {}, memory {memory}, read {read}, written {written}",
                time(*cpu_us)
            )
        })
    })
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
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Performance(_))
        });
        expect(&blind, "performance", Verdict::Unknown, "not timed");
    }
}
