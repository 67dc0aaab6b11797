//! What segments hold.

use super::*;

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
    EventKind::WalPosition(WalPosition {
        server: "primary".into(),
        lsn: 0x400_0000,
        last_archived: LAST.into(),
        archive_failures: 0,
        took_us: 0,
        arrived,
        written,
    })
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
    let closed = |head: &'static str, why: &'static str| {
        listed(packed(None), Moment::After, move |state| {
            let mut file = state
                .files
                .remove(&format!("{LAST}.gz"))
                .expect("it is there");
            file.closed = why.into();
            file.head = head.into();
            state.files.insert(LAST.into(), file);
        })
    };
    // Encrypted under the segment's own name.
    let encrypted = closed("53616c7465645f5f02", "ERROR: [055]: no key");
    let why = "000000010000000000000003 could not be looked into: ERROR: [055]: no key";
    expect(&encrypted, "archive", Verdict::Unknown, why);
    let other = closed("0102", "ERROR: [055]: no key");
    expect(
        &other,
        "archive",
        Verdict::Fail,
        "has 80000 of 16777216 bytes",
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
