//! Which backups and WAL segments may go.
//!
//! Of the backups that no catalog of a tool's keeps: every one younger than its limit stays, always
//! the newest, and what either builds on. Of the WAL that pgdrill's script or a command archives: everything from the
//! oldest kept backup on, and everything younger than its own limit. So no kept backup loses WAL
//! that it needs.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{BackupError, Nature};
use crate::{
    event::Listed,
    postgres::Server,
    runtime::{Exec, Node},
    store::placeholder,
    units::{Time, wall_clock},
};

/// Labels of the backups of a store that are kept no longer, the newest first: what another one
/// builds on goes after it, and only with it.
pub fn expired(listed: &[Listed], keep: Option<Time>, now: Timestamp) -> Vec<String> {
    let Some(keep) = keep else {
        return Vec::new();
    };
    let newest = listed.iter().map(|backup| backup.ended).max();
    let kept = |backup: &&Listed| {
        let ended = backup.ended.unwrap_or(now);
        let age = now.duration_since(ended).as_secs();
        Some(backup.ended) == newest || age <= keep.0.as_secs() as i64
    };
    let needed: BTreeSet<&str> = listed
        .iter()
        .filter(kept)
        .flat_map(|backup| with_parents(listed, backup))
        .collect();
    let all = listed.iter().rev().map(|backup| backup.label.as_str());
    let gone = all.filter(|label| !needed.contains(label));
    gone.map(str::to_owned).collect()
}

/// The labels of a backup and of those that it builds on, as far as they are there.
fn with_parents<'l>(listed: &'l [Listed], backup: &'l Listed) -> impl Iterator<Item = &'l str> {
    let parent = |child: &&'l Listed| {
        let label = child.parent.as_ref()?;
        listed.iter().find(|one| one.label == *label)
    };
    std::iter::successors(Some(backup), parent).map(|one| one.label.as_str())
}

/// Removes files and directories.
///
/// # Errors
/// When the node refuses.
pub async fn remove(node: &Node, paths: &[String]) -> Result<(), BackupError> {
    if paths.is_empty() {
        return Ok(());
    }
    let words = ["rm", "-rf", "--"].map(str::to_owned);
    let exec = Exec::new(words.into_iter().chain(paths.iter().cloned()));
    node.exec(exec).await?;
    Ok(())
}

/// A segment in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    pub name: String,
    /// Seconds since it was last modified.
    pub age: u64,
}

/// Of the kept backups those that need a store's WAL: what lies there, and what lies in a store
/// that no WAL goes to.
pub fn needing<'l>(
    kept: &'l [Listed],
    store: &str,
    archived: &[&str],
) -> impl Iterator<Item = &'l Listed> {
    let needs = move |of: &str| of == store || !archived.contains(&of);
    kept.iter().filter(move |backup| needs(&backup.store))
}

/// Names of the segments in `{archive}` that no kept backup needs and that are kept no longer.
pub fn expired_wal<'l>(
    wal: &[Archived],
    kept: impl IntoIterator<Item = &'l Listed>,
    keep: Option<Time>,
) -> Vec<String> {
    let Some(keep) = keep else {
        return Vec::new();
    };
    let kept = kept.into_iter();
    let physical = kept.filter(|backup| backup.nature == Nature::Physical);
    // A backup of which nobody knows where it begins may need all.
    let first_needed = physical.map(|backup| position(&backup.first_segment)).min();
    let goes = |file: &&Archived| {
        file.age > keep.0.as_secs()
            && is_segment(&file.name)
            && first_needed.is_some_and(|first| position(&file.name) < first)
    };
    wal.iter()
        .filter(goes)
        .map(|file| file.name.clone())
        .collect()
}

/// A segment's name without its timeline.
fn position(name: &str) -> &str {
    name.get(8..24).unwrap_or_default()
}

fn is_segment(name: &str) -> bool {
    name.len() >= 24 && name.bytes().take(24).all(|byte| byte.is_ascii_hexdigit())
}

/// What lies in a store's `{archive}`.
///
/// # Errors
/// When the node refuses.
pub async fn archived(server: &Server, store: &str) -> Result<Vec<Archived>, BackupError> {
    let archive = server.fill_in(&placeholder("archive", store));
    let depth = ["-mindepth", "1", "-maxdepth", "1", "-printf", "%T@ %f\\n"];
    let find = ["find", &archive].into_iter().chain(depth);
    // By the harness's clock: the node's may be set, and the times of files are not.
    let now = wall_clock();
    let output = server.node.exec(Exec::new(find).allow(1).unrecorded());
    let text = output.await?.text();
    Ok(text
        .lines()
        .filter_map(|line| archived_in(line, now))
        .collect())
}

fn archived_in(line: &str, now: Timestamp) -> Option<Archived> {
    let (modified, name) = line.split_once(' ')?;
    let modified: i64 = modified.split('.').next()?.parse().ok()?;
    Some(Archived {
        name: name.to_owned(),
        // One that arrives just now may be younger than nothing.
        age: (now.as_second() - modified).max(0).unsigned_abs(),
    })
}

/// Makes files and directories look this much older. `paths`: words of a shell command.
///
/// # Errors
/// When the node refuses.
pub async fn age(
    node: &Node,
    paths: &[String],
    by: Time,
    deadline: Duration,
) -> Result<(), BackupError> {
    let (paths, seconds) = (paths.join(" "), by.0.as_secs());
    let command = format!(
        "for f in {paths}; do [ ! -e \"$f\" ] || touch -r \"$f\" -d '-{seconds} seconds' \"$f\"; done"
    );
    node.exec(Exec::shell(command).within(deadline)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 86_400;
    const FIRST: &str = "000000010000000000000001";
    const THIRD: &str = "000000010000000000000003";

    fn days(count: u64) -> Option<Time> {
        Some(Time(Duration::from_secs(count * DAY)))
    }

    fn now() -> Timestamp {
        Timestamp::from_second(2_000_000_000).unwrap()
    }

    fn backup(label: &str, days: u64, needs: &str) -> Listed {
        Listed {
            label: label.into(),
            tool: "pg-basebackup".into(),
            first_segment: needs.into(),
            ended: Timestamp::from_second(now().as_second() - (days * DAY) as i64).ok(),
            ..Listed::default()
        }
    }

    fn wal(name: &str, days: u64) -> Archived {
        Archived {
            name: name.into(),
            age: days * DAY,
        }
    }

    #[test]
    fn the_newest_backup_never_goes_and_keeps_its_wal() {
        let backups = [backup("old", 400, FIRST), backup("newest", 300, THIRD)];
        assert_eq!(expired(&backups, days(30), now()), ["old"]);
        let segments = [wal(FIRST, 400), wal(THIRD, 300)];
        assert_eq!(expired_wal(&segments, &backups[1..], days(45)), [FIRST]);
    }

    #[test]
    fn a_full_backup_goes_only_with_what_builds_on_it() {
        let child = |label: &str, days, parent: &str| Listed {
            parent: Some(parent.into()),
            ..backup(label, days, FIRST)
        };
        let mut all = vec![
            backup("main-1", 40, FIRST),
            child("main-2", 39, "main-1"),
            child("main-3", 31, "main-2"),
            backup("main-4", 20, THIRD),
        ];
        let gone = ["main-3", "main-2", "main-1"];
        assert_eq!(expired(&all, days(30), now()), gone);
        all[2] = child("main-3", 29, "main-2");
        assert!(expired(&all, days(30), now()).is_empty());
        all.insert(3, child("main-5", 35, "main-2"));
        assert_eq!(expired(&all, days(30), now()), ["main-5"]);
        // The newest is kept whatever its age, and so is its chain.
        all.truncate(2);
        assert!(expired(&all, days(30), now()).is_empty());
    }

    #[test]
    fn wal_that_a_kept_backup_needs_never_goes() {
        let backups = [backup("kept", 29, FIRST), backup("newest", 1, THIRD)];
        assert!(expired(&backups, days(30), now()).is_empty());
        let segments = [wal(FIRST, 100), wal(THIRD, 99)];
        assert!(expired_wal(&segments, &backups, days(45)).is_empty());
    }

    #[test]
    fn a_backup_that_tells_no_segment_may_need_all_wal() {
        let cold = [backup("cold", 1, ""), backup("newest", 1, THIRD)];
        assert!(expired_wal(&[wal(FIRST, 400)], &cold, days(45)).is_empty());
        let dump = Listed {
            nature: Nature::Logical,
            ..backup("dump", 1, "")
        };
        let segments = [wal(FIRST, 400)];
        assert_eq!(expired_wal(&segments, [&dump, &cold[1]], days(45)), [FIRST]);
    }

    #[test]
    fn a_backup_beside_which_no_wal_lies_needs_that_of_every_store() {
        let daily = backup("daily", 1, THIRD).in_store("local");
        let yearly = backup("yearly", 300, FIRST).in_store("offsite");
        let kept = [daily, yearly];
        let gone = |archived: &[&str]| {
            let needing = needing(&kept, "local", archived);
            expired_wal(&[wal(FIRST, 400)], needing, days(45))
        };
        assert!(gone(&["local"]).is_empty());
        assert_eq!(gone(&["local", "offsite"]), [FIRST]);
    }

    #[test]
    fn without_a_backup_nothing_says_which_wal_may_go() {
        assert!(expired_wal(&[wal(FIRST, 400)], &[], days(45)).is_empty());
    }

    #[test]
    fn what_nobody_limits_is_kept() {
        let backups = [backup("old", 400, FIRST), backup("newest", 300, THIRD)];
        assert!(expired(&backups, None, now()).is_empty());
        assert!(expired_wal(&[wal(FIRST, 400)], &backups[1..], None).is_empty());
    }

    #[test]
    fn a_line_of_the_archive_reads_as_printed() {
        let read = |line: &str| archived_in(line, now());
        let yesterday = format!("{}.25 {FIRST}", now().as_second() - DAY as i64);
        assert_eq!(read(&yesterday), Some(wal(FIRST, 1)));
        assert_eq!(read(&format!("2000000001.5 {FIRST}")), Some(wal(FIRST, 0)));
        assert_eq!(read("odd"), None);
    }
}
