//! What lies in a directory that is to be a full backup, as its own files tell it, and
//! whether that is a backup, and the one that this step was to take.
//!
//! A tool that exits with 0 has not said so: it may have left nothing, or yesterday's.

use std::collections::BTreeMap;

use super::{BackupError, tablespaces::Tablespace};
use crate::{
    postgres::{Server, lsn},
    runtime::{Exec, exec::quoted},
};

/// Where a server stood when the step began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// `pg_current_wal_insert_lsn()`.
    pub lsn: u64,
    /// Timeline written.
    pub timeline: u32,
    /// `system_identifier`.
    pub system_identifier: u64,
    /// The server's clock, in whole seconds of the epoch.
    pub seconds: i64,
}

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    entries: u64,
    control: Option<BTreeMap<String, String>>,
    label: Option<BTreeMap<String, String>>,
    spaces: BTreeMap<u32, Space>,
    mapped: Vec<u32>,
}

/// An entry of `pg_tblspc`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Space {
    /// Whether its files lie in the backup storage.
    stored: bool,
    /// Whether there are files of a tablespace.
    filled: bool,
    /// Where it is.
    place: String,
}

/// A backup as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where recovery from it begins.
    pub start_lsn: u64,
    /// Whether it has a `backup_label`; without one it is a copy of a server that was shut down.
    pub labelled: bool,
}

impl Position {
    /// Asks a server.
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn of(server: &Server) -> Result<Self, BackupError> {
        let text = server
            .value(
                "select concat_ws(' ', lsn, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int, \
                 system_identifier, floor(extract(epoch from clock_timestamp()))::bigint) \
                 from pg_current_wal_insert_lsn() lsn, pg_control_system()",
            )
            .await?;
        Self::parse(&text).ok_or_else(|| BackupError::Unreadable {
            what: "the server's position".into(),
            cause: format!("it said `{text}`"),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            lsn: lsn::parse(words.next()?)?,
            timeline: words.next()?.parse().ok()?,
            system_identifier: words.next()?.parse().ok()?,
            seconds: words.next()?.parse().ok()?,
        })
    }
}

impl Contents {
    /// Reads a directory of the store.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn read(server: &Server, directory: &str) -> Result<Self, BackupError> {
        let store = server.node.layout().store.display().to_string();
        let script = format!(
            "cd {directory} 2>/dev/null || exit 0\n\
             echo \"entries $(ls -A | wc -l)\"\n\
             [ ! -f global/pg_control ] || LC_ALL=C {controldata} -D . 2>&1 | sed 's/^/control /'\n\
             [ ! -f backup_label ] || sed 's/^/label /' backup_label\n\
             [ ! -f tablespace_map ] || sed 's/^/map /' tablespace_map\n\
             store=$(readlink -f {store})\n\
             for entry in pg_tblspc/*; do\n\
             [ -e \"$entry\" ] || [ -L \"$entry\" ] || continue\n\
             place=$(readlink -f \"$entry\")\n\
             case $place in \"$store\"/*) in=stored ;; *) in=elsewhere ;; esac\n\
             full=empty; for of in \"$entry\"/PG_*; do [ ! -d \"$of\" ] || full=filled; done\n\
             echo \"space ${{entry##*/}} $in $full $place\"\n\
             done\n",
            directory = quoted(directory),
            controldata = quoted(&server.program("pg_controldata")),
            store = quoted(&store),
        );
        let exec = Exec::new(["sh", "-s"]).stdin(script).unrecorded();
        Ok(Self::parse(&server.node.exec(exec).await?.text()))
    }

    fn parse(text: &str) -> Self {
        let mut contents = Self::default();
        for line in text.lines() {
            contents.take(line);
        }
        contents
    }

    fn take(&mut self, line: &str) {
        let Some((what, rest)) = line.split_once(' ') else {
            return;
        };
        let (name, value) = rest.split_once(": ").unwrap_or((rest, ""));
        let pair = (name.trim().to_owned(), value.trim().to_owned());
        match what {
            "entries" => self.entries = rest.trim().parse().unwrap_or_default(),
            "control" => self.control.get_or_insert_default().extend([pair]),
            "label" => self.label.get_or_insert_default().extend([pair]),
            "map" => self.mapped.extend(
                rest.split(' ')
                    .next()
                    .and_then(|oid| oid.parse::<u32>().ok()),
            ),
            "space" => self.spaces.extend(space(rest)),
            _other => {}
        }
    }

    /// When the backup began, as its label says it in the server's `log_timezone`.
    pub fn start_time(&self) -> Option<&str> {
        let told = self.label.as_ref()?.get("START TIME")?;
        let (time, _zone) = told.rsplit_once(' ')?;
        let digits = |c: char| c.is_ascii_digit() || "-: ".contains(c);
        time.chars().all(digits).then_some(time)
    }

    /// Whether this is a full backup that began after `before`. `started` is the instant that
    /// the label tells and `postmaster` that of the server's last start, both in seconds.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn judge(
        &self,
        before: &Position,
        started: Option<i64>,
        postmaster: i64,
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

    fn labelled(
        label: &BTreeMap<String, String>,
        before: &Position,
        started: Option<i64>,
    ) -> Result<Found, BackupError> {
        let said = |name: &str| label.get(name).map_or("", String::as_str);
        if label.contains_key("INCREMENTAL FROM LSN") {
            return unfit(
                "the backup is incremental (hint: `pg_combinebackup` makes a full one of it)",
            );
        }
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

/// `16389 stored filled /path`
fn space(text: &str) -> Option<(u32, Space)> {
    let mut words = text.splitn(4, ' ');
    let oid = words.next()?.parse().ok()?;
    let space = Space {
        stored: words.next()? == "stored",
        filled: words.next()? == "filled",
        place: words.next()?.to_owned(),
    };
    Some((oid, space))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Position = Position {
        lsn: 0x500_0000,
        timeline: 1,
        system_identifier: 7,
        seconds: 1000,
    };
    const GOOD: &str = "entries 25\n\
        control Database system identifier:           7\n\
        control Database cluster state:               in production\n\
        control Latest checkpoint's REDO location:    0/5000028\n\
        label START WAL LOCATION: 0/5000028 (file 000000010000000000000005)\n\
        label START TIME: 2026-01-01 00:16:40 UTC\n\
        label START TIMELINE: 1\n\
        space 16389 stored filled /store/base/full-1.tblspc/16389\n";

    fn judged(text: &str) -> Result<Found, String> {
        let judged = Contents::parse(text).judge(&BEFORE, Some(1000), 0);
        judged.map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let said = judged(text).unwrap_err();
        assert!(said.contains(why), "{said}");
    }

    fn without(start: &str) -> String {
        let lines = GOOD.lines().filter(|line| !line.starts_with(start));
        lines.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_backup_that_began_after_its_step_is_one() {
        let found = Found {
            start_lsn: 0x500_0028,
            labelled: true,
        };
        assert_eq!(judged(GOOD), Ok(found));
        assert_eq!(
            Contents::parse(GOOD).start_time(),
            Some("2026-01-01 00:16:40")
        );
    }

    #[test]
    fn what_is_no_backup_is_told_in_words() {
        refused("", "is empty");
        refused("entries 0\n", "is empty");
        refused(&without("control"), "no control file");
        refused(&without("label"), "no `backup_label`");
        refused(
            &GOOD.replace("0/5000028 (file", "(file"),
            "START WAL LOCATION",
        );
        refused(
            &GOOD.replace("identifier:           7", "identifier: 8"),
            "another cluster's",
        );
        let torn = format!(
            "{GOOD}control WARNING: Calculated CRC checksum does not match value stored in file.\n"
        );
        refused(&torn, "is damaged");
        let incremental = format!("{GOOD}label INCREMENTAL FROM LSN: 0/3000028\n");
        refused(&incremental, "incremental");
    }

    #[test]
    fn yesterdays_backup_is_not_todays() {
        let why = "an earlier one again: it begins at 0/4000028, and this step began at 0/5000000";
        refused(&GOOD.replace("0/5000028 (", "0/4000028 ("), why);
        let after_recovery = Position {
            timeline: 2,
            ..BEFORE
        };
        let contents = Contents::parse(GOOD);
        assert!(contents.judge(&after_recovery, Some(1000), 0).is_err());
        let by_time = contents.judge(&BEFORE, Some(999), 0).unwrap_err();
        assert!(
            by_time
                .to_string()
                .contains("begun at 2026-01-01 00:16:40 UTC")
        );
    }

    #[test]
    fn only_a_server_that_was_shut_down_needs_no_label() {
        let cold = without("label").replace("in production", "shut down");
        let found = Found {
            start_lsn: 0x500_0028,
            labelled: false,
        };
        assert_eq!(
            Contents::parse(&cold).judge(&BEFORE, None, 1001).unwrap(),
            found
        );
        // Made to look so by `pg_resetwal`: the server ran on.
        assert!(Contents::parse(&cold).judge(&BEFORE, None, 900).is_err());
    }

    #[test]
    fn every_tablespace_must_be_in_the_backup() {
        let wanted = [Tablespace {
            oid: 16389,
            name: "fast".into(),
            location: "/data/fast".into(),
        }];
        let why = |text: &str| {
            let held = Contents::parse(text).holds(&wanted);
            held.err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert_eq!(why(GOOD), "");
        assert!(why(&without("space")).contains("there is no `pg_tblspc/16389`"));
        let outside = GOOD.replace("stored", "elsewhere");
        assert!(why(&outside).contains("outside the backup storage"));
        assert!(why(&GOOD.replace("filled", "empty")).contains("nothing of it"));
        let mapped = format!("{GOOD}map 16400 /data/other\n");
        assert!(why(&mapped).contains("names tablespace 16400"));
    }
}
