//! Whether a server archives, and what it says of that.

use super::*;

#[test]
fn a_lost_server_is_held_to_what_it_took_for_archived() {
    let took = |name: &str| {
        let mut fixture = lost_server();
        fixture.stands(11 * SECOND, "primary", 0x500_0000, name);
        fixture.in_order()
    };
    expect(&took(LAST), "archive", Verdict::Pass, "without a gap");
    let text = "`primary` took 000000010000000000000004 for archived, and it is not in the archive";
    expect(
        &took("000000010000000000000004"),
        "archive",
        Verdict::Fail,
        text,
    );
    let other = took("000000010000000000000004.partial");
    expect(&other, "archive", Verdict::Pass, "without a gap");
}

fn stands(lsn: u64, last_archived: &str, archive_failures: u64) -> EventKind {
    EventKind::WalPosition(WalPosition {
        server: "primary".into(),
        lsn,
        last_archived: last_archived.into(),
        archive_failures,
        took_us: 0,
        arrived: BTreeMap::new(),
        written: BTreeMap::new(),
    })
}

#[test]
fn archiving_that_is_refused_is_red() {
    let fixture = salvage()
        .with(5 * SECOND, stands(0x400_0000, LAST, 0))
        .with(26 * SECOND, stands(0x600_0000, LAST, 9));
    expect(
        &fixture,
        "archive",
        Verdict::Fail,
        "archiving stopped: 9 failures, 3 segments behind",
    );
}

#[test]
fn an_archiver_that_is_catching_up_is_not_refused() {
    let newer = "000000010000000000000004";
    let fixture = salvage()
        .with(5 * SECOND, stands(0x400_0000, LAST, 0))
        .with(20 * SECOND, stands(0x600_0000, LAST, 4))
        .with(26 * SECOND, stands(0x600_0000, newer, 4));
    let fixture = listed(fixture, Moment::After, |state| {
        state.files.extend([segment(1, 4)])
    });
    expect(&fixture, "archive", Verdict::Pass, "without a gap");
}

#[test]
fn archiving_that_hangs_is_red() {
    let hangs = salvage().with(26 * SECOND, stands(0x700_0000, LAST, 0));
    let text = "archiving stopped: the WAL moved on by 3 segments";
    expect(&hangs, "archive", Verdict::Fail, text);
    let never = salvage()
        .with(25_600_000, stands(0x400_0000, "", 0))
        .with(26 * SECOND, stands(0x700_0000, "", 0));
    expect(&never, "archive", Verdict::Fail, "the last one is none");
}

#[test]
fn an_archiver_that_lags_is_none_that_hangs() {
    let little = salvage().with(26 * SECOND, stands(0x600_0000, LAST, 0));
    expect(&little, "archive", Verdict::Pass, "without a gap");
    let just_now = salvage().with(27_300_000, stands(0x900_0000, LAST, 0));
    expect(&just_now, "archive", Verdict::Pass, "without a gap");
    let slow = salvage().with(26 * SECOND, stands(0x900_0000, LAST, 0));
    let slow = listed(slow, Moment::After, |state| {
        state.files.extend([segment(1, 4)])
    });
    expect(&slow, "archive", Verdict::Pass, "without a gap");
}

#[test]
fn a_segment_told_to_be_archived_that_is_not_there_is_red() {
    let lies = salvage().with(
        26 * SECOND,
        stands(0x600_0000, "000000010000000000000005", 0),
    );
    expect(&lies, "archive", Verdict::Fail, "not in the archive");
    let never_renamed = listed(lies, Moment::After, |state| {
        let name = "000000010000000000000005.part";
        state.files.insert(name.into(), file(300));
    });
    let text = "not in the archive";
    expect(&never_renamed, "archive", Verdict::Fail, text);
    let later = salvage().with(
        27_600_000,
        stands(0x600_0000, "000000010000000000000005", 0),
    );
    expect(&later, "archive", Verdict::Pass, "without a gap");
}

#[test]
fn a_segment_that_retention_removed_is_no_lie() {
    let removed = "000000010000000000000004";
    let expired = EventKind::RetentionApplied {
        cluster: "primary".into(),
        removed_backups: vec![],
        removed_wal: vec![removed.into()],
    };
    let fixture = salvage().with(26 * SECOND, stands(0x500_0000, removed, 0));
    expect(&fixture, "archive", Verdict::Fail, removed);
    let fixture = fixture.with(26_100_000, expired);
    expect(&fixture, "archive", Verdict::Pass, "without a gap");
}

#[test]
fn a_server_nobody_asked_may_have_stopped_archiving() {
    let blind = salvage().without(|kind| matches!(kind, EventKind::WalPosition(_)));
    expect(&blind, "archive", Verdict::Unknown, "never asked");
}

#[test]
fn a_server_that_had_stopped_archiving_is_no_fault_of_the_backup() {
    let at = |fixture: HistoryFixture, second: u64, lsn: u64, failures: u64| {
        fixture.with(second * SECOND, stands(lsn, LAST, failures))
    };
    let lags = at(listed_before(), 8, 0x700_0000, 0);
    steady(&lags, Verdict::Pass, "in order");
    let hangs = at(lags, 10, 0x700_0000, 0);
    let text = "archiving had stopped: 0 failures, 4 segments behind";
    steady(&hangs, Verdict::Unknown, text);
    let fails = at(listed_before(), 10, 0x500_0000, 3);
    steady(&fails, Verdict::Unknown, "3 failures, 2 segments behind");
    let later = at(listed_before(), 14, 0x900_0000, 9);
    steady(&later, Verdict::Pass, "in order");
}
