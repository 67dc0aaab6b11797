//! `pgdrill plan`: what would be done, in order, without doing it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::CommandResult;
use crate::{
    backup::Tool,
    check::count,
    finding::Verdict,
    report::terminal::{self, fold},
    scenario::{
        self,
        plan::{
            BackupPlan, CheckKind, DatabasePlan, HumanSpans, Objectives, PRIMARY, Plan, Retention,
            Step, TargetAction, Wal, WorkloadPlan,
        },
    },
    store::LOCAL,
    text::{line, on_one_line},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenarios: files, folders, names or tags.
    #[arg(required = true)]
    selectors: Vec<String>,
    /// These majors of PostgreSQL in place of the scenarios' own.
    #[arg(long, value_name = "MAJOR")]
    postgres: Vec<u32>,
    /// Text for people or JSON for programs.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: a list of plans.
    Json,
}

pub async fn run(args: Args) -> CommandResult {
    let loaded = scenario::load(&args.selectors, &args.postgres)?;
    super::warn(&loaded.warnings);
    let plans = loaded.plans;
    match args.format {
        Format::Json => terminal::data(&json(&plans)?),
        Format::Text => {
            let texts: Vec<String> = plans.iter().map(text).collect();
            terminal::data(&texts.join("\n\n"));
        }
    }
    Ok(Verdict::Pass)
}

fn json(plans: &[Plan]) -> Result<String, super::Failure> {
    serde_json::to_string_pretty(plans)
        .map_err(|cause| super::environment(format!("cannot write the plans: {cause}")))
}

/// What is told, and under which word; nothing is told of what is empty.
type Fact = (&'static str, String);

fn text(plan: &Plan) -> String {
    let about = format!("    {}", on_one_line(&plan.about));
    let mut lines = vec![plan.drill.clone(), fold(&about, Some(4))];
    let facts = [place(plan), business(plan), backups(plan), judged(plan)].concat();
    let told = facts.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(told.map(|(word, value)| fold(&format!("  {word:<11} {value}"), Some(14))));
    lines.push("  steps".into());
    lines.extend(plan.steps.iter().enumerate().map(step));
    lines.join("\n")
}

fn step((at, step): (usize, &Step)) -> String {
    let (title, deadline) = (&step.title, step.deadline);
    let line = format!("    {:>2}  {title}  (at most {deadline})", at + 1);
    fold(&line, Some(12))
}

fn place(plan: &Plan) -> Vec<Fact> {
    let scale = match plan.scale {
        1 => String::new(),
        scale => format!("1 s stands for {scale} s"),
    };
    let mut facts = vec![
        ("file", plan.file.clone()),
        ("postgres", plan.postgres.to_string()),
        ("packages", plan.packages.join(", ")),
        ("scale", scale),
    ];
    facts.extend(entries("server", &plan.servers, PRIMARY));
    facts.extend(entries("node", &plan.nodes, ""));
    facts
}

fn business(plan: &Plan) -> Vec<Fact> {
    let data = plan.databases.iter();
    let data = data.map(|(name, database)| ("data", data_of(plan, name, database)));
    let workloads = plan.workloads.values();
    let workloads = workloads.map(|workload| ("workload", describe(workload)));
    data.chain(workloads).collect()
}

fn data_of(plan: &Plan, name: &str, database: &DatabasePlan) -> String {
    let size = match database.size.0 {
        0 => String::new(),
        _ => format!(", {}", database.size),
    };
    let mut model = plan.told(&database.model, name);
    if plan.clusters().count() > 1 {
        model = format!("{model} on {}", database.server);
    }
    format!("{model}{size}, seed {}", plan.seed)
}

fn backups(plan: &Plan) -> Vec<Fact> {
    let told = &plan.strategy;
    let mut facts = vec![
        ("strategy", strategy(plan)),
        ("settings", stated(&written(&told.settings), &Json::Null)),
    ];
    facts.extend(entries("store", &told.stores, LOCAL));
    let all = told.backups.iter();
    facts.extend(all.map(|(name, one)| ("backup", format!("{name}: {{ {} }}", backup(one)))));
    let retention = stated(&written(&told.retention), &written(&Retention::default()));
    facts.extend([("retention", retention), ("recovery", recovery(plan))]);
    facts
}

/// The tool first, and then what is stated beside it.
fn backup(backup: &BackupPlan) -> String {
    let word = backup.tool.abilities().tool;
    let mut tools = Tool::all().into_iter().map(|tool| written(&tool));
    let usual = tools.find(|tool| tool.get(word).is_some());
    let mut told = written(backup);
    let tool = entry(word, &told[word].take(), &usual.unwrap_or_default()[word]);
    let beside = stated(&told, &json!({"to": [LOCAL]}));
    match beside.is_empty() {
        true => tool,
        false => format!("{tool}, {beside}"),
    }
}

fn judged(plan: &Plan) -> Vec<Fact> {
    let objectives = plan.objectives.iter();
    let objectives =
        objectives.map(|(workload, one)| ("objectives", format!("{workload}: {}", demands(one))));
    let human = stated(&written(&plan.human), &written(&HumanSpans::default()));
    let rest = [
        ("human", human),
        ("checks", checks(plan)),
        ("expected", expected(plan)),
        ("deadline", plan.deadline.to_string()),
    ];
    objectives.chain(rest).collect()
}

/// Each by its name, with what is stated of it; not the one that is there anyway, if nothing is.
fn entries<T: Serialize + Default>(
    word: &'static str,
    all: &BTreeMap<String, T>,
    always: &str,
) -> Vec<Fact> {
    let usual = written(&T::default());
    let told = all
        .iter()
        .map(|(name, one)| entry(name, &written(one), &usual));
    let told = told.filter(|told| told != always);
    told.map(|told| (word, told)).collect()
}

fn entry(name: &str, value: &Json, usual: &Json) -> String {
    match (value, stated(value, usual)) {
        (_, told) if told.is_empty() => name.to_owned(),
        (Json::Object(_), told) => format!("{name}: {{ {told} }}"),
        (Json::Array(_), told) => format!("{name}: [{told}]"),
        (_, told) => format!("{name}: {told}"),
    }
}

/// What is stated beyond the usual, as a scenario writes it.
fn stated(value: &Json, usual: &Json) -> String {
    let told: Vec<String> = match value {
        Json::Object(fields) => {
            let beyond = fields.iter().filter(|(name, one)| **one != usual[*name]);
            beyond
                .map(|(name, one)| entry(name, one, &usual[name]))
                .collect()
        }
        Json::Array(items) => items.iter().map(|one| stated(one, &Json::Null)).collect(),
        Json::String(text) => vec![line(text)],
        other => vec![other.to_string()],
    };
    told.join(", ")
}

fn written(of: &impl Serialize) -> Json {
    serde_json::to_value(of).unwrap_or_default()
}

fn describe(workload: &WorkloadPlan) -> String {
    let kinds = count(workload.business.transactions.len(), "kind");
    let role = &workload.business.role;
    format!(
        "{}: {kinds} of transaction as {role}, {} clients, {}",
        workload.name, workload.clients, workload.rate
    )
}

fn strategy(plan: &Plan) -> String {
    let archive = match &plan.strategy.wal {
        Wal::Safe => "WAL archived by pgdrill's own command".to_owned(),
        Wal::None => "no WAL archive".to_owned(),
        Wal::Command(command) => format!("WAL archived by `{command}`"),
        Wal::By(backup) => format!("WAL archived by the tool of `{backup}`"),
    };
    format!("{}: {archive}", plan.strategy.name)
}

fn recovery(plan: &Plan) -> String {
    let recovery = &plan.strategy.recovery;
    let then = match recovery.target_action {
        Some(TargetAction::Promote) => "promoted at a target",
        Some(TargetAction::Shutdown) => "shut down at a target",
        Some(TargetAction::Pause) => "paused at a target",
        None => "paused at a target, as no `recovery_target_action` is stated",
    };
    let of_archive = plan
        .strategy
        .archive()
        .map(|archive| archive.restore_command);
    match recovery.restore_command.clone().or(of_archive) {
        Some(command) => format!("`{command}`, {then}"),
        None => "none: a backup is restored as it is".to_owned(),
    }
}

fn demands(objectives: &Objectives) -> String {
    let word = |name: &str| match name {
        "rpo" | "rto" => name.to_uppercase(),
        _ => name.to_owned(),
    };
    let demands = objectives.demands().into_iter();
    let told = demands.map(|(name, value)| format!("{} {value}", word(name)));
    told.collect::<Vec<_>>().join(", ")
}

/// Those that apply; where they are most of all there are, by those that do not.
fn checks(plan: &Plan) -> String {
    let made = |kind: &CheckKind| plan.checks.contains(kind) && applies(plan, *kind);
    let (made, left): (Vec<_>, Vec<_>) = CheckKind::ALL.into_iter().partition(made);
    let names = |kinds: &[CheckKind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    match left.len() {
        0 => format!("all {}", made.len()),
        few if few < made.len() => format!("all but {}", names(&left).join(", ")),
        _ => names(&made).join(", "),
    }
}

fn applies(plan: &Plan, check: CheckKind) -> bool {
    match check {
        CheckKind::Archive => plan.strategy.archive().is_some(),
        _ => !(check.is_of_clients() && plan.workloads.is_empty()),
    }
}

fn expected(plan: &Plan) -> String {
    if plan.expect.fail.is_empty() {
        return "pass".into();
    }
    let fails = plan
        .expect
        .fail
        .iter()
        .map(|(id, text)| format!("{id} fails (“{text}”)"));
    fails.collect::<Vec<_>>().join(", ")
}
