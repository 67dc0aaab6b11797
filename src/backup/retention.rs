//! Which backups and WAL segments may go.
//!
//! The computed rule keeps, of the full backups, every one younger than the limit and
//! always the newest; of the WAL, everything from the oldest kept backup on, and
//! everything younger than its own limit. So no kept backup loses WAL it needs.

use std::collections::BTreeMap;

use super::BackupError;
use crate::{
    event::{BackupRecord, EventKind},
    history::Recorder,
    postgres::Server,
    runtime::Exec,
    scenario::plan::{Retention, RetentionRule},
    units::Time,
};

/// A file or directory of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Name within its directory.
    pub name: String,
    /// Seconds since it was last modified.
    pub age: u64,
    /// For a full backup: name of the first WAL segment it needs.
    pub needs: String,
}

/// What may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Full backups.
    pub backups: Vec<String>,
    /// WAL files.
    pub wal: Vec<String>,
    /// Table dumps.
    pub tables: Vec<String>,
}

type Listing = BTreeMap<&'static str, Vec<Stored>>;

/// The computed rule.
pub fn expired(rule: &Retention, backups: &[Stored], wal: &[Stored], tables: &[Stored]) -> Expired {
    let newest = backups
        .iter()
        .map(|backup| backup.age)
        .min()
        .unwrap_or_default();
    let (kept, gone): (Vec<_>, Vec<_>) = backups
        .iter()
        .partition(|backup| backup.age == newest || backup.age <= rule.full.0.as_secs());
    let first_needed = kept
        .iter()
        .map(|backup| position(&backup.needs))
        .min()
        .unwrap_or_default();
    let goes = |file: &&Stored| {
        file.age > rule.wal.0.as_secs()
            && is_segment(&file.name)
            && position(&file.name) < first_needed
    };
    Expired {
        backups: gone.into_iter().map(|backup| backup.name.clone()).collect(),
        wal: names(wal.iter().filter(goes)),
        tables: names(
            tables
                .iter()
                .filter(|dump| dump.age > rule.tables.0.as_secs()),
        ),
    }
}

fn names<'a>(files: impl Iterator<Item = &'a Stored>) -> Vec<String> {
    files.map(|file| file.name.clone()).collect()
}

/// A segment's name without its timeline.
fn position(name: &str) -> &str {
    name.get(8..24).unwrap_or_default()
}

fn is_segment(name: &str) -> bool {
    name.len() >= 24 && name.bytes().take(24).all(|byte| byte.is_ascii_hexdigit())
}

/// Applies the strategy's retention to the store and records what went.
///
/// # Errors
/// When the node refuses or the strategy's own command fails.
pub async fn apply(
    server: &Server,
    rule: &Retention,
    recorder: &Recorder,
) -> Result<(), BackupError> {
    let before = listing(server).await?;
    let command = match &rule.rule {
        RetentionRule::Computed => removal(&expired(
            rule,
            &before["base"],
            &before["wal"],
            &before["tables"],
        )),
        RetentionRule::Command(command) => server.fill_in(command),
    };
    let store = server.node.layout().store.display();
    server
        .node
        .exec(Exec::shell(format!("cd {store} && {command}")))
        .await?;
    let after = listing(server).await?;
    recorder.record(EventKind::RetentionApplied {
        removed_backups: gone("base", &before, &after),
        removed_wal: gone("wal", &before, &after),
    });
    Ok(())
}

fn gone(kind: &str, before: &Listing, after: &Listing) -> Vec<String> {
    let left = &after[kind];
    names(
        before[kind]
            .iter()
            .filter(|file| !left.iter().any(|other| other.name == file.name)),
    )
}

fn removal(expired: &Expired) -> String {
    let backups = expired
        .backups
        .iter()
        .map(|name| format!(" base/{name} base/{name}.tblspc"));
    let wal = expired.wal.iter().map(|name| format!(" wal/{name}"));
    let tables = expired.tables.iter().map(|name| format!(" tables/{name}"));
    std::iter::once("rm -rf --".to_owned())
        .chain(backups)
        .chain(wal)
        .chain(tables)
        .collect()
}

/// Makes every backup and WAL file of the store look this much older.
///
/// # Errors
/// When the node refuses.
pub async fn age(server: &Server, by: Time) -> Result<(), BackupError> {
    let store = server.node.layout().store.display();
    let seconds = by.0.as_secs();
    let command = format!(
        "cd {store} && for f in base/* wal/* tables/*; do [ -e \"$f\" ] || continue; \
         touch -d \"@$(($(stat -c %Y \"$f\") - {seconds}))\" \"$f\"; done"
    );
    server.node.exec(Exec::shell(command)).await?;
    Ok(())
}

/// Names of the full backups that are in the store.
///
/// # Errors
/// When the node refuses.
pub async fn stored_backups(server: &Server) -> Result<Vec<String>, BackupError> {
    Ok(names(listing(server).await?["base"].iter()))
}

/// Whether a backup is still in the store.
///
/// # Errors
/// When the node refuses.
pub async fn is_stored(server: &Server, backup: &BackupRecord) -> Result<bool, BackupError> {
    let label = &backup.label;
    let listing = listing(server).await?;
    let names = |kind: &str| names(listing[kind].iter());
    Ok(names("base").contains(label) || names("tables").contains(&format!("{label}.dump")))
}

async fn listing(server: &Server) -> Result<Listing, BackupError> {
    let store = server.node.layout().store.display();
    let command = format!(
        "cd {store} && now=$(date +%s) && for f in base/* wal/* tables/*; do [ -e \"$f\" ] || continue; \
         needs=$(sed -n 's/.*(file \\([0-9A-F]*\\)).*/\\1/p' \"$f/backup_label\" 2>/dev/null | head -n 1); \
         echo \"$f $((now - $(stat -c %Y \"$f\"))) $needs\"; done"
    );
    let output = server.node.exec(Exec::shell(command).unrecorded()).await?;
    Ok(parse_listing(&output.text()))
}

fn parse_listing(text: &str) -> Listing {
    let mut lists = BTreeMap::from([
        ("base", Vec::new()),
        ("wal", Vec::new()),
        ("tables", Vec::new()),
    ]);
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(path), Some(age)) = (words.next(), words.next()) else {
            continue;
        };
        let Some((kind, name)) = path.split_once('/') else {
            continue;
        };
        if name.ends_with(".tblspc") {
            continue;
        }
        if let Some(list) = lists.get_mut(kind) {
            let needs = words.next().unwrap_or_default().into();
            list.push(Stored {
                name: name.into(),
                age: age.parse().unwrap_or_default(),
                needs,
            });
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 86_400;
    const FIRST: &str = "000000010000000000000001";
    const THIRD: &str = "000000010000000000000003";

    fn rule() -> Retention {
        let days = |count| Time(Duration::from_secs(count * DAY));
        Retention {
            full: days(30),
            wal: days(45),
            tables: days(90),
            rule: RetentionRule::Computed,
        }
    }

    fn backup(name: &str, days: u64, needs: &str) -> Stored {
        Stored {
            name: name.into(),
            age: days * DAY,
            needs: needs.into(),
        }
    }

    fn wal(name: &str, days: u64) -> Stored {
        backup(name, days, "")
    }

    #[test]
    fn the_newest_backup_never_goes_and_keeps_its_wal() {
        let backups = [backup("old", 400, FIRST), backup("newest", 300, THIRD)];
        let gone = expired(&rule(), &backups, &[wal(FIRST, 400), wal(THIRD, 300)], &[]);
        assert_eq!(gone.backups, ["old"]);
        assert_eq!(gone.wal, [FIRST]);
    }

    #[test]
    fn wal_that_a_kept_backup_needs_never_goes() {
        let gone = expired(
            &rule(),
            &[backup("kept", 29, FIRST)],
            &[wal(FIRST, 100), wal(THIRD, 99)],
            &[],
        );
        assert_eq!(gone, Expired::default());
    }

    #[test]
    fn without_a_backup_nothing_says_which_wal_may_go() {
        assert!(
            expired(&rule(), &[], &[wal(FIRST, 400)], &[])
                .wal
                .is_empty()
        );
    }

    #[test]
    fn a_listing_reads_as_printed() {
        let text = "base/full-1 5 000000010000000000000002\nbase/full-1.tblspc 5 \nwal/000000010000000000000002 7 \nodd\n";
        let lists = parse_listing(text);
        let stored = Stored {
            name: "full-1".into(),
            age: 5,
            needs: "000000010000000000000002".into(),
        };
        assert_eq!(lists["base"], [stored]);
        assert_eq!(lists["wal"].len(), 1);
    }
}
