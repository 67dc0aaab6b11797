//! What a run has outside of its machine: objects in somebody's bucket. A directory of this machine
//! tells of them before they exist, so that they are found and deleted also after a `kill -9`.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use super::{
    RuntimeError,
    leftover::{Leftover, Place},
    run::{Kind, Life, Owner, Run},
};
use crate::bucket::Record;

/// Begin of the name of a run's directory of records.
const PREFIX: &str = "pgdrill-buckets-";
/// The file in it that tells its owner; each other is a [`Record`].
const OWNER_FILE: &str = "owner";

fn directory_of(run: &Run) -> PathBuf {
    std::env::temp_dir().join(format!("{PREFIX}{}", run.id))
}

/// Writes down what is about to be put into a bucket.
///
/// # Errors
/// When it can't be written; nothing must be put there then.
pub fn note(run: &Run, name: &str, record: &Record) -> Result<(), RuntimeError> {
    let directory = directory_of(run);
    let path = directory.display().to_string();
    let things = [(Kind::Objects, record.to_string())];
    let things = things.iter().map(|(kind, name)| (*kind, name.as_str()));
    run.inventory.add(&things.collect::<Vec<_>>())?;
    let write = || {
        let made = fs::DirBuilder::new().mode(0o700).create(&directory);
        match made {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            _ => fs::write(directory.join(OWNER_FILE), run.owner.to_string())?,
        }
        fs::write(directory.join(name), serde_json::to_vec(record)?)
    };
    write().map_err(RuntimeError::io(format!("write into `{path}`")))
}

/// Deletes the objects of a run that are left, or those of one of its drills: whose records' names
/// begin so. Returns what could not be deleted.
pub async fn close(run: &Run, names: &str) -> Vec<String> {
    remove(&directory_of(run), names).await
}

/// The records of runs below these directories.
pub fn find(parents: &[PathBuf], here: &Owner) -> Vec<Leftover> {
    let entries = parents
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok());
    let found = entries.flatten().flatten();
    found
        .filter_map(|entry| found_in(entry.path(), here))
        .collect()
}

fn found_in(directory: PathBuf, here: &Owner) -> Option<Leftover> {
    let run = directory
        .file_name()?
        .to_str()?
        .strip_prefix(PREFIX)?
        .to_owned();
    // Not followed: a symbolic link is none of ours.
    let meta = fs::symlink_metadata(&directory).ok()?;
    if !meta.is_dir() || meta.uid() != Uid::effective().as_raw() {
        return None;
    }
    let owner = fs::read_to_string(directory.join(OWNER_FILE)).ok()?;
    let life = owner.parse().map(|owner: Owner| owner.life(here));
    Some(Leftover {
        run,
        life: life.unwrap_or(Life::Unknown),
        place: Place::Buckets(directory),
    })
}

/// Deletes what the records tell of whose names begin so, each with its record, and the directory
/// with the last. Returns what could not be deleted.
pub async fn remove(directory: &Path, names: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for (path, record) in records(directory, names) {
        let deleted = match record {
            Ok(record) => {
                let deleted = record.empty().await;
                deleted
                    .map(drop)
                    .map_err(|error| format!("{record}: {error}"))
            }
            Err(cause) => Err(format!("`{}`: {cause}", path.display())),
        };
        match deleted {
            Ok(()) => _ = fs::remove_file(path),
            Err(failure) => failures.push(failure),
        }
    }
    if records(directory, "").is_empty() {
        let _ = fs::remove_dir_all(directory);
    }
    failures
}

fn records(directory: &Path, names: &str) -> Vec<(PathBuf, io::Result<Record>)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        name != OWNER_FILE && name.to_string_lossy().starts_with(names)
    });
    let read = |path: PathBuf| {
        let record = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        (path, record)
    };
    named.map(|entry| read(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::run::RunId;

    #[tokio::test]
    async fn what_is_noted_is_found_and_stays_while_it_cannot_be_deleted() {
        let reports = tempfile::tempdir().unwrap();
        let run = Run::begin(RunId::new(), reports.path()).unwrap();
        let record: Record = serde_json::from_value(serde_json::json!({
            "bucket": {
                "endpoint": "https://127.0.0.1:1", "name": "b",
                "access-key": "PGDRILL_TEST_NOT_SET",
            },
            "prefix": "pgdrill/x",
        }))
        .unwrap();
        note(&run, "drill.primary.r2", &record).unwrap();
        let found = find(&[std::env::temp_dir()], &run.owner);
        let own = found.iter().find(|one| one.run == run.id.as_str()).unwrap();
        assert_eq!(own.life, Life::Live);
        assert_eq!(close(&run, "other.").await, Vec::<String>::new());
        let failures = close(&run, "drill.").await;
        assert!(failures[0].contains("PGDRILL_TEST_NOT_SET"), "{failures:?}");
        assert!(directory_of(&run).join("drill.primary.r2").exists());
        fs::remove_dir_all(directory_of(&run)).unwrap();
    }
}
