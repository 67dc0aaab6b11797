//! Contents of directories, written by hand, and what is said of them.

use super::{Contents, Found};
use crate::backup::{chain::Start, position::Position, tablespaces::Tablespace};

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
    space 16389 stored filled /store/base/main-1.tblspc/16389\n";

fn judged(text: &str) -> Result<Found, String> {
    let judged = Contents::parse(text).judge(&BEFORE, Some(1000), 0, None);
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
    refused(&incremental(), "incremental");
}

fn incremental() -> String {
    format!("{GOOD}label INCREMENTAL FROM LSN: 0/3000028\nlabel INCREMENTAL FROM TLI: 1\n")
}

#[test]
fn an_incremental_backup_builds_on_the_one_before() {
    let judged = |text: &str, lsn: u64| {
        let parent = Some(Start { lsn, timeline: 1 });
        let judged = Contents::parse(text).judge(&BEFORE, Some(1000), 0, parent);
        judged.err().map(|error| error.to_string())
    };
    assert_eq!(judged(&incremental(), 0x300_0028), None);
    let other = judged(&incremental(), 0x400_0028).unwrap();
    insta::assert_snapshot!(other, @"the backup is incremental from 0/3000028, and the one before begins at 0/4000028");
    let full = judged(GOOD, 0x300_0028).unwrap();
    assert!(full.contains("is a full one"), "{full}");
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
    assert!(
        contents
            .judge(&after_recovery, Some(1000), 0, None)
            .is_err()
    );
    let by_time = contents.judge(&BEFORE, Some(999), 0, None).unwrap_err();
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
        Contents::parse(&cold)
            .judge(&BEFORE, None, 1001, None)
            .unwrap(),
        found
    );
    // Made to look so by `pg_resetwal`: the server ran on.
    assert!(
        Contents::parse(&cold)
            .judge(&BEFORE, None, 900, None)
            .is_err()
    );
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
