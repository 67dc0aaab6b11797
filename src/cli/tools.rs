//! Whether the runtime has the programs that the plans' backup tools need, asked before any drill.

use std::collections::BTreeSet;

use super::{Failure, environment};
use crate::{
    backup::{Needed, Tool, Version},
    history::Recorder,
    runtime::{Exec, Node, NodeSpec, Runtime},
    scenario::plan::Plan,
};

/// What the node is called, that is asked and removed again.
const ASKED: &str = "tools";

/// Asks for every program of a version of its own; PostgreSQL's come with the server.
pub async fn there(plans: &[Plan], runtime: &Runtime) -> Result<(), Failure> {
    let majors: BTreeSet<u32> = plans.iter().map(|plan| plan.postgres).collect();
    for major in majors {
        let of_major = plans.iter().filter(|plan| plan.postgres == major);
        let needed: Vec<(&Plan, &str, Needed)> = of_major.flat_map(needed).collect();
        if needed.is_empty() {
            continue;
        }
        let asked = ask(&needed, major, runtime).await;
        let leaked = runtime.close_drill(ASKED).await;
        asked?;
        if let Some(left) = leaked.first() {
            return Err(environment(format!("could not be removed: {left}")));
        }
    }
    Ok(())
}

/// The programs that a plan's tools need beside PostgreSQL's, each with the backup's name.
fn needed(plan: &Plan) -> impl Iterator<Item = (&Plan, &str, Needed)> {
    plan.strategy
        .backups
        .iter()
        .flat_map(move |(name, backup)| {
            let programs = backup.tool.abilities().programs();
            programs.map(move |(needed, _)| (plan, name.as_str(), needed))
        })
}

/// What this machine has of the programs that tools need, as `local` would find them.
pub fn of_this_machine() -> impl Iterator<Item = (&'static str, String)> {
    let all = Tool::all().into_iter();
    let programs = all.flat_map(|tool| tool.abilities().programs());
    programs.map(|(needed, least)| {
        let [program, version] = needed.asked();
        let asked = std::process::Command::new(program).arg(version).output();
        let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let told = match said.ok().as_deref().and_then(Version::of) {
            Some(version) if version >= least => version.to_string(),
            Some(version) => format!("{version}, and {least} is needed"),
            None => format!("not there\n  hint: Debian's package {}", needed.package),
        };
        (needed.name, told)
    })
}

async fn ask(
    needed: &[(&Plan, &str, Needed)],
    major: u32,
    runtime: &Runtime,
) -> Result<(), Failure> {
    let spec = NodeSpec {
        drill: ASKED.into(),
        name: ASKED.into(),
        postgres: major,
        ..NodeSpec::default()
    };
    let node = runtime
        .create(&spec, &Recorder::in_memory())
        .await
        .map_err(environment)?;
    let mut told = BTreeSet::new();
    for (plan, backup, needed) in needed {
        // One plan's backup may need a later version than another's.
        if told.insert((needed.program, needed.at_least))
            && let Some(cause) = lacking(&node, needed).await
        {
            return Err(Failure::BadInput(refusal(
                plan,
                backup,
                needed,
                &cause,
                runtime.name(),
            )));
        }
    }
    Ok(())
}

/// What is wrong with a program, if anything is.
async fn lacking(node: &Node, needed: &Needed) -> Option<String> {
    let exec = Exec::new(needed.asked()).unrecorded();
    let Ok(output) = node.exec(exec).await else {
        return Some("it is not there".into());
    };
    let said = output.text();
    match Version::of(&said) {
        Some(version) if needed.at_least.is_some_and(|least| version < least) => {
            Some(format!("it is {version}"))
        }
        Some(_) => None,
        None => Some(format!("it says `{}` of its version", said.trim())),
    }
}

fn refusal(plan: &Plan, backup: &str, needed: &Needed, cause: &str, runtime: &str) -> String {
    let least = needed.at_least.map(|version| format!(" ≥ {version}"));
    let hint = match runtime {
        "docker" => "`pgdrill images build` builds images that have it".to_owned(),
        _ => format!("install Debian's package {}", needed.package),
    };
    format!(
        "backup `{backup}` of strategy `{}` needs {}{} on PostgreSQL {} ({runtime}): {cause}\n  \
         --> {}\n  hint: {hint}",
        plan.strategy.name,
        needed.name,
        least.unwrap_or_default(),
        plan.postgres,
        plan.file,
    )
}
