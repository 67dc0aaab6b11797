//! The program as a user starts it, and what it leaves on this machine.

#![allow(dead_code, reason = "not every test file needs all of it")]

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use tempfile::TempDir;

/// The newest PostgreSQL's programs on this machine.
pub fn postgres_bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).max()
}

pub fn has_postgres() -> bool {
    postgres_bin().is_some()
}

pub fn has_engine() -> bool {
    let info = Command::new("docker").arg("info").output();
    info.is_ok_and(|output| output.status.success())
}

/// A private place for the `local` runtime that its unprivileged user can enter.
pub fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// The command, with its private directories in `tmp`.
pub fn pgdrill(arguments: &[&str], tmp: &Path) -> Command {
    // Whatever runs the tests may ignore SIGHUP, as `nohup` does.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_pgdrill")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env("TMPDIR", tmp)
        // Of the job that runs the tests.
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// What it told people, and the summary if that was asked for.
pub fn told(output: &Output) -> String {
    [&output.stderr, &output.stdout]
        .map(|stream| String::from_utf8_lossy(stream).into_owned())
        .concat()
}

/// Reads what a child tells until a line contains `mark`; the rest is left to read.
pub fn told_until(child: &mut Child, mark: &str) -> BufReader<ChildStderr> {
    let mut told = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut told, mark);
    told
}

/// Reads until a line contains `mark`.
pub fn read_until(told: &mut impl BufRead, mark: &str) {
    let (mut line, mut all) = (String::new(), String::new());
    while !line.contains(mark) {
        line.clear();
        let read = told.read_line(&mut line).unwrap();
        all.push_str(&line);
        assert_ne!(read, 0, "the run ended before `{mark}`:\n{all}");
    }
}

/// Names in a directory.
pub fn left_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// Processes with a path in `tmp` on their command line.
pub fn servers_of(tmp: &Path) -> usize {
    let tmp = tmp.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of_this = |path: PathBuf| {
        std::fs::read(path.join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&tmp))
    };
    processes.filter(|process| of_this(process.path())).count()
}
