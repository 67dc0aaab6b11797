//! The main job, end to end: the shipped scenarios on real servers, each with its
//! expected verdict for the stated reason, and nothing left behind.
//!
//! `PGDRILL_DRILLS` says how much: `quick` (the default: the three drills of the README
//! on each runtime that is there), `representative` (the cheapest set that leaves nothing out:
//! `cover`), or `all` (every shipped scenario on each version and runtime). `PGDRILL_PLACES` says
//! where, of all places (`docker:17 local`).

mod cli;
mod cover;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use cli::{has_engine, has_postgres};
use cover::Place;

/// The drills to perform at a place, by name or by tag.
fn selected(place: Place) -> Vec<String> {
    let local = place.runtime == "local";
    match std::env::var("PGDRILL_DRILLS").as_deref() {
        Ok("all") => place.all(),
        Ok("representative") => {
            let chosen = cover::representative(&places()).into_iter();
            let here = chosen.filter(|one| one.place == place);
            here.map(|one| one.scenario).collect()
        }
        _ if local || place.postgres == Some(17) => vec!["quick".into()],
        _ => vec![],
    }
}

/// Where drills can be performed, of what `PGDRILL_PLACES` names; the usual one first.
fn places() -> Vec<Place> {
    let docker = [17, 15, 18].map(|major| Place {
        runtime: "docker",
        postgres: Some(major),
    });
    let docker = docker.into_iter().filter(|_| has_engine());
    let there: Vec<Place> = docker.chain(has_postgres().then_some(LOCAL)).collect();
    let Ok(named) = std::env::var("PGDRILL_PLACES") else {
        return there;
    };
    assert!(!named.trim().is_empty(), "PGDRILL_PLACES names no place");
    let place = |name| {
        let mut places = there.iter();
        let place = places.find(|place| place.to_string() == name);
        *place.unwrap_or_else(|| panic!("nothing can be drilled on {name} here"))
    };
    named.split_whitespace().map(place).collect()
}

/// With whatever version this machine has.
const LOCAL: Place = Place {
    runtime: "local",
    postgres: None,
};

/// The program that is drilled with: the one built with these tests, or that of `PGDRILL_TEST_BINARY`.
fn pgdrill(arguments: &[&str]) -> Output {
    let built = || env!("CARGO_BIN_EXE_pgdrill").into();
    let program = std::env::var_os("PGDRILL_TEST_BINARY").unwrap_or_else(built);
    Command::new(program)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("pgdrill can be started")
}

/// Runs the selected drills and asserts that each came out as its scenario says.
fn drill(place: Place) {
    let selectors = selected(place);
    if selectors.is_empty() {
        return;
    }
    let reports = tempfile::tempdir().unwrap();
    let dir = reports.path().display().to_string();
    let major = place.postgres.map(|major| major.to_string());
    let mut arguments = vec!["run", "--jobs", "auto", "--reports", &dir];
    arguments.extend(["--runtime", place.runtime]);
    arguments.extend(major.iter().flat_map(|major| ["--postgres", major]));
    arguments.extend(selectors.iter().map(String::as_str));
    let output = pgdrill(&arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let latest = reports.path().join("latest");
    let run = read(&latest.join("run.json")).unwrap_or_else(|why| panic!("{why}\n{told}"));
    let drills = run["drills"].as_array().expect("drills");
    assert!(!drills.is_empty(), "nothing was drilled\n{told}");
    let unlike: Vec<String> = drills.iter().filter_map(|it| unlike(it, &told)).collect();
    assert!(unlike.is_empty(), "{arguments:?}\n{}", unlike.join("\n"));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{told}");
    for drill in drills {
        let name = drill["drill"].as_str().expect("a name");
        tells_progress(&latest.join("drills").join(name).join("history.jsonl"));
        let (own, took) = (&drill["overhead"]["own_us"], &drill["took_us"]);
        let own = own.as_u64().expect("the drill accounts for its time");
        assert!(own < took.as_u64().unwrap(), "{name}: {own} of {took}");
    }
    for report in ["junit.xml", "report.html"] {
        assert!(latest.join(report).is_file(), "{report} is missing");
    }
}

/// Asserts that long work was told to its end before what came of it.
fn tells_progress(history: &Path) {
    let text = std::fs::read_to_string(history).expect("a history");
    let mut reached = BTreeMap::<String, (u64, u64)>::new();
    // A tool may take into a further store before what came of the first is told.
    let mut ends = BTreeSet::<u64>::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("an event");
        let kind = &event["kind"];
        let number = |field: &Value| field.as_u64().expect("bytes");
        if let Some(told) = kind.get("progress") {
            let work = told["work"].as_str().expect("its name").to_owned();
            reached.insert(work, (number(&told["done"]), number(&told["total"])));
            ends.insert(number(&told["done"]));
        }
        for (outcome, works) in [
            ("data_loaded", &["load"][..]),
            ("backup_taken", &["backup"]),
            ("restored", &["fetch", "replay"]),
        ] {
            let Some(outcome) = kind.get(outcome) else {
                continue;
            };
            let listed = outcome.get("listed").unwrap_or(outcome);
            // A further store has a copy of what was taken, or is told of with it.
            if listed.get("store").is_some_and(|store| store != "local") {
                continue;
            }
            // Nothing is replayed where a dump was loaded.
            let logical = outcome["nature"] == "logical";
            for work in works.iter().filter(|work| !logical || **work != "replay") {
                let (done, total) = reached.remove(*work).expect(work);
                assert_eq!(done, total, "{work}: {}", history.display());
                if matches!(*work, "backup" | "fetch") {
                    assert!(
                        ends.contains(&number(&listed["bytes"])),
                        "{work}: {outcome}"
                    );
                }
            }
        }
    }
}

/// What is wrong with a drill that did not come out as its scenario says: the judgement,
/// the findings, and what the terminal told of it.
fn unlike(drill: &Value, told: &str) -> Option<String> {
    let judged = &drill["judged"];
    let green = judged["verdict"] == "pass";
    if judged["outcome"] == "pass" && green != expects_failure(judged) {
        return None;
    }
    let name = drill["drill"].as_str().unwrap_or_default();
    let findings = drill["findings"].as_array().into_iter().flatten();
    let red: Vec<String> = findings
        .filter(|finding| finding["verdict"] != "pass")
        .map(|finding| format!("{finding:#}"))
        .collect();
    let own: Vec<&str> = told.lines().filter(|line| line.contains(name)).collect();
    let (red, own) = (red.join("\n"), own.join("\n"));
    Some(format!("{name}: {judged:#}\n{red}\n{own}"))
}

fn expects_failure(judged: &Value) -> bool {
    judged["expected"]
        .as_object()
        .is_some_and(|named| !named.is_empty())
}

fn read(file: &Path) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(file).map_err(|cause| format!("{}: {cause}", file.display()))?;
    serde_json::from_str(&text).map_err(|cause| format!("run.json: {cause}"))
}

#[test]
fn shipped_drills_come_out_as_they_say() {
    let mut places = places();
    // Each of them, whatever came of those before.
    places.retain(|place| std::panic::catch_unwind(|| drill(*place)).is_err());
    assert!(places.is_empty(), "not as they say: {places:?}");
}
