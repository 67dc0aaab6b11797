//! The table at the end of a run, for 80 columns.

use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::fold;
use crate::{
    finding::{Finding, Verdict},
    measure::WorkloadMeasures,
    report::{DrillReport, RunSummary, brief, write::REPORT_HTML},
    text::cut,
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
    lines.extend(brief::told(drill).map(bad));
    let following = brief::in_consequence(drill);
    lines.extend(following.map(|ids| indented(&format!("unknown in consequence: {ids}"))));
    lines.extend(brief::other_reasons(drill).map(|why| indented(why)));
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
    let [rpo, rto, outage] = brief::figures(drill, measures);
    let workload = cut(&measures.workload, 15);
    format!("  {workload:<15} {rpo:<26} {rto:<18} {outage}")
}

fn mark(verdict: Verdict) -> String {
    let color = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Unknown => AnsiColor::Yellow,
        Verdict::Fail => AnsiColor::Red,
    };
    let style = color.on_default().bold();
    format!("{style}{}{style:#}", brief::mark(verdict))
}

fn totals(run: &RunSummary) -> String {
    format!("{}  →  {}", brief::totals(run), mark(run.outcome))
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
}
