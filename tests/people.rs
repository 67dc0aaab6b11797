//! People who are timed: a drill waits for them, and their time is a span of its RTO.

mod cli;

use std::{
    io::Write,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use cli::{has_postgres, pgdrill, place, read_until, told, told_until};
use serde_json::Value;

const NOTICED: &str = "press Enter when you have noticed what";
const DECIDED: &str = "press Enter when you have decided how to recover";

/// A short drill of timed people.
fn timed(tmp: &Path, reports: &Path) -> Command {
    let reports = reports.display().to_string();
    let arguments = [
        "run",
        "server-crashed",
        "--runtime",
        "local",
        "--people",
        "timed",
        "--reports",
        &reports,
    ];
    pgdrill(&arguments, tmp)
}

fn enter(answers: &mut ChildStdin) {
    answers.write_all(b"\n").unwrap();
}

/// Answers each question as soon as it is put.
fn answered(child: &mut Child) {
    let mut answers = child.stdin.take().unwrap();
    let mut told = told_until(child, NOTICED);
    enter(&mut answers);
    read_until(&mut told, DECIDED);
    enter(&mut answers);
    std::io::copy(&mut told, &mut std::io::sink()).unwrap();
}

#[test]
fn a_timed_drill_waits_for_people_and_counts_their_time() {
    if !has_postgres() {
        return;
    }
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let mut child = timed(tmp.path(), reports.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    answered(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let run = std::fs::read(reports.path().join("latest/run.json")).unwrap();
    let run: Value = serde_json::from_slice(&run).unwrap();
    let rto = &run["drills"][0]["measures"][0]["rto"];
    assert_eq!(
        (&rto["detect_us"], &rto["decide_us"]),
        (&0.into(), &0.into())
    );
    let spans = rto["spans"].as_array().unwrap();
    let phases: Vec<&str> = spans
        .iter()
        .filter_map(|span| span["phase"].as_str())
        .collect();
    assert_eq!(phases[..3], ["inject", "detect", "decide"]);
    let sum: u64 = spans.iter().filter_map(|span| span["us"].as_u64()).sum();
    assert_eq!(Some(sum), rto["measured_us"].as_u64());
}

#[test]
fn a_timed_drill_that_nobody_answers_is_no_pass() {
    if !has_postgres() {
        return;
    }
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let output = timed(tmp.path(), reports.path())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        told(&output).contains("nobody answered"),
        "{}",
        told(&output)
    );
    let refused = timed(tmp.path(), reports.path())
        .args(["--jobs", "2"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(64), "{}", told(&refused));
}
