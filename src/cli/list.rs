//! `pgdrill list`: the scenarios there are.

use super::CommandResult;
use crate::{
    finding::Verdict,
    report::terminal::{self, WIDTH},
    scenario::{self, plan::Plan},
    text::cut,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenarios: files, folders, names or tags; none: all there are.
    selectors: Vec<String>,
}

pub async fn run(args: Args) -> CommandResult {
    let mut plans = scenario::load(&args.selectors, &[])?.plans;
    plans.dedup_by(|a, b| a.scenario == b.scenario);
    let names = plans.iter().map(|p| p.scenario.chars().count());
    let column = names.max().unwrap_or(0);
    for plan in &plans {
        terminal::data(&entry(plan, column));
    }
    Ok(Verdict::Pass)
}

fn entry(plan: &Plan, column: usize) -> String {
    let tags = plan.tags.join(" ");
    let head = format!("{:column$}  {tags}", plan.scenario);
    format!(
        "{}\n  {}",
        cut(head.trim_end(), WIDTH),
        cut(first_sentence(&plan.about), WIDTH - 2)
    )
}

fn first_sentence(about: &str) -> &str {
    let line = about.lines().next().unwrap_or_default();
    line.find(". ").map_or(line, |end| &line[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_one_sentence() {
        assert_eq!(first_sentence("One. Two."), "One.");
        assert_eq!(first_sentence("One line\nmore"), "One line");
    }
}
