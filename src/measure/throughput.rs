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
    let before = history.steady_runs();
    let after: Vec<(u64, u64)> = match ready_us {
        Some(ready) => history
            .runs()
            .into_iter()
            .filter(|(from, _)| *from >= ready)
            .collect(),
        None => Vec::new(),
    };
    let mut figures = ThroughputFigures {
        before: rate(history, workload, &before),
        after: rate(history, workload, &after),
        ..ThroughputFigures::default()
    };
    if let Some(summary) = summary(history, workload) {
        figures.add(summary);
    }
    figures
}

impl ThroughputFigures {
    fn add(&mut self, summary: &WorkloadSummary) {
        self.p50_us = summary.p50_us;
        self.p95_us = summary.p95_us;
        self.p99_us = summary.p99_us;
        self.max_us = summary.max_us;
        self.errors = summary
            .errors
            .iter()
            .map(|(what, n)| (what.clone(), *n))
            .collect();
        self.errors.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
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
