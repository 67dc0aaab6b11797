//! The main job, end to end: the shipped scenarios on real servers, each with its
//! expected verdict for the stated reason, and nothing left behind.
//!
//! `PGDRILL_DRILLS` says how much: `quick` (the default: the three drills of the README
//! on each runtime that is there), or `all` (every shipped scenario on PostgreSQL 17,
//! a representative set on 15, on 18 and on `local`).

use std::{
    path::Path,
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// One of each kind: salvage of a table, of rows, a lost server, damage in place, and a
/// strategy that must come out red.
const REPRESENTATIVE: &[&str] = &["quick", "representative"];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Drills measure time: two cores serve one run, of two drills at a time.
fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn everything() -> bool {
    std::env::var("PGDRILL_DRILLS").is_ok_and(|how_much| how_much == "all")
}

fn pgdrill(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("pgdrill can be started")
}

fn has_engine() -> bool {
    Command::new("docker")
        .arg("info")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn has_postgres() -> bool {
    let found = std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut dir| dir.next().is_some());
    found || Command::new("postgres").arg("--version").output().is_ok()
}

/// Runs the selected drills and asserts that each came out as its scenario says.
fn drill(selectors: &[&str], runtime: &str, postgres: Option<&str>) {
    let _alone = alone();
    let reports = tempfile::tempdir().unwrap();
    let place = reports.path().display().to_string();
    let mut arguments = vec![
        "run",
        "--jobs",
        "2",
        "--runtime",
        runtime,
        "--reports",
        &place,
    ];
    arguments.extend(postgres.iter().flat_map(|major| ["--postgres", *major]));
    arguments.extend(selectors);
    let output = pgdrill(&arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{told}");
    let latest = reports.path().join("latest");
    let run = read(&latest.join("run.json"));
    let drills = run["drills"].as_array().expect("drills");
    assert!(!drills.is_empty(), "nothing was drilled\n{told}");
    for drill in drills {
        let (name, judged) = (&drill["drill"], &drill["judged"]);
        assert_eq!(judged["outcome"], "pass", "{name}: {judged:#}\n{told}");
        let green = judged["verdict"] == "pass";
        assert_eq!(green, !expects_failure(judged), "{name}: {judged:#}");
    }
    for report in ["junit.xml", "report.html"] {
        assert!(latest.join(report).is_file(), "{report} is missing");
    }
}

fn expects_failure(judged: &Value) -> bool {
    judged["expected"]
        .as_object()
        .is_some_and(|named| !named.is_empty())
}

fn read(file: &Path) -> Value {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|cause| panic!("{}: {cause}", file.display()));
    serde_json::from_str(&text).expect("run.json is JSON")
}

#[test]
fn every_shipped_drill_comes_out_as_it_says_in_containers() {
    if !has_engine() {
        return;
    }
    let selectors = if everything() {
        &["scenarios"][..]
    } else {
        &["quick"][..]
    };
    drill(selectors, "docker", Some("17"));
}

#[test]
fn a_representative_set_comes_out_the_same_on_other_versions() {
    if !has_engine() || !everything() {
        return;
    }
    for major in ["15", "18"] {
        drill(REPRESENTATIVE, "docker", Some(major));
    }
}

#[test]
fn drills_need_no_container_engine() {
    if !has_postgres() {
        return;
    }
    let selectors = if everything() {
        REPRESENTATIVE
    } else {
        &["quick"][..]
    };
    drill(selectors, "local", None);
}
