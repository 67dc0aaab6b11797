//! What a killed server leaves is noted by the run itself, where nobody else would.

mod cli;

use cli::{has_postgres, pgdrill, place};
use nix::unistd::Pid;

/// The dead whom only we could note.
fn left_to_us() -> Vec<String> {
    let ours = format!(" {} ", Pid::this());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok());
    let of_us = |stat: &String| {
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.starts_with(&format!(" Z{ours}"))
    };
    stats.filter(of_us).collect()
}

/// In the place of an init that notes nothing, as a container's first process may.
#[test]
fn a_killed_server_leaves_no_zombie_to_an_init_that_does_not_reap() {
    if !has_postgres() {
        return;
    }
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let (tmp, reports) = (place(), tempfile::tempdir().unwrap());
    let reports = reports.path().display().to_string();
    let arguments = [
        "run",
        "server-lost",
        "--runtime",
        "local",
        "--reports",
        &reports,
    ];
    let ended = pgdrill(&arguments, tmp.path()).output().unwrap();
    assert!(ended.status.code().is_some(), "{ended:?}");
    assert_eq!(left_to_us(), Vec::<String>::new());
}
