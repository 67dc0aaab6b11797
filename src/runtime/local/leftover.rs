//! What runs left on this machine: directories and processes, and their removal.
//!
//! Only directories named `pgdrill-<run>` that are ours, with an owner file that names
//! a process, and processes that carry a marker are looked at.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::Uid;

use super::{process, reaper, shared_memory};
use crate::runtime::{
    leftover::{Leftover, Place},
    run::{Life, Owner},
};

/// Begin of the name of a run's directory.
pub const PREFIX: &str = "pgdrill-";
/// The file in it that tells its owner.
pub(super) const OWNER_FILE: &str = "owner";
/// A directory without owner file is left over when it is that old: its run was killed
/// between making the one and the other.
const UNOWNED: Duration = Duration::from_secs(600);

/// The runs that have something in one of `parents`, or processes.
pub fn find(parents: &[PathBuf], here: &Owner) -> Vec<Leftover> {
    let mut found = BTreeMap::new();
    for process in process::marked() {
        let run = process.marker.split('/').next().unwrap_or_default();
        let life = process.owner.parse().map(|owner: Owner| owner.life(here));
        let leftover = Leftover {
            run: run.to_owned(),
            life: life.unwrap_or(Life::Unknown),
            place: Place::Processes,
        };
        found.insert(run.to_owned(), leftover);
    }
    for leftover in parents.iter().flat_map(|parent| directories(parent, here)) {
        found.insert(leftover.run.clone(), leftover);
    }
    found.into_values().collect()
}

fn directories(parent: &Path, here: &Owner) -> Vec<Leftover> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| directory(entry.path(), here))
        .collect()
}

fn directory(dir: PathBuf, here: &Owner) -> Option<Leftover> {
    let run = dir.file_name()?.to_str()?.strip_prefix(PREFIX)?.to_owned();
    // Not followed: a symbolic link is none of ours.
    let meta = fs::symlink_metadata(&dir).ok()?;
    let ours = meta.is_dir() && meta.uid() == Uid::effective().as_raw();
    if !ours || !run.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let owner = fs::read_to_string(dir.join(OWNER_FILE)).ok();
    let life = match owner.and_then(|text| text.parse::<Owner>().ok()) {
        Some(owner) => owner.life(here),
        // Not a run's, whatever its name.
        None if !holds_nothing(&dir) => return None,
        None if process::age(&dir) > UNOWNED => Life::Dead,
        None => Life::Unknown,
    };
    let place = Place::Directory(dir);
    Some(Leftover { run, life, place })
}

/// Whether a directory holds nothing but an unfinished owner file.
fn holds_nothing(dir: &Path) -> bool {
    let mut entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.all(|entry| entry.file_name() == OWNER_FILE)
}

/// Kills what `marker` marks or works in `dir`, and removes `dir`. Returns what could not be
/// removed.
pub async fn remove(marker: &str, dir: Option<&Path>) -> Vec<String> {
    let mut failures = Vec::new();
    let place = dir.unwrap_or(Path::new("/nonexistent"));
    let segments = shared_memory::of(&process::of(marker, place));
    match process::kill_all(marker, place).await {
        // Of a dead run's processes another is the parent.
        Ok(_) => reaper::reap(),
        Err(status) => failures.push(format!("processes of `{marker}`: {status}")),
    }
    shared_memory::remove(segments).await;
    match process::remove_storage(place).await {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            failures.push(format!("directory `{}`: {cause}", place.display()));
        }
        _ => {}
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(parent: &Path, run: &str, owner: Option<&Owner>) {
        let dir = parent.join(format!("{PREFIX}{run}"));
        fs::create_dir(&dir).unwrap();
        if let Some(owner) = owner {
            fs::write(dir.join(OWNER_FILE), owner.to_string()).unwrap();
        }
    }

    #[test]
    fn directories_of_live_dead_and_unknown_runs_are_told_apart() {
        let parent = tempfile::tempdir().unwrap();
        let here = Owner::this_process().unwrap();
        let gone = Owner {
            started: here.started + 1,
            ..here.clone()
        };
        made(parent.path(), "live", Some(&here));
        made(parent.path(), "dead", Some(&gone));
        made(parent.path(), "making", None);
        made(parent.path(), "foreign", None);
        fs::write(parent.path().join("pgdrill-foreign/file"), "").unwrap();
        made(parent.path(), "not-a-run", Some(&gone));
        fs::create_dir(parent.path().join("other")).unwrap();
        std::os::unix::fs::symlink("/", parent.path().join("pgdrill-link")).unwrap();
        let mut found = directories(parent.path(), &here);
        found.sort_by(|a, b| a.run.cmp(&b.run));
        let lives: Vec<_> = found.iter().map(|f| (f.run.as_str(), f.life)).collect();
        let expected = [
            ("dead", Life::Dead),
            ("live", Life::Live),
            ("making", Life::Unknown),
        ];
        assert_eq!(lives, expected);
    }
}
