//! How many transactions, how fast, before the fault and after the recovery.

use serde::{Deserialize, Serialize};

use crate::{
    event::{EventKind, Throughput, WorkloadSummary},
    measure::drill_history::{DrillHistory, told},
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThroughputFigures {
    /// Acknowledged transactions a second in the `run` steps before the fault.
    pub before: Option<f64>,
    /// The same in the `run` steps after the service was ready again.
    pub after: Option<f64>,
    /// Latency from the intended start over the whole drill, in microseconds: median.
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    /// The commonest errors, `SQLSTATE message` and how often.
    pub errors: Vec<(String, u64)>,
}

impl ThroughputFigures {
    /// After in relation to before: 1 is as fast.
    pub fn ratio(&self) -> Option<f64> {
        let (before, after) = (self.before?, self.after?);
        (before > 0.0).then(|| after / before)
    }
}

pub fn series<'a>(
    history: &DrillHistory<'a>,
    workload: &str,
) -> impl Iterator<Item = &'a Throughput> {
    told!(history.events, EventKind::Throughput(second) if second.workload == workload => second)
}

pub fn measure(
    history: &DrillHistory<'_>,
    workload: &str,
    ready_us: Option<u64>,
) -> ThroughputFigures {
    let mut after = history.runs();
    after.retain(|(from, _)| ready_us.is_some_and(|ready| *from >= ready));
    let summary = summary(history, workload).cloned().unwrap_or_default();
    let mut errors: Vec<(String, u64)> = summary.errors.into_iter().collect();
    errors.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    ThroughputFigures {
        before: rate(history, workload, &history.steady_runs()),
        after: rate(history, workload, &after),
        p50_us: summary.p50_us,
        p95_us: summary.p95_us,
        p99_us: summary.p99_us,
        max_us: summary.max_us,
        errors,
    }
}

pub fn summary<'a>(history: &DrillHistory<'a>, workload: &str) -> Option<&'a WorkloadSummary> {
    let mut summaries = told!(history.events, EventKind::WorkloadEnded(summary) => summary);
    summaries.rfind(|summary| summary.workload == workload)
}

/// Mean over the whole seconds within the windows; none when there is none.
fn rate(history: &DrillHistory<'_>, workload: &str, windows: &[(u64, u64)]) -> Option<f64> {
    let within = |at: u64| {
        windows
            .iter()
            .any(|(from, to)| *from <= at && at + 1_000_000 <= *to)
    };
    let seconds = || series(history, workload).filter(|second| within(second.from_us));
    let count = seconds().count();
    (count > 0).then(|| seconds().map(|second| second.ok).sum::<u64>() as f64 / count as f64)
}
