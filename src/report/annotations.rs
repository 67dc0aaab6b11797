//! What is wrong, as commands that GitHub Actions (and Gitea's and Forgejo's) take off a job's output: each
//! is shown beside the scenario that it comes from.
//!
//! Source of the form: GitHub's documentation, "Workflow commands for GitHub Actions".

use super::{DrillReport, RunSummary, brief};
use crate::finding::{Finding, Verdict};

/// A line each, sorted as the drills are; none where all came out as expected.
pub fn render(run: &RunSummary) -> Vec<String> {
    let wrong = |drill: &&DrillReport| drill.judged.outcome != Verdict::Pass;
    run.drills.iter().filter(wrong).flat_map(of_drill).collect()
}

fn of_drill(drill: &DrillReport) -> impl Iterator<Item = String> {
    let findings = brief::told(drill).map(|finding| of_finding(drill, finding));
    let reasons = brief::other_reasons(drill);
    let reasons = reasons.map(|why| command("error", drill, "outcome", why));
    findings.chain(reasons)
}

fn of_finding(drill: &DrillReport, finding: &Finding) -> String {
    let level = match finding.verdict {
        Verdict::Fail => "error",
        Verdict::Unknown | Verdict::Pass => "warning",
    };
    command(level, drill, &finding.id, &finding.message)
}

fn command(level: &str, drill: &DrillReport, id: &str, message: &str) -> String {
    let title = property(&format!("{}: {id}", drill.drill));
    let file = property(&drill.file);
    let line = line(drill, message).map(|line| format!(",line={line}"));
    let line = line.unwrap_or_default();
    format!(
        "::{level} file={file}{line},title={title}::{}",
        data(message)
    )
}

/// The line of the step that a message is of, which begins with `step 5 (`.
fn line(drill: &DrillReport, message: &str) -> Option<usize> {
    let (number, _) = message.strip_prefix("step ")?.split_once(' ')?;
    let number: usize = number.parse().ok()?;
    let step = drill.steps.iter().find(|step| step.number == number);
    step.map(|step| step.line).filter(|line| *line > 0)
}

/// What a command's message may not hold.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// What a command's property may not hold.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
