//! Whether a scenario that is well formed makes sense: names that exist, targets that
//! can be reached, steps in an order that can be performed.
//!
//! The form itself is held against the schema in `structure`.

mod at_stake;
mod databases;
mod expectation;
mod faults;
mod names;
mod nodes;
mod recovery;
mod relations;
mod steps;
mod strategy;

use std::sync::Arc;

use super::{
    Document,
    databases::Databases,
    file::ScenarioFile,
    plan::StrategyPlan,
    problem::{Problem, Source},
    yaml::{Node, Position},
};

pub use strategy::check as strategy;

/// The majors of PostgreSQL that there are images for.
static MATRIX: &str = include_str!("../../../fixtures/images/matrix.yaml");

/// Everything that does not make sense in a scenario, and warnings. `strategy` and `databases`:
/// when they could be resolved.
pub fn check(
    document: &Document<ScenarioFile>,
    strategy: Option<&StrategyPlan>,
    databases: Option<&Databases>,
    postgres: &[u32],
) -> Vec<Problem> {
    let mut check = Check {
        file: &document.typed,
        root: &document.root,
        source: &document.source,
        strategy,
        databases,
        problems: Vec::new(),
    };
    check.matrix(postgres);
    check.databases();
    check.names();
    check.nodes();
    check.workloads();
    check.objectives();
    check.scale();
    check.steps();
    check.expectation();
    check.at_stake();
    check.problems
}

/// The supported majors, in the order of the matrix.
pub fn supported_majors() -> Vec<u32> {
    let major = |entry: &Node| entry.get("postgres")?.json().as_u64().map(|n| n as u32);
    let matrix = super::yaml::parse(MATRIX).expect("the matrix is YAML");
    matrix.items().iter().filter_map(major).collect()
}

/// A check in progress.
struct Check<'a> {
    file: &'a ScenarioFile,
    root: &'a Node,
    source: &'a Arc<Source>,
    strategy: Option<&'a StrategyPlan>,
    databases: Option<&'a Databases>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, problem: Problem) {
        let source = Some(Arc::clone(self.source));
        self.problems.push(Problem { source, ..problem });
    }

    /// A problem with the value that the path leads to.
    fn wrong(&mut self, path: &[&str], problem: impl Into<Problem>) {
        self.problem(problem.into().placed(self.place(path)));
    }

    /// A problem with the last key of a path.
    fn wrong_key(&mut self, path: &[&str], problem: impl Into<Problem>) {
        self.problem(problem.into().placed(self.key_place(path)));
    }

    /// Position of a value, as near as the path leads.
    fn place(&self, path: &[&str]) -> Position {
        place_in(self.root, path)
    }

    /// Position of the last key of a path.
    fn key_place(&self, path: &[&str]) -> Position {
        let (last, above) = path.split_last().expect("a path has a key");
        let parent = follow(self.root, above);
        let entry = parent.entry(last);
        entry.map_or(parent.place, |(key, _)| key.place)
    }
}

/// Position of a value below a node, as near as the path leads.
pub fn place_in(node: &Node, path: &[&str]) -> Position {
    follow(node, path).place
}

fn follow<'n>(node: &'n Node, path: &[&str]) -> &'n Node {
    let Some((first, rest)) = path.split_first() else {
        return node;
    };
    let item = || node.items().get(first.parse::<usize>().ok()?);
    let next = node.get(first).or_else(item);
    next.map_or(node, |next| follow(next, rest))
}
