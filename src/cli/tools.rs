//! Whether the runtime has the programs that the plans' backup tools need, asked before any drill.

use std::collections::{BTreeMap, BTreeSet};

use super::{Failure, environment};
use crate::{
    backup::{Needed, Tool, Version},
    history::Recorder,
    runtime::{Exec, Node, NodeSpec, Runtime},
    scenario::plan::Plan,
};

/// What the node is called, that is asked and removed again.
const ASKED: &str = "tools";

/// The drills whose tools are older here than they need, each with the reason. Asked for is every
/// program of a version of its own; PostgreSQL's come with the server.
///
/// # Errors
/// When a program is not there at all, or nobody can be asked.
pub async fn too_old(
    plans: &[&Plan],
    runtime: &Runtime,
) -> Result<BTreeMap<String, String>, Failure> {
    let majors: BTreeSet<u32> = plans.iter().map(|plan| plan.postgres).collect();
    let mut all = BTreeMap::new();
    for major in majors {
        let of_major = plans.iter().filter(|plan| plan.postgres == major).copied();
        let needed: Vec<(&Plan, &str, Needed)> = of_major.flat_map(needed).collect();
        if needed.is_empty() {
            continue;
        }
        let asked = ask(&needed, major, runtime).await;
        let leaked = runtime.close_drill(ASKED).await;
        all.extend(asked?);
        if let Some(left) = leaked.first() {
            return Err(environment(format!("could not be removed: {left}")));
        }
    }
    Ok(all)
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
) -> Result<BTreeMap<String, String>, Failure> {
    let spec = NodeSpec {
        drill: ASKED.into(),
        name: ASKED.into(),
        postgres: major,
        ..NodeSpec::default()
    };
    let recorder = Recorder::in_memory();
    let node = runtime
        .create(&spec, &recorder)
        .await
        .map_err(environment)?;
    let (mut there, mut too_old) = (BTreeMap::new(), BTreeMap::new());
    for (plan, backup, needed) in needed {
        let needs = || needs(plan, backup, needed, runtime.name());
        if !there.contains_key(needed.program) {
            let version = version(&node, needed).await;
            let version = version.map_err(|cause| refusal(plan, needed, &needs(), &cause, runtime));
            there.insert(needed.program, version?);
        }
        let version = there[needed.program];
        if needed.at_least.is_some_and(|least| version < least) {
            too_old.insert(plan.drill.clone(), format!("{}: it is {version}", needs()));
        }
    }
    Ok(too_old)
}

/// A program's version, or what is wrong with it.
async fn version(node: &Node, needed: &Needed) -> Result<Version, String> {
    let exec = Exec::new(needed.asked()).unrecorded();
    let Ok(output) = node.exec(exec).await else {
        return Err("it is not there".into());
    };
    let said = output.text();
    Version::of(&said).ok_or_else(|| format!("it says `{}` of its version", said.trim()))
}

fn needs(plan: &Plan, backup: &str, needed: &Needed, runtime: &str) -> String {
    let least = needed.at_least.map(|version| format!(" ≥ {version}"));
    format!(
        "backup `{backup}` of strategy `{}` needs {}{} on PostgreSQL {} ({runtime})",
        plan.strategy.name,
        needed.name,
        least.unwrap_or_default(),
        plan.postgres,
    )
}

fn refusal(plan: &Plan, needed: &Needed, needs: &str, cause: &str, runtime: &Runtime) -> Failure {
    let hint = match runtime.name() {
        "docker" => "`pgdrill images build` builds images that have it".to_owned(),
        _ => format!("install Debian's package {}", needed.package),
    };
    Failure::BadInput(format!(
        "{needs}: {cause}\n  --> {}\n  hint: {hint}",
        plan.file
    ))
}
