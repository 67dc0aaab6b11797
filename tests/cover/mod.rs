//! The representative set: of the shipped drills the cheapest that have, together, each family of
//! faults, step, target, check, expected failure, tool, kind of strategy, major version and runtime
//! at least once. Chosen by what the scenarios themselves say.

#![allow(dead_code, reason = "each test uses its own part of it")]

use std::{collections::BTreeSet, fmt, process::Command};

use pgdrill::{
    backup::{Needed, Version},
    drill::nodes,
    event::BoundaryKind,
    fault::Fault,
    runtime::local,
    scenario::{
        self,
        plan::{Action, Plan, RunFor, StrategyPlan, Target},
    },
};
use serde_json::{Value, json};

/// A runtime, and a major version of PostgreSQL on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub runtime: &'static str,
    pub postgres: Option<u32>,
}

/// `docker:17`, `local`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.runtime)?;
        self.postgres.map_or(Ok(()), |major| write!(f, ":{major}"))
    }
}

impl Place {
    /// Whether a drill can be performed there.
    fn can(&self, plan: &Plan) -> bool {
        let refused = || nodes::specs(plan).any(|spec| local::refused(&spec).is_some());
        (self.runtime == "docker" || !refused()) && self.has_programs(plan)
    }

    /// Whether PostgreSQL and the programs of a plan's tools are there in a version that serves, as
    /// far as is known.
    fn has_programs(&self, plan: &Plan) -> bool {
        let tools = || {
            plan.strategy
                .backups
                .values()
                .map(|one| one.tool.abilities())
        };
        let mut needed = tools().flat_map(|tool| tool.programs());
        tools().all(|tool| tool.postgres <= self.major())
            && needed.all(|(one, least)| self.version(&one).is_none_or(|there| there >= least))
    }

    /// Of `local` the newest that is installed.
    fn major(&self) -> u32 {
        self.postgres.unwrap_or_else(|| {
            let installed = std::fs::read_dir("/usr/lib/postgresql")
                .into_iter()
                .flatten();
            let majors = installed
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            majors.max().unwrap_or_default()
        })
    }

    /// Of a program: that of this machine, or that of Debian 12 where images are made of it, which has
    /// pgBackRest alone of those that have a version of their own.
    fn version(&self, of: &Needed) -> Option<Version> {
        let [program, version] = of.asked();
        match (self.runtime, self.postgres) {
            ("local", _) => {
                let said = Command::new(program).arg(version).output().ok()?;
                Version::of(&String::from_utf8_lossy(&said.stdout))
            }
            (_, Some(15)) => Some(Version(2, 45)),
            _later => None,
        }
    }

    /// The names of the shipped drills that can be.
    pub fn all(&self) -> Vec<String> {
        let plans = scenario::load(&[], &[17]).unwrap().plans.into_iter();
        let able = plans.filter(|plan| self.can(plan));
        able.map(|plan| plan.scenario).collect()
    }
}

/// A shipped drill at a place.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub scenario: String,
    pub place: Place,
    /// What it has.
    pub facts: BTreeSet<String>,
    /// About how many seconds it takes.
    pub cost: f64,
}

/// The cheapest set of shipped drills that leaves nothing out which any of them has.
pub fn representative(places: &[Place]) -> Vec<Candidate> {
    let plans = scenario::load(&[], &[17]).unwrap().plans;
    let at = |plan| move |place: &Place| Candidate::new(plan, *place);
    let able = |plan: &Plan, place: &&Place| place.can(plan);
    let all = plans.iter().flat_map(|plan| {
        let places = places.iter().filter(move |place| able(plan, place));
        places.map(at(plan))
    });
    let all: Vec<Candidate> = all.collect();
    without_superfluous(cover(&all))
}

/// Greedily: again and again the one that has the most for its cost of what is missing.
fn cover(all: &[Candidate]) -> Vec<&Candidate> {
    let mut missing: BTreeSet<&String> = all.iter().flat_map(|one| &one.facts).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let worth = |one: &&Candidate| {
            let new = one.facts.iter().filter(|fact| missing.contains(fact));
            new.count() as f64 / one.cost
        };
        // The first of the best.
        let best = all
            .iter()
            .rev()
            .max_by(|a, b| worth(a).total_cmp(&worth(b)));
        let best = best.expect("what is missing is somebody's");
        missing.retain(|fact| !best.facts.contains(*fact));
        chosen.push(best);
    }
    chosen
}

/// Those without which something would be left out, the most expensive asked first.
fn without_superfluous(mut chosen: Vec<&Candidate>) -> Vec<Candidate> {
    let mut by_cost = chosen.clone();
    by_cost.sort_by(|a, b| b.cost.total_cmp(&a.cost));
    for one in by_cost {
        let others = || chosen.iter().filter(|other| !std::ptr::eq(**other, one));
        let elsewhere = |fact| others().any(|other| other.facts.contains(fact));
        if one.facts.iter().all(elsewhere) {
            chosen = others().copied().collect();
        }
    }
    chosen.into_iter().cloned().collect()
}

impl Candidate {
    fn new(plan: &Plan, place: Place) -> Self {
        let mut facts = facts(plan);
        facts.insert(format!("runtime {}", place.runtime));
        facts.extend(place.postgres.map(|major| format!("postgres {major}")));
        Self {
            scenario: plan.scenario.clone(),
            place,
            facts,
            cost: cost(plan) * elsewhere(plan, place) + image(plan, place),
        }
    }
}

fn facts(plan: &Plan) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for step in &plan.steps {
        facts.insert(format!("step {}", step.action.word()));
        match &step.action {
            // Recovered from; where something else is to come out red, nobody asks how well.
            Action::Inject(fault) if plan.expect.fail.is_empty() => {
                facts.insert(format!("fault {}", family(fault)));
            }
            Action::Restore(restore) => {
                facts.insert(format!("target {}", kind(&restore.target)));
                let by = plan.strategy.backups.get(restore.from());
                let by = by.filter(|_| !plan.expect.fail.contains_key("restore"));
                facts.extend(by.map(|one| format!("restored by {}", one.tool.abilities().tool)));
            }
            _other => {}
        }
    }
    facts.extend(
        plan.checks
            .iter()
            .map(|check| format!("check {}", check.name())),
    );
    let red = plan.expect.fail.keys();
    facts.extend(red.map(|id| format!("red {}", id.split('.').next().unwrap_or_default())));
    if plan.clusters().count() < plan.servers.len() {
        facts.insert("standby".to_owned());
    }
    if nodes::specs(plan).any(|spec| spec.machine.clock.seconds_ahead() != 0) {
        facts.insert("clock".to_owned());
    }
    kinds("strategy", &choices(&plan.strategy), &mut facts);
    facts
}

/// What a strategy chooses, whatever its backups, stores and scripts are called and whichever options its
/// tools are given.
fn choices(strategy: &StrategyPlan) -> Value {
    let mut chosen = serde_json::to_value(strategy).expect("a plan is written as JSON");
    let backups = strategy.backups.values().map(|one| {
        json!({
            "tool": one.tool.abilities().tool, "keep": one.keep,
            "on": one.on.as_ref().map(|_| "another-node"),
            "stores": if one.to.len() > 1 { "several" } else { "one" },
        })
    });
    chosen["backups"] = backups.collect();
    chosen["stores"] = chosen["stores"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, store)| store.clone())
        .collect();
    chosen["scripts"] = json!(!strategy.scripts.is_empty());
    if let Some(by) = chosen["wal"].get_mut("by") {
        *by = Value::Null;
    }
    chosen
}

/// Faults are of one family that hit the same kind of thing in the same way.
pub fn family(fault: &Fault) -> String {
    let facts = fault.facts();
    let hit = facts.needs.iter().map(|need| need.word());
    let ways = [
        (facts.damages_pages, "damaged"),
        (facts.boundary == BoundaryKind::Statement, "by a statement"),
        (facts.loses_store, "lost"),
        (facts.closes_store, "closed"),
        (facts.needs_size, "full"),
        (facts.needs_s3, "misbehaving"),
        (facts.needs_archive, "archive"),
    ];
    let ways = ways.into_iter().filter(|(so, _)| *so).map(|(_, way)| way);
    let words: Vec<&str> = hit.chain(ways).collect();
    format!("{}, server {:?}", words.join(" "), facts.server_after)
}

/// The word of a target, whatever it names.
fn kind(target: &Target) -> String {
    match serde_json::to_value(target).expect("a plan is written as JSON") {
        Value::Object(of) => of.keys().next().cloned().unwrap_or_default(),
        word => word.as_str().unwrap_or_default().to_owned(),
    }
}

/// The words that a strategy chooses between, wherever they stand in it: keys, and values that are
/// one word. Its settings are the server's, its name and its texts nobody's choice.
fn kinds(at: &str, value: &Value, facts: &mut BTreeSet<String>) {
    let word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    match value {
        Value::String(text) if word(text) => _ = facts.insert(format!("{at}: {text}")),
        Value::Array(items) => items.iter().for_each(|item| kinds(at, item, facts)),
        Value::Object(map) => {
            let chosen = |key: &&String| !["name", "about", "settings"].contains(&key.as_str());
            for key in map.keys().filter(chosen) {
                facts.insert(format!("{at}: {key}"));
                kinds(key, &map[key], facts);
            }
        }
        _other => {}
    }
}

/// What is to come out red is judged alike everywhere, and soonest on this machine; what is recovered from is
/// to be seen in containers, where most people drill.
fn elsewhere(plan: &Plan, place: Place) -> f64 {
    match plan.expect.fail.is_empty() == (place.runtime == "docker") {
        true => 1.0,
        false => 1.5,
    }
}

/// An image with further packages is built first.
fn image(plan: &Plan, place: Place) -> f64 {
    match place.runtime == "docker" && !plan.packages.is_empty() {
        true => 60.0,
        false => 0.0,
    }
}

/// What is set up and looked at takes some seconds, each restore some more, and with more data all
/// of it longer; clients run as long as it says.
fn cost(plan: &Plan) -> f64 {
    let sizes = plan.databases.values().map(|database| database.size.0);
    let size = sizes.sum::<u64>() as f64 / 20e6;
    let step = |action: &Action| match action {
        Action::Run(RunFor::Time(time)) => time.0.as_secs_f64(),
        Action::Run(RunFor::Transactions { .. }) => 5.0,
        Action::Restore(_) => 2.0 * size,
        Action::Backup(_) | Action::Verify(_) => size,
        _other => 0.2,
    };
    5.0 * size + plan.steps.iter().map(|one| step(&one.action)).sum::<f64>()
}
