//! Runs that do not end as planned leave nothing behind, and bad input creates nothing.

mod cli;

use std::{
    io::BufReader,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, ChildStderr},
};

use cli::{has_postgres, left_in, pgdrill, place, postgres_bin, servers_of, told_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Starts a drill on `local` and waits until its first step runs.
fn drilling(tmp: &Path, reports: &Path) -> Child {
    let (child, mut told) = told_drilling(tmp, reports);
    std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    child
}

/// The same, with what it goes on to tell.
fn told_drilling(tmp: &Path, reports: &Path) -> (Child, BufReader<ChildStderr>) {
    let reports = reports.display().to_string();
    let arguments = [
        "run",
        "oa-table-dropped",
        "--runtime",
        "local",
        "--reports",
        &reports,
    ];
    let mut child = pgdrill(&arguments, tmp).spawn().unwrap();
    let told = told_until(&mut child, " 1/");
    (child, told)
}

#[test]
fn ctrl_c_leaves_nothing_and_is_no_pass() {
    if !has_postgres() {
        return;
    }
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let mut child = drilling(tmp.path(), reports.path());
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
    assert_eq!(servers_of(tmp.path()), 0);
    let run = std::fs::read_to_string(reports.path().join("latest/run.json")).unwrap();
    assert!(run.contains("cancelled"), "the report says why");
}

#[test]
fn a_terminal_that_is_closed_is_ctrl_c() {
    if !has_postgres() {
        return;
    }
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let (mut child, told) = told_drilling(tmp.path(), reports.path());
    // From now on nothing can be told.
    drop(told);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGHUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
    assert_eq!(servers_of(tmp.path()), 0);
}

#[test]
fn what_a_killed_run_left_is_removed_by_clean() {
    if !has_postgres() {
        return;
    }
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let mut child = drilling(tmp.path(), reports.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(servers_of(tmp.path()) > 0, "a killed run can't clean up");
    let clean = pgdrill(&["clean"], tmp.path()).output().unwrap();
    assert_eq!(
        clean.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&clean.stderr)
    );
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
    assert_eq!(servers_of(tmp.path()), 0);
}

#[test]
fn bad_input_is_refused_with_64_and_creates_nothing() {
    let tmp = place();
    let reports = tmp.path().join("reports").display().to_string();
    let cases: [&[&str]; 4] = [
        &["run", "no-such-scenario", "--reports", &reports],
        &["run", "quick", "--postgres", "9", "--reports", &reports],
        &["run", "quick", "--jobs", "0", "--reports", &reports],
        &["run", "quick", "--reports", "/dev/null/reports"],
    ];
    for arguments in cases {
        let output = pgdrill(arguments, tmp.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {told}");
        assert!(
            told.starts_with("error: ") && !told.starts_with("error: error"),
            "{told}"
        );
        assert_eq!(left_in(tmp.path()), Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn a_tool_that_is_missing_is_told_and_nothing_is_left() {
    let Some(bin) = postgres_bin() else {
        return;
    };
    let (tmp, programs, reports) = (place(), place(), tempfile::tempdir().unwrap());
    for program in std::fs::read_dir(bin).unwrap() {
        let program = program.unwrap();
        let link = programs.path().join(program.file_name());
        symlink(program.path(), link).unwrap();
    }
    symlink("/bin/false", programs.path().join("pgbackrest")).unwrap();
    let [programs, reports] = [&programs, &reports].map(|dir| dir.path().display().to_string());
    let arguments = [
        "run",
        "pgbackrest-server-lost",
        "--runtime",
        "local",
        "--pg-bin",
        &programs,
        "--reports",
        &reports,
    ];
    let output = pgdrill(&arguments, tmp.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(
        told.contains("needs pgBackRest") && told.contains("it is not there"),
        "{told}"
    );
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
    assert_eq!(left_in(Path::new(&reports)), Vec::<String>::new());
}

#[test]
fn a_runtime_that_cannot_serve_says_how_to_get_one() {
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let reports = reports.path().display().to_string();
    let arguments = [
        "run",
        "quick",
        "--runtime",
        "local",
        "--pg-bin",
        "/nowhere",
        "--reports",
        &reports,
    ];
    let output = pgdrill(&arguments, tmp.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("hint:"), "{told}");
    assert_eq!(
        std::fs::read_dir(&reports).unwrap().count(),
        0,
        "no empty run is kept"
    );
}
