//! A run in few words: figures against objectives, and of findings those that say what is wrong. What
//! the terminal, job summaries and annotations have in common.

use std::cmp::Reverse;

use super::{DrillReport, RunSummary};
use crate::{
    check::count,
    finding::{Finding, Verdict},
    measure::{
        WorkloadMeasures,
        rpo::{Rpo, time},
        rto::Rto,
    },
    units::Time,
};

/// `✔ pass`
pub(crate) fn mark(verdict: Verdict) -> String {
    let sign = match verdict {
        Verdict::Pass => "✔",
        Verdict::Unknown => "?",
        Verdict::Fail => "✘",
    };
    format!("{sign} {}", verdict.word())
}

/// `3 drills: 2 pass, 1 fail`
pub(crate) fn totals(run: &RunSummary) -> String {
    let drills = count(run.drills.len(), "drill");
    let tally = run.tally([Verdict::Pass, Verdict::Unknown, Verdict::Fail]);
    format!("{drills}: {tally}")
}

/// The drills of a run, the worst outcomes before the others.
pub(crate) fn worst_first(run: &RunSummary) -> Vec<&DrillReport> {
    let mut drills: Vec<&DrillReport> = run.drills.iter().collect();
    drills.sort_by_key(|drill| Reverse(drill.judged.outcome));
    drills
}

/// Those of them that are not as expected.
pub(crate) fn wrong<'d>(drills: &[&'d DrillReport]) -> impl Iterator<Item = &'d DrillReport> {
    let drills = drills.iter().copied();
    drills.filter(|drill| drill.judged.outcome != Verdict::Pass)
}

/// RPO, RTO and outage of a workload, the first two against what is demanded.
pub(crate) fn figures(drill: &DrillReport, measures: &WorkloadMeasures) -> [String; 3] {
    let demanded = drill.objectives.get(&measures.workload).cloned();
    let demanded = demanded.unwrap_or_default();
    [
        rpo(&measures.rpo, demanded.rpo),
        rto(&measures.rto, demanded.rto),
        figure(measures.outage.measured_us, None),
    ]
}

/// The findings that are red or open and were not to be so.
pub(crate) fn told(drill: &DrillReport) -> impl Iterator<Item = &Finding> {
    drill.findings.iter().filter(|one| is_told(drill, one))
}

/// The ids of findings that can't be told because of another one.
pub(crate) fn in_consequence(drill: &DrillReport) -> Option<String> {
    if drill.judged.outcome == Verdict::Pass {
        return None;
    }
    let open = drill
        .findings
        .iter()
        .filter(|one| one.verdict == Verdict::Unknown);
    let ids: Vec<&str> = open
        .filter(|one| !one.follows_from.is_empty())
        .map(|one| one.id.as_str())
        .collect();
    (!ids.is_empty()).then(|| ids.join(", "))
}

/// What is not as expected, and no finding says: one that was to fail and passed, say.
pub(crate) fn other_reasons(drill: &DrillReport) -> impl Iterator<Item = &String> {
    let shown = |reason: &&String| {
        let id = reason.split(':').next().unwrap_or_default();
        drill
            .findings
            .iter()
            .any(|one| one.id == id && one.verdict != Verdict::Pass)
            && !drill.judged.expected.contains_key(id)
    };
    let reasons = drill.judged.reasons.iter();
    reasons.filter(move |reason| !shown(reason))
}

fn is_told(drill: &DrillReport, finding: &Finding) -> bool {
    match finding.verdict {
        Verdict::Pass => false,
        Verdict::Fail => !drill.judged.met.contains(&finding.id),
        Verdict::Unknown => {
            drill.judged.outcome != Verdict::Pass && finding.follows_from.is_empty()
        }
    }
}

/// `656ms × 60 = 39.4s <= 15m`: what it stands for against what is demanded.
fn rpo(rpo: &Rpo, demanded: Option<Time>) -> String {
    against(rpo.shown(), rpo.scaled_us(), demanded)
}

/// `12.1s <= 30m`: measured against demanded.
fn figure(measured: Option<u64>, demanded: Option<Time>) -> String {
    let shown = measured.map_or_else(|| "unknown".to_owned(), time);
    against(shown, measured, demanded)
}

/// `12.1s+10m <= 30m` where people take their time, too.
fn rto(rto: &Rto, demanded: Option<Time>) -> String {
    let (own, total) = (rto.without_people_us(), rto.with_people_us());
    match (own, total) {
        (Some(own), Some(total)) if own < total => against(
            format!("{}+{}", time(own), time(total - own)),
            Some(total),
            demanded,
        ),
        _ => figure(total, demanded),
    }
}

fn against(shown: String, measured: Option<u64>, demanded: Option<Time>) -> String {
    match (measured, demanded) {
        (_, None) => shown,
        (None, Some(demanded)) => format!("{shown} of {demanded}"),
        (Some(us), Some(demanded)) => {
            let sign = if us <= demanded.micros() { "<=" } else { "> " };
            format!("{shown} {sign} {demanded}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_how_they_compare() {
        let seconds = |seconds| Some(Time(std::time::Duration::from_secs(seconds)));
        assert_eq!(figure(Some(12_100_000), seconds(1_800)), "12.1s <= 30m");
        assert_eq!(figure(Some(1_000_001), seconds(1)), "1.01s >  1s");
        assert_eq!(figure(None, seconds(1)), "unknown of 1s");
        let lost = Rpo {
            measured_us: Some(656_000),
            scale: 60,
            ..Rpo::default()
        };
        let told = rpo(&lost, seconds(900));
        assert_eq!(told, "656ms × 60 = 39.4s <= 15m");
        assert_eq!(figure(Some(0), None), "0s");
    }
}
