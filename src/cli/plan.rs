//! `pgdrill plan`: what would be done, in order, without doing it.

use super::CommandResult;
use crate::{
    finding::Verdict,
    report::terminal::{self, fold},
    scenario::{
        self,
        plan::{CheckKind, Objectives, Plan, TargetAction, Wal, WorkloadPlan},
    },
    text::on_one_line,
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

fn text(plan: &Plan) -> String {
    let about = on_one_line(&plan.about);
    let mut lines = vec![plan.drill.clone()];
    lines.push(fold(&format!("    {about}"), Some(4)));
    let mut fact = |name: &str, value: String| {
        lines.push(fold(&format!("  {name:<11} {value}"), Some(14)));
    };
    fact("file", plan.file.clone());
    fact("postgres", plan.postgres.to_string());
    if !plan.packages.is_empty() {
        fact("packages", plan.packages.join(", "));
    }
    if plan.scale > 1 {
        fact("scale", format!("1 s stands for {} s", plan.scale));
    }
    for (name, server) in &plan.servers {
        if let Some(of) = &server.standby_of {
            fact("standby", format!("{name} of {of}"));
        }
    }
    for name in plan.nodes.keys() {
        fact("node", name.clone());
    }
    for (name, database) in &plan.databases {
        let size = match database.size.0 {
            0 => String::new(),
            _ => format!(", {}", database.size),
        };
        let mut model = plan.told(&database.model, name);
        if plan.clusters().count() > 1 {
            model = format!("{model} on {}", database.server);
        }
        fact("data", format!("{model}{size}, seed {}", plan.seed));
    }
    for workload in plan.workloads.values() {
        fact("workload", describe(workload));
    }
    fact("strategy", strategy(plan));
    fact("recovery", recovery(plan));
    for (workload, objectives) in &plan.objectives {
        fact("objectives", format!("{workload}: {}", demands(objectives)));
    }
    fact("checks", checks(plan));
    fact("expected", expected(plan));
    fact("deadline", plan.deadline.to_string());
    lines.push("  steps".into());
    let steps = plan.steps.iter().enumerate();
    lines.extend(steps.map(|(i, step)| {
        let line = format!(
            "    {:>2}  {}  (at most {})",
            i + 1,
            step.title,
            step.deadline
        );
        fold(&line, Some(12))
    }));
    lines.join("\n")
}

fn describe(workload: &WorkloadPlan) -> String {
    let kinds = match workload.business.transactions.len() {
        1 => "1 transaction".to_owned(),
        many => format!("{many} transactions"),
    };
    let role = &workload.business.role;
    format!(
        "{}: {kinds} as {role}, {} clients, {}",
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

fn checks(plan: &Plan) -> String {
    if plan.checks == CheckKind::ALL {
        return format!("all {}", plan.checks.len());
    }
    let names: Vec<&str> = plan.checks.iter().map(|kind| kind.name()).collect();
    names.join(", ")
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
