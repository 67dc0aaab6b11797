//! Scenario files: the corpus of bad ones beside their exact messages, the shipped
//! ones, the checked-in schema, and the subcommands that read them.

mod cover;
#[path = "scenario/hostile.rs"]
mod hostile;

use std::{collections::HashSet, fs, path::Path};

use assert_cmd::Command;
use cover::Place;
use pgdrill::{
    backup::Tool,
    fault::Fault,
    scenario::{
        self,
        plan::{Action, CheckKind, PRIMARY, Plan},
        problem::Source,
    },
};

/// Set to write what the tests compare with.
const UPDATE: &str = "PGDRILL_UPDATE_EXPECTED";

fn pgdrill(args: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgdrill"));
    command
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("pgdrill runs")
}

/// Holds a text against a file of the repository.
fn compare(path: &Path, text: &str) {
    if std::env::var_os(UPDATE).is_some() {
        fs::write(path, text).expect("the expected text can be written");
        return;
    }
    let expected = fs::read_to_string(path)
        .unwrap_or_else(|e| panic!("{}: {e}; set {UPDATE}=1 to write it", path.display()));
    assert_eq!(text, expected, "{} differs", path.display());
}

#[test]
fn every_bad_scenario_has_exactly_its_message() {
    let sources = scenario::select::find(&["fixtures/bad-scenarios".into()]).unwrap();
    assert!(sources.len() >= 40, "only {} bad scenarios", sources.len());
    for source in sources {
        let path = Path::new(&source.path).with_extension("txt");
        let problems = scenario::plans_of(source.clone(), &[])
            .err()
            .unwrap_or_else(|| panic!("{} is not refused", source.path));
        compare(&path, &format!("{problems}\n"));
    }
}

/// What a lost server loses is judged only where more than the objective is at stake.
#[test]
fn an_objective_that_no_loss_could_miss_is_warned_of() {
    let warned = |run: &str, scale: u32| {
        let path = "scenarios/s0/server-lost.yaml".to_owned();
        let text = format!(
            "name: a\nabout: A.\nscale: {scale}\ndata: {{ model: dual-tenant, size: 20MB }}\n\
             workloads:\n  oa: {{ clients: 1, rate: 20/s }}\nstrategy: base-and-wal\nsteps:\n\
             - backup: main\n- run: {run}\n- inject: lose-server\n\
             - restore: {{ into: other, target: latest }}\n- verify: other\n\
             - cut-over: {{ to: other }}\n- run: 1s\n\
             objectives:\n  oa: {{ rpo: 5m, rto: 30m }}\n"
        );
        let loaded = scenario::plans_of(Source { path, text }, &[]);
        loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .warnings
    };
    let warnings = warned("5s", 60);
    insta::assert_snapshot!(warnings[0].to_string());
    assert!(warned("6s", 60).is_empty());
    assert!(warned("{ transactions: 100 }", 1).is_empty());
}

/// The strategy's `archive_timeout` is divided only where a server does not state its own.
#[test]
fn a_servers_own_archive_timeout_is_the_one_that_is_scaled() {
    let loaded = |timeout: &str| {
        let path = "scenarios/s0/server-lost.yaml".to_owned();
        let text = format!(
            "name: a\nabout: A.\nscale: 600\ndata: {{ model: dual-tenant, size: 20MB }}\n\
             servers:\n  primary: {{ settings: {{ archive_timeout: {timeout} }} }}\n\
             strategy: base-and-wal\nsteps:\n- backup: main\n"
        );
        scenario::plans_of(Source { path, text }, &[]).map(|loaded| loaded.plans)
    };
    let plan = loaded("10min").unwrap().remove(0);
    let settings = plan.settings(&plan.servers[PRIMARY]);
    assert_eq!(settings["archive_timeout"], "1s");
    let refused = loaded("5min").unwrap_err().to_string();
    assert!(refused.contains("below 1 s"), "{refused}");
}

#[test]
fn an_objective_that_no_recovery_could_miss_is_warned_of() {
    let warned = |deadline: &str| {
        let path = "scenarios/s0/server-crashed.yaml".to_owned();
        let text = format!(
            "name: a\nabout: A.\ndata: {{ model: dual-tenant, size: 20MB }}\n\
             workloads:\n  oa: {{ clients: 1, rate: 20/s }}\nstrategy: base-and-wal\nsteps:\n\
             - inject: crash-server\n- start: primary\n- verify: primary\n- run: 1s\n\
             objectives:\n  oa: {{ rto: 1h }}\nhuman: {{ detect: 5m, decide: 5m }}\n{deadline}"
        );
        let loaded = scenario::plans_of(Source { path, text }, &[]).unwrap();
        let warnings = loaded.warnings.iter().map(ToString::to_string);
        warnings.collect::<Vec<_>>()
    };
    insta::assert_snapshot!(warned("deadline: 50m\n")[0]);
    assert!(warned("deadline: 51m\n").is_empty());
    assert!(warned("").is_empty());
}

/// The faults that shipped scenarios inject, where nothing else is to come out red.
fn shipped_faults(plans: &[Plan]) -> impl Iterator<Item = &Fault> {
    let recovered = plans.iter().filter(|plan| plan.expect.fail.is_empty());
    let actions = recovered.flat_map(|plan| &plan.steps);
    actions.filter_map(|step| match &step.action {
        Action::Inject(fault) => Some(fault),
        _other => None,
    })
}

#[test]
fn every_fault_is_injected_by_a_shipped_scenario() {
    let schema = scenario::schema::scenario();
    let faults = schema["$defs"]["Fault"]["oneOf"].as_array().unwrap();
    let word = |one: &serde_json::Value| {
        let word = one["const"].as_str().or(one["required"][0].as_str());
        word.unwrap().to_owned()
    };
    let plans = scenario::load(&[], &[17]).unwrap().plans;
    let had: HashSet<&str> = shipped_faults(&plans).map(Fault::word).collect();
    let all = faults.iter().map(word);
    let missing: Vec<String> = all.filter(|fault| !had.contains(fault.as_str())).collect();
    assert!(missing.is_empty(), "no drill has {missing:?}");
}

/// What `ci/test` drills has every family of faults, every step and every tool, and turns every check
/// red once.
#[test]
fn the_representative_set_leaves_nothing_out() {
    let at = |runtime, postgres| Place { runtime, postgres };
    let docker = [17, 15, 18].map(|major| at("docker", Some(major)));
    let chosen = cover::representative(&[&docker[..], &[at("local", None)]].concat());
    let had: HashSet<&str> = chosen
        .iter()
        .flat_map(|one| &one.facts)
        .map(String::as_str)
        .collect();
    let plans = scenario::load(&[], &[17]).unwrap().plans;
    let fault = |fault: &Fault| format!("fault {}", cover::family(fault));
    let tool = |tool: Tool| format!("restored by {}", tool.abilities().tool);
    let named = |kind: &'static str| move |name: &str| format!("{kind} {name}");
    let checks = CheckKind::ALL.map(CheckKind::name);
    let wanted = (shipped_faults(&plans).map(fault))
        .chain(Tool::all().into_iter().map(tool))
        .chain(Action::WORDS.iter().copied().map(named("step")))
        .chain(checks.map(named("check")))
        .chain(checks.map(named("red")))
        .chain(["15", "17", "18"].map(named("postgres")))
        .chain(["docker", "local"].map(named("runtime")));
    let missing: Vec<String> = wanted.filter(|fact| !had.contains(fact.as_str())).collect();
    assert!(missing.is_empty(), "no drill has {missing:?}");
    assert!(
        chosen.len() < plans.len() / 2,
        "{} of {}",
        chosen.len(),
        plans.len()
    );
}

/// No shipped drill depends on less than its objective being at stake.
#[test]
fn no_shipped_scenario_is_warned_of() {
    let loaded = scenario::load(&[], &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n\n"));
}

#[test]
fn no_message_is_left_without_its_scenario() {
    for entry in fs::read_dir("fixtures/bad-scenarios").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            assert!(path.with_extension("yaml").exists(), "{}", path.display());
        }
    }
}

#[test]
fn the_schema_is_the_checked_in_one() {
    let schema = format!("{:#}\n", scenario::schema::scenario());
    compare(Path::new("fixtures/scenario.schema.json"), &schema);
    let output = pgdrill(&["schema"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), schema);
}

#[test]
fn every_shipped_scenario_is_sound_and_says_so() {
    let output = pgdrill(&["check", "scenarios"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// A drill is judged by the plan in its `plan.json`: it must be the plan that was performed.
#[test]
fn every_shipped_plan_reads_back_as_written() {
    let plans = scenario::load(&[], &[]).unwrap().plans;
    assert!(plans.len() >= 30, "only {} plans", plans.len());
    for plan in plans {
        let text = serde_json::to_string_pretty(&plan).unwrap();
        let read: scenario::plan::Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(read, plan, "{text}");
    }
}

#[test]
fn the_quick_drills_are_exactly_three() {
    let plans = scenario::load(&["quick".into()], &[17]).unwrap().plans;
    let names: Vec<&str> = plans.iter().map(|p| p.scenario.as_str()).collect();
    assert_eq!(
        names,
        ["oa-rows-deleted", "oa-table-dropped", "server-lost"]
    );
}

#[test]
fn as_written_scenarios_expect_a_failure_and_its_reason() {
    let plans = scenario::load(&["as-written".into()], &[]).unwrap().plans;
    assert!(plans.len() >= 6);
    for plan in plans {
        assert!(
            !plan.expect.fail.is_empty(),
            "{} expects a pass",
            plan.scenario
        );
    }
}

#[test]
fn bad_input_ends_in_64_and_says_where() {
    let output = pgdrill(&["check", "fixtures/bad-scenarios/unknown-key.yaml"]);
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("unknown-key.yaml:"), "{text}");
    assert!(text.contains("did you mean"), "{text}");

    let output = pgdrill(&["plan", "quik"]);
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("did you mean `quick`?"), "{text}");
}

#[test]
fn a_folder_without_scenarios_and_a_missing_file_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().to_str().unwrap();
    assert_eq!(pgdrill(&["check", path]).status.code(), Some(64));
    let output = pgdrill(&["plan", "nowhere/x.yaml"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere/x.yaml"));
}

#[test]
fn without_a_folder_the_shipped_scenarios_are_found() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgdrill"));
    let output = command
        .arg("list")
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("server-lost"));
}

#[test]
fn a_list_fits_eighty_columns() {
    let output = pgdrill(&["list"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("oa-table-dropped"));
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn plans_tell_all_that_scenarios_state() {
    let output = pgdrill(&["plan", "scenarios"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for told in [
        "server      primary: { clock: { ahead: 10m, zone: Asia/Shanghai } }",
        "server      standby: { standby-of: primary }",
        "node        backup-host: { clock: { ahead: 10m } }",
        "settings    archive_mode: on, archive_timeout: 60s, wal_level: replica",
        "store       offsite: { directory: { size: 1.0 GB } }",
        "backup      main: { pg-basebackup, on: backup-host }",
        "backup      main: { pg-basebackup, keep: 30d, to: [local, offsite] }",
        "backup      main: { pg-dump: { globals: false }, keep: 7d }",
        "retention   wal: 45d",
        "human       decide: 5m, detect: 5m",
        "workload    oa: 8 kinds of transaction as oa_app_user, 2 clients, 40/s",
        "checks      all but ledger, client-rows, audit",
    ] {
        assert!(text.contains(told), "{told}");
    }
    let long = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None);
}

#[test]
fn plans_come_as_json_too() {
    let output = pgdrill(&["plan", "quick", "--postgres", "15", "--format", "json"]);
    let plans: Vec<scenario::plan::Plan> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plans.len(), 3);
    assert!(
        plans
            .iter()
            .all(|p| p.postgres == 15 && p.drill.ends_with("-pg15"))
    );
}
