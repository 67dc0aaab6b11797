//! The table at the end of a run, for 80 columns.

use std::path::Path;

use anstyle::{AnsiColor, Style};

use crate::{
    finding::{Finding, Verdict},
    measure::{
        WorkloadMeasures,
        rpo::{demanded_us, time},
    },
    report::{DrillReport, RunSummary, write::REPORT_HTML},
    units::Time,
};

const WIDTH: usize = 80;

pub(super) fn render(run: &RunSummary, dir: &Path) -> String {
    let mut lines = vec![String::new(), header()];
    for drill in &run.drills {
        lines.extend(block(drill));
    }
    lines.push(String::new());
    lines.push(totals(run));
    lines.push(format!("report: {}", dir.join(REPORT_HTML).display()));
    lines.join("\n")
}

fn header() -> String {
    let bold = Style::new().bold();
    format!(
        "{bold}{:<24}{:<21}{:<18}{:<9}verdict{bold:#}",
        "drill, workload", "RPO", "RTO", "outage"
    )
}

fn block(drill: &DrillReport) -> Vec<String> {
    let name = shorten(&drill.drill, 62);
    let dots = "·".repeat(70usize.saturating_sub(name.chars().count()));
    let dim = Style::new().dimmed();
    let mut lines = vec![format!(
        "{name} {dim}{dots}{dim:#} {}",
        mark(drill.judged.outcome)
    )];
    lines.extend(drill.measures.iter().map(|measures| row(drill, measures)));
    if !drill.judged.met.is_empty() {
        lines.extend(wrap(
            "  ",
            &format!("as expected red: {}", drill.judged.met.join(", ")),
        ));
    }
    lines.extend(
        drill
            .findings
            .iter()
            .filter(|one| is_told(drill, one))
            .flat_map(bad),
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
    lines.extend(others.flat_map(|why| wrap("  ", why)));
    lines
}

/// Findings that can't be told because of another one, named in one line.
fn following(drill: &DrillReport) -> Vec<String> {
    if drill.judged.outcome == Verdict::Pass {
        return Vec::new();
    }
    let open = drill
        .findings
        .iter()
        .filter(|one| one.verdict == Verdict::Unknown);
    let ids: Vec<&str> = open
        .filter(|one| !one.follows_from.is_empty())
        .map(|one| one.id.as_str())
        .collect();
    if ids.is_empty() {
        return Vec::new();
    }
    wrap("  ", &format!("unknown in consequence: {}", ids.join(", ")))
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

fn bad(finding: &Finding) -> Vec<String> {
    let word = finding.verdict.word();
    wrap("  ", &format!("{word} {}: {}", finding.id, finding.message))
}

fn row(drill: &DrillReport, measures: &WorkloadMeasures) -> String {
    let demanded = drill
        .objectives
        .get(&measures.workload)
        .cloned()
        .unwrap_or_default();
    let scale = measures.rpo.scale;
    let rpo_demanded = demanded.rpo.map(|one| demanded_us(one, scale));
    let rto_demanded = demanded.rto.map(Time::micros);
    format!(
        "  {:<22}{:<21}{:<18}{:<9}",
        shorten(&measures.workload, 21),
        figure(measures.rpo.measured_us, rpo_demanded),
        figure(measures.rto.with_people_us(), rto_demanded),
        figure(measures.outage.measured_us, None),
    )
    .trim_end()
    .to_owned()
}

/// `12.1s <= 30m`: measured against demanded, both in the drill's time.
fn figure(measured: Option<u64>, demanded: Option<u64>) -> String {
    let shown = measured.map_or_else(|| "unknown".to_owned(), time);
    match (measured, demanded) {
        (_, None) => shown,
        (None, Some(demanded)) => format!("{shown} of {}", time(demanded)),
        (Some(us), Some(demanded)) => {
            let sign = if us <= demanded { "<=" } else { "> " };
            format!("{shown} {sign} {}", time(demanded))
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
    let count = |verdict: Verdict| {
        run.drills
            .iter()
            .filter(|drill| drill.judged.outcome == verdict)
            .count()
    };
    let drills = crate::check::count(run.drills.len(), "drill");
    let parts = [Verdict::Pass, Verdict::Unknown, Verdict::Fail].map(|verdict| {
        let n = count(verdict);
        (n > 0).then(|| format!("{n} {}", verdict.word()))
    });
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{drills}: {}  →  {}", parts.join(", "), mark(run.outcome))
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// Wraps at 80 columns, further lines indented by four more.
fn wrap(indent: &str, text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        let margin = indent.len() + 4;
        if !line.is_empty() && margin + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(space);
            line.push_str(word);
        }
    }
    let margin = |number: usize| {
        if number == 0 {
            indent.to_owned()
        } else {
            format!("{indent}    ")
        }
    };
    lines
        .iter()
        .enumerate()
        .map(|(number, line)| margin(number) + line)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_at_eighty_columns() {
        let lines = wrap("  ", &"fail rpo.oa lost something ".repeat(9));
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines[1].starts_with("      ") && !lines[0].starts_with("   "));
    }

    #[test]
    fn figures_say_how_they_compare() {
        assert_eq!(
            figure(Some(12_100_000), Some(1_800_000_000)),
            "12.1s <= 30m"
        );
        assert_eq!(figure(Some(2_000_000), Some(1_000_000)), "2s >  1s");
        assert_eq!(figure(None, Some(1_000_000)), "unknown of 1s");
        assert_eq!(figure(Some(0), None), "0s");
    }
}
