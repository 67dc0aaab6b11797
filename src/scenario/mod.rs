//! From a scenario file to a plan. Pure: no I/O but reading files.
//!
//! `select` finds files, `yaml` reads them, `structure` holds them against the schema
//! that `file`, `step_file` and `plan` generate, `semantics` asks whether it makes
//! sense, `expand` fills in defaults and yields a [`plan::Plan`] for each variant.

pub mod databases;
pub mod expand;
pub mod file;
pub mod format;
pub mod model;
pub mod plan;
pub mod problem;
pub mod schema;
pub mod select;
mod semantics;
pub mod step_file;
pub mod strategy;
pub mod structure;
pub(crate) mod title;
pub mod yaml;

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use databases::Databases;
use file::{ScenarioFile, StrategyChoice};
use plan::{Plan, StrategyPlan};
use problem::{Problem, Problems, Severity, Source};
use yaml::Node;

static SCENARIO: LazyLock<serde_json::Value> = LazyLock::new(schema::scenario);
static STRATEGY: LazyLock<serde_json::Value> = LazyLock::new(schema::strategy);

/// How a message begins when the types refuse what their schema let through: a bug.
pub const GAP: &str = "the schema lets through what is refused";

/// A file as text, as a tree with places, and as types.
#[derive(Clone, Debug)]
pub struct Document<T> {
    pub source: Arc<Source>,
    pub root: Node,
    pub typed: T,
}

#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// One for each variant.
    pub plans: Vec<Plan>,
    /// What can be performed, but not as it was meant.
    pub warnings: Vec<Problem>,
}

/// The plans of all selected scenarios, one for each variant.
///
/// `selectors`: files, folders, names and tags; none: everything there is.
/// `postgres`: these majors in place of each scenario's own; none: as they say.
///
/// # Errors
/// All problems of all selected files, and selectors that select nothing.
pub fn load(selectors: &[String], postgres: &[u32]) -> Result<Loaded, Problems> {
    let sources = select::find(selectors)?;
    let mut loaded = Loaded::default();
    let mut problems = Vec::new();
    for source in sources {
        if let Some(more) = Problems::noted(plans_of(source, postgres), &mut problems) {
            loaded.plans.extend(more.plans);
            loaded.warnings.extend(more.warnings);
        }
    }
    problems.extend(same_names(&loaded.plans));
    // What is wrong with an argument is wrong for every scenario, and said once.
    let mut said = HashSet::new();
    problems.retain(|problem| said.insert(problem.to_string()));
    Problems::unless(problems, loaded)
}

pub fn plans_of(source: Source, postgres: &[u32]) -> Result<Loaded, Problems> {
    let document = read::<ScenarioFile>(source, &SCENARIO)?;
    let mut problems = Vec::new();
    let strategy = Problems::noted(resolve_strategy(&document), &mut problems);
    let databases = Problems::noted(Databases::open(&document), &mut problems);
    let found = semantics::check(&document, strategy.as_ref(), databases.as_ref(), postgres);
    let (warnings, errors): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|problem| problem.severity == Severity::Warning);
    problems.extend(errors);
    match (strategy, databases) {
        (Some(strategy), Some(databases)) if problems.is_empty() => {
            let plans = expand::plans(&document, &strategy, &databases, postgres);
            match plans {
                Ok(plans) => Ok(Loaded { plans, warnings }),
                Err(problem) => Err(of(&document.source, problem).into()),
            }
        }
        (_, _) => Err(sorted(problems)),
    }
}

/// Reads a file against the schema of its types.
fn read<T: serde::de::DeserializeOwned>(
    source: Source,
    schema: &serde_json::Value,
) -> Result<Document<T>, Problems> {
    let source = Arc::new(source);
    let root = yaml::parse(&source.text).map_err(|problem| of(&source, problem))?;
    let problems = structure::check(&root, schema);
    if !problems.is_empty() {
        let all = problems.into_iter().map(|p| of(&source, p)).collect();
        return Err(sorted(all));
    }
    match serde_json::from_value(root.json()) {
        Ok(typed) => Ok(Document {
            source,
            root,
            typed,
        }),
        Err(error) => {
            let problem = Problem::at(root.place, format!("{GAP}: {error}"));
            Err(of(&source, problem).into())
        }
    }
}

/// The strategy a scenario asks for: shipped, a file of its own, or inline.
fn resolve_strategy(document: &Document<ScenarioFile>) -> Result<StrategyPlan, Problems> {
    let node = document.root.get("strategy").unwrap_or(&document.root);
    let name = match &document.typed.strategy {
        StrategyChoice::Inline(strategy) => {
            return sensible((**strategy).clone(), "inline", node, &document.source);
        }
        StrategyChoice::Named(name) => name,
    };
    let source = strategy_source(name, &document.source.path)
        .map_err(|problem| of(&document.source, problem.placed(node.place)))?;
    let found = read::<StrategyPlan>(source, &STRATEGY)?;
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.trim_end_matches(".yaml");
    sensible(found.typed, stem, &found.root, &found.source)
}

/// The strategy as it stands in a plan, with its scripts' texts, if it makes sense. `node`: where it
/// stands.
fn sensible(
    mut found: StrategyPlan,
    name: &str,
    node: &Node,
    source: &Arc<Source>,
) -> Result<StrategyPlan, Problems> {
    let mut problems = semantics::strategy(&found, node, source);
    for (name, script) in &mut found.scripts {
        match strategy::script(script, &source.path) {
            Ok(text) => *script = text,
            Err(problem) => {
                let place = semantics::place_in(node, &["scripts", name]);
                problems.push(of(source, problem.placed(place)));
            }
        }
    }
    Problems::unless(problems, found.named(name))
}

fn strategy_source(name: &str, scenario: &str) -> Result<Source, Problem> {
    if name.ends_with(".yaml") {
        return select::read_beside(scenario, name);
    }
    let text = strategy::shipped(name)
        .ok_or_else(|| Problem::unknown("strategy", name, strategy::shipped_names()))?;
    Ok(Source {
        path: format!("fixtures/strategies/{name}.yaml"),
        text: text.to_owned(),
    })
}

/// Two scenarios of one name would write over each other's evidence.
fn same_names(plans: &[Plan]) -> Vec<Problem> {
    let clash = |(index, plan): (usize, &Plan)| {
        let earlier = plans[..index].iter().find(|p| p.drill == plan.drill)?;
        (earlier.file != plan.file).then(|| {
            let message = format!("two scenarios are called `{}`", plan.scenario);
            Problem::nowhere(message).help(format!("see {} and {}", earlier.file, plan.file))
        })
    };
    plans.iter().enumerate().filter_map(clash).collect()
}

/// The problem, of this file unless it is of another already.
fn of(source: &Arc<Source>, mut problem: Problem) -> Problem {
    problem.source.get_or_insert_with(|| Arc::clone(source));
    problem
}

/// In the order of the file.
fn sorted(mut problems: Vec<Problem>) -> Problems {
    problems.sort_by_key(|p| p.place);
    Problems(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_scenarios_have_plans() {
        let loaded = load(&["quick".into()], &[]).unwrap_or_else(|p| panic!("{p}"));
        let drills: Vec<&str> = loaded.plans.iter().map(|p| p.drill.as_str()).collect();
        let expected = [
            "oa-rows-deleted-pg17",
            "oa-table-dropped-pg17",
            "server-lost-pg17",
        ];
        assert_eq!(drills, expected);
        let again = load(&["quick".into()], &[15, 18]).unwrap();
        assert_eq!(again.plans.len(), 6);
    }
}
