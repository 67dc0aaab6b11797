//! Whether what lies in a directory is a backup of the kind asked for, with all tablespaces, and the
//! one that this step was to take.
//!
//! A tool that exits with 0 has not said so: it may have left nothing, or yesterday's.

use std::collections::BTreeMap;

use super::Contents;
use crate::{
    backup::{BackupError, chain::Start, position::Position, tablespaces::Tablespace},
    postgres::lsn,
};

/// A backup as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where recovery from it begins.
    pub start_lsn: u64,
    /// Whether it has a `backup_label`; without one it is a copy of a server that was shut down.
    pub labelled: bool,
}

impl Contents {
    /// Whether this is a backup that began after `before`: a full one, or one that builds on the
    /// backup which begins at `parent`. `started` is the instant that the label tells and
    /// `postmaster` that of the server's last start, both in seconds.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn judge(
        &self,
        before: &Position,
        started: Option<i64>,
        postmaster: i64,
        parent: Option<Start>,
    ) -> Result<Found, BackupError> {
        if self.entries == 0 {
            return unfit(
                "the backup is empty: its tool left nothing in the directory of PGDRILL_BACKUP",
            );
        }
        let Some(control) = &self.control else {
            return unfit(
                "the backup has no control file (`global/pg_control`): no server starts from it",
            );
        };
        Self::of_this_cluster(control, before)?;
        self.is_incremental_from(parent)?;
        match &self.label {
            Some(label) => Self::labelled(label, before, started),
            None => cold(control, before, postmaster),
        }
    }

    fn of_this_cluster(
        control: &BTreeMap<String, String>,
        before: &Position,
    ) -> Result<(), BackupError> {
        let said = |name: &str| control.get(name).map_or("", String::as_str);
        let identifier = said("Database system identifier");
        let wrong = |(name, said): (&String, &String)| {
            format!("{name}: {said}")
                .to_lowercase()
                .contains("calculated crc checksum does not match")
        };
        if identifier.is_empty() || control.iter().any(wrong) {
            return unfit("the backup's control file (`global/pg_control`) is damaged");
        }
        if identifier != before.system_identifier.to_string() {
            return unfit(format!(
                "the backup is another cluster's: system identifier `{identifier}`, not {}",
                before.system_identifier
            ));
        }
        Ok(())
    }

    /// Whether it builds on the backup that begins there; none: on nothing.
    fn is_incremental_from(&self, parent: Option<Start>) -> Result<(), BackupError> {
        match (parent, self.builds_on()) {
            (None, Some(_)) => {
                unfit("the backup is incremental (hint: `pg_combinebackup` makes a full one of it)")
            }
            (Some(_), None) => unfit("the backup is a full one, and not incremental as asked for"),
            (Some(parent), Some(start)) if parent != start => unfit(format!(
                "the backup is incremental from {start}, and the one before begins at {parent}"
            )),
            (None, None) | (Some(_), Some(_)) => Ok(()),
        }
    }

    fn labelled(
        label: &BTreeMap<String, String>,
        before: &Position,
        started: Option<i64>,
    ) -> Result<Found, BackupError> {
        let said = |name: &str| label.get(name).map_or("", String::as_str);
        let Some(start_lsn) = first_lsn(said("START WAL LOCATION")) else {
            return unfit("the backup's `backup_label` names no START WAL LOCATION");
        };
        let began = format!(
            "it begins at {}, and this step began at {}",
            lsn::show(start_lsn),
            lsn::show(before.lsn)
        );
        let timeline = said("START TIMELINE").parse().unwrap_or(before.timeline);
        if start_lsn < before.lsn || timeline < before.timeline {
            return unfit(format!("the backup is an earlier one again: {began}"));
        }
        if started.is_some_and(|at| at < before.seconds) {
            let time = said("START TIME");
            return unfit(format!(
                "the backup is an earlier one again: it was begun at {time}, before this step"
            ));
        }
        Ok(Found {
            start_lsn,
            labelled: true,
        })
    }

    /// Whether the files of these tablespaces are in the backup.
    ///
    /// # Errors
    /// Which are not, and where its link leads.
    pub fn holds(&self, tablespaces: &[Tablespace]) -> Result<(), BackupError> {
        tablespaces
            .iter()
            .try_for_each(|space| self.holds_one(space))?;
        let unknown = self
            .mapped
            .iter()
            .find(|oid| !self.spaces.contains_key(oid));
        unknown.map_or(Ok(()), |oid| {
            unfit(format!(
                "the backup's `tablespace_map` names tablespace {oid}, of which it holds nothing"
            ))
        })
    }

    fn holds_one(&self, Tablespace { oid, name, .. }: &Tablespace) -> Result<(), BackupError> {
        let entry = format!("pg_tblspc/{oid}");
        match self.spaces.get(oid) {
            None => unfit(format!(
                "tablespace `{name}` is not in the backup: there is no `{entry}`"
            )),
            Some(space) if !space.stored => unfit(format!(
                "tablespace `{name}` is not in the backup: its `{entry}` leads to {}, outside the \
                 backup storage (hint: copy it beside the backup and let the link lead there)",
                space.place
            )),
            Some(space) if !space.filled => unfit(format!(
                "tablespace `{name}` is not in the backup: nothing of it is in {}",
                space.place
            )),
            Some(_) => Ok(()),
        }
    }
}

fn unfit<T>(why: impl Into<String>) -> Result<T, BackupError> {
    Err(BackupError::Unfit(why.into()))
}

/// Without a label only a copy of a server that was shut down meanwhile is a backup.
fn cold(
    control: &BTreeMap<String, String>,
    before: &Position,
    postmaster: i64,
) -> Result<Found, BackupError> {
    let said = |name: &str| control.get(name).map_or("", String::as_str);
    let shut_down = said("Database cluster state") == "shut down";
    let redo = lsn::parse(said("Latest checkpoint's REDO location"));
    match redo {
        Some(start_lsn) if shut_down && postmaster >= before.seconds && start_lsn >= before.lsn => {
            Ok(Found {
                start_lsn,
                labelled: false,
            })
        }
        _ => unfit(
            "the backup has no `backup_label`, and the server was not shut down for it: a server \
             begun from it recovers from a wrong place (hint: keep what `pg_backup_stop` returns)",
        ),
    }
}

/// `0/5000028 (file 000000010000000000000005)`
fn first_lsn(text: &str) -> Option<u64> {
    lsn::parse(text.split(' ').next()?)
}
