//! Two servers that serve side by side, and give out the same ids from the fork on.

use super::*;
use crate::ledger::Outcome;

const FORK_US: u64 = 1_050_000;
const AGAIN: u32 = SINCE + 12;

/// Ten transactions of workload 0 on the primary, from which `second` is restored and to which
/// workload 1 moves. Then each writes one with the same id: workload 0 changes row 3.
fn ledger() -> Vec<Record> {
    let again = |number: u64, workload: u8| Record {
        xid: AGAIN,
        workload,
        key: Key::new(workload, 1, 0, number),
        ..record(number)
    };
    let mut ledger: Vec<Record> = (1..=10).map(record).collect();
    ledger.extend([again(20, 0), again(21, 1)]);
    ledger
}

fn changed() -> Image {
    Image {
        xid: AGAIN,
        content: 77,
        ..image(3)
    }
}

/// What is said of the primary's rows by so many looks, where row 3 is this one after the last step.
fn sets(row: Image, looks: usize) -> Sets {
    let era = |workload, since_us, server| Era {
        workload,
        since_us,
        server,
    };
    let eras = Eras {
        all: vec![
            era(0, 0, "primary"),
            era(1, 0, "primary"),
            era(0, FORK_US, "primary"),
            era(1, FORK_US, "primary"),
            era(1, FORK_US + 1, "second"),
        ],
        ways: vec![0, 1],
        first_fault_us: Some(UNTIL_US),
        last_fault_us: Some(UNTIL_US),
        cut_off: true,
        ..Eras::default()
    };
    let ledger = ledger();
    let there = |key| ledger.iter().find(|one| one.key == key);
    let present = |key| there(key).map(|one| (one.version, one.xid));
    let acknowledged = |one: &&Record| one.outcome == Outcome::Ok;
    let written = || ledger.iter().filter(acknowledged).copied();
    let writers = Writers::of(written, present, &eras);
    let on = |server: &str, moment| ImageRecord {
        server: server.into(),
        ..told(moment)
    };
    let records = [on("primary", Moment::Before), on("second", Moment::Before)];
    let last = on("primary", Moment::After);
    let with = |row: Image| {
        let mut images: Vec<Image> = (1..=10).map(image).collect();
        images[2] = row;
        images
    };
    let second = Look {
        restored_us: Some(FORK_US),
        ..look(&records[1], &with(image(3)))
    };
    let circumstances = Circumstances {
        servers: vec!["primary", "second"],
        serving: "second",
        ..Circumstances::default()
    };
    let before = [look(&records[0], &with(changed())), second];
    let tables = balance(
        &before[..looks],
        &[look(&last, &with(row))],
        &writers,
        &circumstances,
    );
    tables.into_values().next().unwrap_or_default()
}

/// What the other server still holds of it is older.
#[test]
fn a_row_is_held_against_the_server_of_its_client() {
    let right = sets(changed(), 2);
    assert!(right.is_right() && right.seen == 10, "{right:?}");
}

#[test]
fn an_id_that_the_other_server_gave_out_excuses_no_change() {
    let harmed = Image {
        xid: 7000,
        content: 0,
        ..changed()
    };
    assert_eq!(sets(harmed, 1).changed, 1);
}
