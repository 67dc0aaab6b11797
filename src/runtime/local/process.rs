//! Processes of this machine that belong to a node, a drill or a run: found, measured, killed.
//!
//! A process belongs to it when it carries the marker in its environment, or when it
//! is a server (which overwrites its environment with its title) that works there.

use std::{
    collections::BTreeSet, fs, future::ready, io, os::unix::fs::PermissionsExt, path::Path,
    time::Duration,
};

use jiff::Timestamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getpgrp},
};

use super::reaper;
use crate::{
    meter::{Activity, outside},
    runtime::{Stats, wait},
    units::wall_clock,
};

/// Environment variable that every process of a node carries: `<run>/<drill>/<node>`.
pub const MARKER: &str = "PGDRILL_NODE";
/// Environment variable with the run's owner.
pub const OWNER: &str = "PGDRILL_OWNER";

/// What a process's environment says.
pub struct Marked {
    pub marker: String,
    pub owner: String,
}

/// All processes of the machine; those we may not look at have nothing to show.
pub fn all() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ourselves = std::process::id() as i32;
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(move |pid| *pid != ourselves)
        .map(Pid::from_raw)
}

fn variable(environment: &[u8], name: &str) -> Option<String> {
    environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .filter_map(|entry| entry.split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
}

/// Every process of any run that carries a marker.
pub fn marked() -> Vec<Marked> {
    all().filter_map(marks_of).collect()
}

fn marks_of(pid: Pid) -> Option<Marked> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some(Marked {
        marker: variable(&environment, MARKER)?,
        owner: variable(&environment, OWNER).unwrap_or_default(),
    })
}

/// Processes of the node `marker`, or of everything below it when it ends in `/`, and
/// the servers that work in `dir`.
pub fn of(marker: &str, dir: &Path) -> Vec<Pid> {
    let belongs = |found: &Marked| belongs(&found.marker, marker);
    all()
        .filter(|pid| marks_of(*pid).as_ref().is_some_and(belongs) || serves(*pid, dir))
        .collect()
}

fn belongs(found: &str, marker: &str) -> bool {
    found == marker || (marker.ends_with('/') && found.starts_with(marker))
}

fn serves(pid: Pid, dir: &Path) -> bool {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let works_there = link("cwd").is_some_and(|cwd| cwd.starts_with(dir));
    works_there
        && link("exe").is_some_and(|exe| exe.file_name().is_some_and(|name| name == "postgres"))
}

/// Within this time all processes that were killed are gone.
const GONE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// kill -9 of all of them, until none lives. Returns those that were killed.
pub async fn kill_all(marker: &str, dir: &Path) -> Result<BTreeSet<Pid>, String> {
    let mut killed = BTreeSet::new();
    wait::until("all processes are dead", GONE, PAUSE, || {
        let found = of(marker, dir);
        for pid in &found {
            // One that is gone already is what we want.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        killed.extend(found);
        ready(none(&killed, |state| !matches!(state, 'Z' | 'X')))
    })
    .await?;
    Ok(killed)
}

/// Waits until their parents have taken note of them: a dead process is there until then,
/// which may take a slow init seconds, and a server does not start beside one.
pub async fn gone(killed: &BTreeSet<Pid>) -> Result<(), String> {
    let look = || {
        reaper::reap();
        ready(none(killed, |_| true))
    };
    wait::until("all processes are gone", GONE, PAUSE, look).await
}

/// Removes what the dead stored. The file system's time, as the engine's is that of a
/// container's volume: thousands of files may take it seconds.
pub async fn remove_storage(dir: &Path) -> io::Result<()> {
    let removing = async {
        match fs::remove_dir_all(dir) {
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
                open(dir)?;
                fs::remove_dir_all(dir)
            }
            done => done,
        }
    };
    outside(Activity::Tool, removing).await
}

/// Opens what a fault closed to its own owner.
fn open(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open(&entry.path())?;
        }
    }
    Ok(())
}

fn none(pids: &BTreeSet<Pid>, counts: impl Fn(char) -> bool) -> Result<(), String> {
    let there = |pid: &&Pid| state(**pid).is_some_and(&counts);
    let left: Vec<&Pid> = pids.iter().filter(there).collect();
    match left.is_empty() {
        true => Ok(()),
        false => Err(format!("{left:?} are still there")),
    }
}

/// The kernel's letter for it, such as `Z`: dead, not yet noted; none: it is gone.
fn state(pid: Pid) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// What the kernel tells of a process from its state on; none: it is gone.
fn stat(pid: Pid) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    Some(after_name.split_whitespace().map(str::to_owned).collect())
}

/// The dead that are ours to note and that we never started ourselves: their process group is
/// not ours.
pub fn adopted_dead() -> Vec<Pid> {
    let (parent, group) = (Pid::this().to_string(), getpgrp().to_string());
    let is_one = |pid: &Pid| {
        stat(*pid).is_some_and(|stat| {
            let word = |at: usize| stat.get(at).map(String::as_str);
            let ours = word(1) == Some(&parent) && word(2) != Some(&group);
            word(0) == Some("Z") && ours
        })
    };
    all().filter(is_one).collect()
}

/// Resources of processes and of their children that ended.
pub fn stats(pids: &[Pid]) -> Stats {
    let mut sum = Stats::default();
    for pid in pids {
        sum.cpu += cpu(*pid).unwrap_or_default();
        sum.memory += number(*pid, "smaps_rollup", "Pss:").unwrap_or_default() * 1024;
        let (read, written) = block_io(*pid);
        sum.read_bytes += read;
        sum.written_bytes += written;
    }
    sum
}

/// Bytes read from block devices and written to them; 0 where we may not look.
pub fn block_io(pid: Pid) -> (u64, u64) {
    let bytes = |name| number(pid, "io", name).unwrap_or_default();
    (bytes("read_bytes:"), bytes("write_bytes:"))
}

/// User and system time, of itself and of children waited for.
fn cpu(pid: Pid) -> Option<Duration> {
    let ticks: u64 = stat(pid)?
        .get(11..15)?
        .iter()
        .flat_map(|f| f.parse::<u64>())
        .sum();
    // USER_HZ is 100 on every Linux that PostgreSQL runs on.
    Some(Duration::from_millis(ticks * 10))
}

fn number(pid: Pid, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How long ago a file was changed; zero when that can't be told.
pub fn age(path: &Path) -> Duration {
    let changed = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    let changed = changed.ok().and_then(|at| Timestamp::try_from(at).ok());
    let age = changed.and_then(|at| wall_clock().duration_since(at).try_into().ok());
    age.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_match_whole_nodes_only() {
        assert!(belongs("r/d/primary", "r/d/primary"));
        assert!(!belongs("r/d/primary2", "r/d/primary"));
        assert!(belongs("r/d/primary", "r/d/"));
        assert!(!belongs("r/d2/primary", "r/d/"));
    }

    #[test]
    fn a_dead_child_is_there_until_it_is_noted() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        while state(pid) != Some('Z') {
            std::thread::yield_now();
        }
        let killed = BTreeSet::from([pid]);
        assert!(none(&killed, |state| state != 'Z').is_ok());
        assert!(none(&killed, |_| true).is_err());
        child.wait().unwrap();
        assert!(none(&killed, |_| true).is_ok());
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"XPGDRILL_NODE=no\0PGDRILL_NODE=r/d/n\0A=b\0";
        assert_eq!(variable(environment, MARKER).as_deref(), Some("r/d/n"));
        assert_eq!(variable(b"", MARKER), None);
    }
}
