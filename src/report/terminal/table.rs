//! The table at the end of a run, for 80 columns.

use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::fold;
use crate::{
    finding::{Finding, Verdict},
    measure::{
        WorkloadMeasures,
        rpo::{Rpo, time},
        rto::Rto,
    },
    report::{DrillReport, RunSummary, write::REPORT_HTML},
    text::cut,
    units::Time,
};

pub(super) fn render(run: &RunSummary, dir: &Path) -> String {
    let mut lines = vec![String::new(), header()];
    for drill in &run.drills {
        lines.extend(block(drill));
    }
    for skipped in &run.skipped {
        lines.push(named(&skipped.drill, "- skipped"));
        lines.push(indented(&skipped.why));
    }
    lines.push(String::new());
    lines.push(totals(run));
    lines.push(format!("report: {}", dir.join(REPORT_HTML).display()));
    lines.join("\n")
}

fn header() -> String {
    let bold = Style::new().bold();
    format!(
        "{bold}{:<18}{:<27}{:<19}{:<7}verdict{bold:#}",
        "drill, workload", "RPO", "RTO", "outage"
    )
}

fn block(drill: &DrillReport) -> Vec<String> {
    let mut lines = vec![title(&drill.drill, drill.judged.outcome)];
    lines.extend(drill.measures.iter().map(|measures| row(drill, measures)));
    if !drill.judged.met.is_empty() {
        let met = drill.judged.met.join(", ");
        lines.push(indented(&format!("as expected red: {met}")));
    }
    lines.extend(
        drill
            .findings
            .iter()
            .filter(|one| is_told(drill, one))
            .map(bad),
    );
    lines.extend(following(drill));
    let shown = |reason: &&String| {
        let id = reason.split(':').next().unwrap_or_default();
        drill
            .findings
            .iter()
            .any(|one| one.id == id && one.verdict != Verdict::Pass)
            && !drill.judged.expected.contains_key(id)
    };
    let others = drill.judged.reasons.iter().filter(|reason| !shown(reason));
    lines.extend(others.map(|why| indented(why)));
    lines
}

fn title(drill: &str, outcome: Verdict) -> String {
    named(drill, &mark(outcome))
}

fn named(drill: &str, mark: &str) -> String {
    let name = cut(drill, 62);
    let dots = "·".repeat(69usize.saturating_sub(name.chars().count()));
    let dim = Style::new().dimmed();
    format!("{name} {dim}{dots}{dim:#} {mark}")
}

/// Findings that can't be told because of another one, named in one line.
fn following(drill: &DrillReport) -> Option<String> {
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
    (!ids.is_empty()).then(|| indented(&format!("unknown in consequence: {}", ids.join(", "))))
}

/// What is red or open and was not to be so.
fn is_told(drill: &DrillReport, finding: &Finding) -> bool {
    match finding.verdict {
        Verdict::Pass => false,
        Verdict::Fail => !drill.judged.met.contains(&finding.id),
        Verdict::Unknown => {
            drill.judged.outcome != Verdict::Pass && finding.follows_from.is_empty()
        }
    }
}

fn bad(finding: &Finding) -> String {
    let word = finding.verdict.word();
    indented(&format!("{word} {}: {}", finding.id, finding.message))
}

/// A drill's particulars stand below its name; words only, on as many lines as it takes.
fn indented(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    fold(&format!("  {}", words.join(" ")), None)
}

fn row(drill: &DrillReport, measures: &WorkloadMeasures) -> String {
    let demanded = drill
        .objectives
        .get(&measures.workload)
        .cloned()
        .unwrap_or_default();
    format!(
        "  {:<15} {:<26} {:<18} {}",
        cut(&measures.workload, 15),
        rpo(&measures.rpo, demanded.rpo),
        rto(&measures.rto, demanded.rto),
        figure(measures.outage.measured_us, None),
    )
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

fn mark(verdict: Verdict) -> String {
    let (sign, color) = match verdict {
        Verdict::Pass => ("✔", AnsiColor::Green),
        Verdict::Unknown => ("?", AnsiColor::Yellow),
        Verdict::Fail => ("✘", AnsiColor::Red),
    };
    let style = color.on_default().bold();
    format!("{style}{sign} {}{style:#}", verdict.word())
}

fn totals(run: &RunSummary) -> String {
    let drills = crate::check::count(run.drills.len(), "drill");
    let tally = run.tally([Verdict::Pass, Verdict::Unknown, Verdict::Fail]);
    format!("{drills}: {tally}  →  {}", mark(run.outcome))
}

#[cfg(test)]
mod tests {
    use super::{super::WIDTH, *};

    #[test]
    fn a_title_fits_and_its_verdict_stands_below_its_head() {
        let plain = |styled: &str| anstream::adapter::strip_str(styled).to_string();
        let title = plain(&title(&"x".repeat(63), Verdict::Unknown));
        assert_eq!(title.chars().count(), WIDTH);
        let column = plain(&header()).find("verdict").unwrap();
        let below: String = title.chars().skip(column).collect();
        assert_eq!(below, "? unknown");
    }

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
