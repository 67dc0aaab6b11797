//! What a CI job is told of a run by the command line.

mod cli;
#[path = "../src/check/testing/mod.rs"]
mod testing;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use cli::told;
use pgdrill::history::planned;
use testing::{HistoryFixture, lost_server};

/// A run of one drill.
fn run_of(place: &Path, fixture: &HistoryFixture) -> String {
    let run = place.join("run");
    planned_in(&run, fixture);
    fixture.write(&run.join("drills").join(&fixture.plan.drill));
    run.display().to_string()
}

fn planned_in(run: &Path, fixture: &HistoryFixture) {
    fs::create_dir_all(run).unwrap();
    planned::write(run, [fixture.plan.drill.as_str()], Vec::new()).unwrap();
}

fn analyze(run: &str, place: &Path, further: &[&str]) -> Command {
    let arguments = [&["analyze", run], further].concat();
    let mut command = cli::pgdrill(&arguments, place);
    command.stdout(Stdio::piped());
    command
}

#[test]
fn a_summary_is_appended_and_annotations_are_for_those_who_take_them() {
    let place = tempfile::tempdir().unwrap();
    let mut fixture = lost_server();
    for objectives in fixture.plan.objectives.values_mut() {
        objectives.rto = Some("1s".parse().unwrap());
    }
    let run = run_of(place.path(), &fixture);
    let file = place.path().join("summary.md");
    fs::write(&file, "# Of the step before\n").unwrap();
    let options = ["--summary", file.to_str().unwrap()];
    let output = analyze(&run, place.path(), &options).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(!told(&output).contains("::error"), "{}", told(&output));
    let summary = fs::read_to_string(&file).unwrap();
    let heads: Vec<&str> = summary
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let expected = [
        "# Of the step before",
        "## pgdrill: ✘ fail",
        "### ✘ fail `server-lost-pg17`",
    ];
    assert_eq!(heads, expected);
    let mut command = analyze(&run, place.path(), &[]);
    let output = command.env("GITHUB_ACTIONS", "true").output().unwrap();
    let told = told(&output);
    assert!(
        told.contains("title=server-lost-pg17%3A rto.oa::"),
        "{told}"
    );
}

#[test]
fn a_summary_that_cannot_be_written_is_bad_input() {
    let place = tempfile::tempdir().unwrap();
    let run = run_of(place.path(), &lost_server());
    let options = ["--summary", "/nowhere/summary.md"];
    let output = analyze(&run, place.path(), &options).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", told(&output));
    assert!(told(&output).contains("cannot write `/nowhere/summary.md`"));
    assert!(!Path::new(&run).join("run.json").exists());
}
