use std::collections::BTreeMap;

use crate::{
    check::testing::*,
    observation::{ArchiveState, ArchivedFile},
    scenario::plan::Wal,
};

/// A history in which the archive was listed otherwise.
fn listed(
    fixture: HistoryFixture,
    moment: Moment,
    bend: impl Fn(&mut ArchiveState),
) -> HistoryFixture {
    fixture.bend(moment, move |seen| {
        if let Observation::Archive(state) = seen {
            bend(state);
        }
    })
}

fn at_the_end(bend: impl Fn(&mut ArchiveState)) -> HistoryFixture {
    listed(salvage(), Moment::After, bend)
}

/// A file of which nothing is known but its size.
fn file(bytes: u64) -> ArchivedFile {
    ArchivedFile {
        bytes,
        ..ArchivedFile::default()
    }
}

#[test]
fn gaps_odd_files_and_segments_of_a_clone_are_red() {
    let gap = at_the_end(|state| drop(state.files.remove("000000010000000000000002")));
    expect(
        &gap,
        "archive",
        Verdict::Fail,
        "gap: 000000010000000000000001",
    );
    let odd = at_the_end(|state| drop(state.files.insert("x.tmp".into(), file(3))));
    expect(&odd, "archive", Verdict::Fail, "odd file: x.tmp (3 bytes)");
    let clone = at_the_end(|state| state.files.extend([segment(2, 3)]));
    expect(
        &clone,
        "archive",
        Verdict::Fail,
        "the clone `scratch` archived",
    );
    let empty = at_the_end(|state| state.files.clear());
    expect(&empty, "archive", Verdict::Fail, "empty");
    let killed = "000000010000000000000001.part";
    let begun = listed(empty, Moment::After, |state| {
        state.files.insert(killed.into(), file(300));
    });
    let judgement = begun.judge();
    let details = &finding(&judgement, "archive").details;
    assert!(details[1].starts_with(killed), "{details:?}");
    let blind = salvage().unseen(Moment::After, |seen| {
        matches!(seen, Observation::Archive(_))
    });
    expect(&blind, "archive", Verdict::Unknown, "not listed");
}

#[test]
fn a_clone_that_waits_at_its_target_archived_nothing_of_its_sources_timeline() {
    let mut waiting = salvage();
    for event in &mut waiting.events {
        if let EventKind::Restored(restore) = &mut event.kind {
            (restore.timeline, restore.paused) = (1, true);
        }
    }
    expect(&waiting, "archive", Verdict::Pass, "segments");
}

#[test]
fn a_short_segment_is_told_with_its_size() {
    let short = at_the_end(|state| drop(state.files.insert(LAST.into(), file(8192))));
    let text = "000000010000000000000003 has 8192 of 16777216 bytes";
    expect(&short, "archive", Verdict::Fail, text);
    let judgement = short.judge();
    assert_eq!(finding(&judgement, "archive").details, [text]);
}

#[test]
fn files_that_postgresql_archives_beside_segments_are_not_odd() {
    let beside = at_the_end(|state| {
        for name in [
            "000000010000000000000004.partial",
            "00000002.history",
            "000000010000000000000002.00000028.backup",
            "000000010000000000000004.part.77",
            "000000010000000000000004.part",
            "00000002.history.part",
        ] {
            state.files.insert(name.into(), file(300));
        }
    });
    expect(
        &beside,
        "archive",
        Verdict::Pass,
        "3 segments without a gap",
    );
}

/// The archive at the end, and what was known of its last segment.
fn last(written: &str, bend: impl Fn(&mut ArchivedFile)) -> HistoryFixture {
    let mut fixture = salvage();
    fixture.tell(
        25 * SECOND,
        sampled(
            BTreeMap::new(),
            BTreeMap::from([(LAST.into(), written.into())]),
        ),
    );
    listed(fixture.in_order(), Moment::After, move |state| {
        bend(state.files.get_mut(LAST).expect("it is there"));
    })
}

fn sampled(
    arrived: BTreeMap<String, ArchivedFile>,
    written: BTreeMap<String, String>,
) -> EventKind {
    EventKind::WalPosition {
        server: "primary".into(),
        lsn: 0x400_0000,
        last_archived: LAST.into(),
        archive_failures: 0,
        arrived,
        written,
    }
}

#[test]
fn a_segment_that_is_not_what_its_server_wrote_is_red_when_it_arrives() {
    let as_written = last("0103", |_| ());
    expect(
        &as_written,
        "archive",
        Verdict::Pass,
        "1 as their server wrote",
    );
    let differs = last("0999", |_| ());
    let text = "000000010000000000000003 is not what `primary` wrote";
    expect(&differs, "archive", Verdict::Fail, text);
    let other = last("0103", |file| *file = segment(1, 2).1);
    let text = "000000010000000000000003 holds 000000010000000000000002";
    expect(&other, "archive", Verdict::Fail, text);
    let zeros = last("0103", |file| {
        file.head = "00".repeat(40);
        file.digest = "zeros".into();
    });
    expect(&zeros, "archive", Verdict::Fail, "begins with zeros");
}

#[test]
fn a_bad_segment_that_is_gone_since_is_red_too() {
    let (name, bad) = segment(1, 0);
    let arrived = BTreeMap::from([(name.clone(), bad)]);
    let written = BTreeMap::from([(name, "0a".to_owned())]);
    let fixture = listed_before().with(25 * SECOND, sampled(arrived, written));
    let text = "000000010000000000000000 is not what";
    expect(&fixture, "archive", Verdict::Fail, text);
    let judgement = fixture.judge();
    assert_eq!(finding(&judgement, "steady-state").verdict, Verdict::Pass);
}

#[test]
fn a_segment_that_nobody_saw_written_is_judged_by_itself() {
    let bent = |bend: fn(&mut ArchivedFile)| {
        at_the_end(move |state| bend(state.files.get_mut(LAST).expect("it is there")))
    };
    let other = bent(|file| file.head = segment(1, 2).1.head);
    expect(
        &other,
        "archive",
        Verdict::Fail,
        "holds 000000010000000000000002",
    );
    let later = bent(|file| file.head = segment(2, 3).1.head);
    expect(&later, "archive", Verdict::Fail, "is of timeline 2");
    let cut = bent(|file| file.head = "10d1".into());
    expect(&cut, "archive", Verdict::Fail, "begins with no page of WAL");
    let flipped =
        bent(|file| file.refused = "error: incorrect resource manager data checksum".into());
    expect(
        &flipped,
        "archive",
        Verdict::Fail,
        "can't be read: error: incorrect",
    );
    let unfilled =
        bent(|file| file.refused = "invalid record length: expected at least 24, got 0".into());
    expect(&unfilled, "archive", Verdict::Pass, "without a gap");
    let stranger = at_the_end(|state| state.system_identifier = 8);
    expect(
        &stranger,
        "archive",
        Verdict::Fail,
        "of another cluster: system identifier 7, not 8",
    );
}

#[test]
fn the_first_segment_of_a_timeline_begins_with_the_one_it_left() {
    let branched = |second: u32| {
        listed(lost_server(), Moment::After, move |state| {
            let (name, mut file) = segment(2, 4);
            file.head = segment(1, 4).1.head;
            state.files.insert(name, file);
            let (name, mut file) = segment(2, 5);
            file.head = segment(second, 5).1.head;
            state.files.insert(name, file);
        })
    };
    expect(&branched(2), "archive", Verdict::Pass, "5 segments");
    expect(
        &branched(1),
        "archive",
        Verdict::Fail,
        "000000020000000000000005 is of timeline 1",
    );
}

#[test]
fn a_packed_segment_is_looked_through_or_leaves_the_check_open() {
    let packed = |inside: Option<&'static str>| {
        let fixture = last("0103", |_| ());
        listed(fixture, Moment::After, move |state| {
            let mut file = state.files.remove(LAST).expect("it is there");
            file.head = "1f8b08".into();
            file.bytes = 80_000;
            file.inside = inside.map(str::to_owned);
            state.files.insert(format!("{LAST}.gz"), file);
        })
    };
    expect(
        &packed(Some("0103")),
        "archive",
        Verdict::Pass,
        "3 segments",
    );
    expect(
        &packed(Some("0999")),
        "archive",
        Verdict::Fail,
        "is not what `primary` wrote",
    );
    expect(
        &packed(None),
        "archive",
        Verdict::Unknown,
        "could not be looked into",
    );
    let unseen = listed(packed(Some("0103")), Moment::After, |state| {
        let mut file = state
            .files
            .remove("000000010000000000000002")
            .expect("it is there");
        file.head = "1f8b08".into();
        file.inside = Some("0102".into());
        state
            .files
            .insert("000000010000000000000002.gz".into(), file);
    });
    expect(&unseen, "archive", Verdict::Unknown, "nobody saw that");
    // Its first page, and pg_waldump, speak for it where nobody saw what its server wrote.
    let inside = |number| {
        listed(unseen.clone(), Moment::After, move |state| {
            let file = state.files.get_mut("000000010000000000000002.gz");
            file.expect("it is there").inside_head = segment(1, number).1.head;
        })
    };
    expect(&inside(2), "archive", Verdict::Pass, "without a gap");
    let why = "000000010000000000000002.gz holds 000000010000000000000003";
    expect(&inside(3), "archive", Verdict::Fail, why);
    let beside = at_the_end(|state| drop(state.files.insert(format!("{LAST}.gz"), file(5))));
    expect(
        &beside,
        "archive",
        Verdict::Fail,
        "beside the segment itself",
    );
}

#[test]
fn segments_of_another_size_are_whole_by_theirs() {
    let megabyte = at_the_end(|state| {
        state.segment_size = 1 << 20;
        for (number, file) in (1_u64..).zip(state.files.values_mut()) {
            file.bytes = 1 << 20;
            let mut head = hex::decode(&file.head).expect("hexadecimal");
            head[8..16].copy_from_slice(&(number << 20).to_le_bytes());
            file.head = hex::encode(head);
        }
    });
    expect(
        &megabyte,
        "archive",
        Verdict::Pass,
        "3 segments without a gap",
    );
    let sixteen = at_the_end(|state| state.segment_size = 1 << 20);
    expect(
        &sixteen,
        "archive",
        Verdict::Fail,
        "has 16777216 of 1048576 bytes",
    );
}

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
    EventKind::WalPosition {
        server: "primary".into(),
        lsn,
        last_archived: last_archived.into(),
        archive_failures,
        arrived: BTreeMap::new(),
        written: BTreeMap::new(),
    }
}

/// The last segment in the archive of `salvage`.
const LAST: &str = "000000010000000000000003";

#[test]
fn a_segment_that_holds_something_else_now_is_red() {
    let file = |digest: &str| ArchivedFile {
        digest: digest.into(),
        ..segment(1, 3).1
    };
    let holds = move |digest: &str| BTreeMap::from([(LAST.to_owned(), file(digest))]);
    let archived = salvage().with(25 * SECOND, sampled(holds("0a"), BTreeMap::new()));
    let found = |fixture: HistoryFixture, moment: Moment, digest: &'static str| {
        listed(fixture, moment, move |state| {
            state.files.extend(holds(digest))
        })
    };
    let text = "000000010000000000000003 was overwritten: it is not what `primary` archived";
    let changed = found(archived.clone(), Moment::After, "0b");
    expect(&changed, "archive", Verdict::Fail, text);
    let same = found(archived, Moment::After, "0a");
    expect(&same, "archive", Verdict::Pass, "without a gap");
    let before = found(listed_before(), Moment::Before, "0c");
    let changed = found(before, Moment::After, "0d");
    expect(&changed, "archive", Verdict::Fail, text);
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
    let blind = salvage().without(|kind| matches!(kind, EventKind::WalPosition { .. }));
    expect(&blind, "archive", Verdict::Unknown, "never asked");
}

#[test]
fn a_strategy_without_archive_skips_the_check_and_is_exposed() {
    let mut fixture = salvage();
    fixture.plan.strategy.wal = Wal::None;
    let judgement = fixture.judge();
    assert!(judgement.not_applicable.contains_key("archive"));
    assert_eq!(
        finding(&judgement, "projected-rpo.oa").verdict,
        Verdict::Fail
    );
}

/// The archive was listed before the fault.
fn listed_before() -> HistoryFixture {
    let listed = EventKind::Observed {
        moment: Moment::Before,
        server: "primary".into(),
        took_us: 1000,
        observation: Observation::Archive(ArchiveState {
            archived: 3,
            segment_size: 16 << 20,
            system_identifier: 7,
            files: (1..=3).map(|number| segment(1, number)).collect(),
            written: BTreeMap::new(),
        }),
    };
    salvage().with(9 * SECOND, listed)
}

fn steady(fixture: &HistoryFixture, verdict: Verdict, text: &str) {
    expect(fixture, "steady-state", verdict, text);
}

#[test]
fn an_archive_that_was_broken_already_is_no_fault_of_the_backup() {
    let bent = |bend: fn(&mut ArchiveState)| listed(listed_before(), Moment::Before, bend);
    steady(&listed_before(), Verdict::Pass, "in order");
    let lost = bent(|state| drop(state.files.remove(LAST)));
    let text = "takes 3 files for archived, and 2 are in the archive";
    steady(&lost, Verdict::Unknown, text);
    expect(&lost, "archive", Verdict::Pass, "without a gap");
    let still = listed(lost, Moment::After, |state| state.files.clear());
    expect(&still, "archive", Verdict::Unknown, text);
    let new = bent(|state| {
        state.archived = 0;
        state.files.clear();
    });
    steady(&new, Verdict::Pass, "in order");
    let gap = bent(|state| {
        state.archived = 2;
        state.files.remove("000000010000000000000002");
    });
    steady(&gap, Verdict::Unknown, "gap: 000000010000000000000001");
    let arrives = bent(|state| {
        drop(
            state
                .files
                .insert("000000010000000000000004".into(), file(5)),
        )
    });
    steady(&arrives, Verdict::Pass, "in order");
    let short = bent(|state| {
        drop(
            state
                .files
                .insert("000000010000000000000002".into(), file(5)),
        )
    });
    let text = "000000010000000000000002 has 5 of 16777216 bytes";
    steady(&short, Verdict::Unknown, text);
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
