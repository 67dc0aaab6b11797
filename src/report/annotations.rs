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
    format!(
        "::{level} file={},title={title}::{}",
        property(&drill.file),
        data(message)
    )
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
