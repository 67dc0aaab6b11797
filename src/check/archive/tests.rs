use std::collections::BTreeMap;

use crate::{check::testing::*, scenario::plan::Archive};

/// What becomes of the segments and the odd files.
type Bend = fn(&mut Vec<String>, &mut Vec<String>);

/// A tale in which the archive was listed otherwise.
fn listed(tale: Tale, moment: Moment, bend: Bend) -> Tale {
    tale.bend(moment, move |seen| {
        if let Observation::Archive { segments, odd, .. } = seen {
            bend(segments, odd);
        }
    })
}

#[test]
fn gaps_odd_files_and_segments_of_a_clone_are_red() {
    let bent = |bend: Bend| listed(salvage(), Moment::After, bend);
    let gap = |segments: &mut Vec<String>, _odd: &mut Vec<String>| drop(segments.remove(1));
    expect(
        &bent(gap),
        "archive",
        Verdict::Fail,
        "gap: 000000010000000000000001",
    );
    let short = |_: &mut Vec<String>, odd: &mut Vec<String>| odd.push("x.tmp".into());
    expect(&bent(short), "archive", Verdict::Fail, "odd file: x.tmp");
    let clone = |segments: &mut Vec<String>, _odd: &mut Vec<String>| {
        segments.push("000000020000000000000003".into());
    };
    expect(
        &bent(clone),
        "archive",
        Verdict::Fail,
        "the clone `scratch` archived",
    );
    let empty = |segments: &mut Vec<String>, _odd: &mut Vec<String>| segments.clear();
    expect(&bent(empty), "archive", Verdict::Fail, "empty");
    let blind = salvage().unseen(Moment::After, |seen| {
        matches!(seen, Observation::Archive { .. })
    });
    expect(&blind, "archive", Verdict::Unknown, "not listed");
}

fn stands(lsn: u64, last_archived: &str, archive_failures: u64) -> EventKind {
    EventKind::WalPosition {
        server: "primary".into(),
        lsn,
        last_archived: last_archived.into(),
        archive_failures,
        arrived: BTreeMap::new(),
    }
}

/// The last segment in the archive of `salvage`.
const LAST: &str = "000000010000000000000003";

#[test]
fn a_segment_that_holds_something_else_now_is_red() {
    let holds = |digest: &str| BTreeMap::from([(LAST.to_owned(), digest.to_owned())]);
    let arrived = EventKind::WalPosition {
        server: "primary".into(),
        lsn: 0x400_0000,
        last_archived: LAST.into(),
        archive_failures: 0,
        arrived: holds("0a"),
    };
    let archived = salvage().with(25 * SECOND, arrived);
    let found = |digest: &'static str| {
        archived.clone().bend(Moment::After, move |seen| {
            if let Observation::Archive { digests, .. } = seen {
                *digests = holds(digest);
            }
        })
    };
    let text = "000000010000000000000003 was overwritten: it is not what `primary` archived";
    expect(&found("0b"), "archive", Verdict::Fail, text);
    expect(&found("0a"), "archive", Verdict::Pass, "without a gap");
    let listed = listed_before().bend(Moment::Before, move |seen| {
        if let Observation::Archive { digests, .. } = seen {
            *digests = holds("0c");
        }
    });
    let changed = listed.bend(Moment::After, move |seen| {
        if let Observation::Archive { digests, .. } = seen {
            *digests = holds("0d");
        }
    });
    expect(&changed, "archive", Verdict::Fail, text);
}

#[test]
fn archiving_that_is_refused_is_red() {
    let tale = salvage()
        .with(5 * SECOND, stands(0x400_0000, LAST, 0))
        .with(26 * SECOND, stands(0x600_0000, LAST, 9));
    expect(
        &tale,
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
    let slow = slow.bend(Moment::After, |seen| {
        if let Observation::Archive { segments, .. } = seen {
            segments.push("000000010000000000000004".into());
        }
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
    let tale = salvage().with(26 * SECOND, stands(0x500_0000, removed, 0));
    expect(&tale, "archive", Verdict::Fail, removed);
    let tale = tale.with(26_100_000, expired);
    expect(&tale, "archive", Verdict::Pass, "without a gap");
}

#[test]
fn a_server_nobody_asked_may_have_stopped_archiving() {
    let blind = salvage().without(|kind| matches!(kind, EventKind::WalPosition { .. }));
    expect(&blind, "archive", Verdict::Unknown, "never asked");
}

#[test]
fn a_strategy_without_archive_skips_the_check_and_is_exposed() {
    let mut tale = salvage();
    tale.plan.strategy.archive = Archive::None;
    let judgement = tale.judge();
    assert!(judgement.not_applicable.contains_key("archive"));
    assert_eq!(
        finding(&judgement, "projected-rpo.oa").verdict,
        Verdict::Fail
    );
}

/// The archive was listed before the fault.
fn listed_before() -> Tale {
    let segments = (1..=3).map(|segment| format!("0000000100000000{segment:08X}"));
    let listed = EventKind::Observed {
        moment: Moment::Before,
        server: "primary".into(),
        took_us: 1000,
        observation: Observation::Archive {
            segments: segments.collect(),
            odd: vec![],
            digests: BTreeMap::new(),
        },
    };
    salvage().with(9 * SECOND, listed)
}

fn steady(tale: &Tale, verdict: Verdict, text: &str) {
    expect(tale, "steady-state", verdict, text);
}

#[test]
fn an_archive_that_was_broken_already_is_no_fault_of_the_backup() {
    let bent = |bend: Bend| listed(listed_before(), Moment::Before, bend);
    steady(&listed_before(), Verdict::Pass, "in order");
    let lost = bent(|segments, _| drop(segments.pop()));
    let text = "takes 3 segments for archived, and 2 are in the archive";
    steady(&lost, Verdict::Unknown, text);
    expect(&lost, "archive", Verdict::Pass, "without a gap");
    let still = lost.bend(Moment::After, |seen| {
        if let Observation::Archive { segments, .. } = seen {
            segments.clear();
        }
    });
    expect(&still, "archive", Verdict::Unknown, text);
    let none = |tale: Tale| {
        tale.bend(Moment::Before, |seen| {
            if let Observation::Server(server) = seen {
                server.archived = 0;
            }
        })
    };
    let empty = bent(|segments, _| segments.clear());
    steady(&none(empty), Verdict::Pass, "in order");
    let gap = bent(|segments, _| drop(segments.remove(1)));
    steady(&gap, Verdict::Unknown, "gap: 000000010000000000000001");
    let arrives = bent(|_, odd| odd.push("000000010000000000000004 (5 bytes)".into()));
    steady(&arrives, Verdict::Pass, "in order");
    let short = bent(|_, odd| odd.push("000000010000000000000002 (5 bytes)".into()));
    steady(
        &short,
        Verdict::Unknown,
        "odd file: 000000010000000000000002",
    );
}

#[test]
fn a_server_that_had_stopped_archiving_is_no_fault_of_the_backup() {
    let at = |tale: Tale, second: u64, lsn: u64, failures: u64| {
        tale.with(second * SECOND, stands(lsn, LAST, failures))
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
