mod archiver;
mod content;

use std::collections::BTreeMap;

use crate::{
    check::testing::*,
    event::FaultRecord,
    fault::{CloseStore, Fault, LoseStore},
    observation::{ArchiveState, ArchivedFile},
    scenario::plan::{CheckKind, Nature, Wal},
    store::Store,
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
fn another_cluster_made_of_a_dump_is_no_clone() {
    let mut dumped = salvage();
    for event in &mut dumped.events {
        if let EventKind::Restored(restore) = &mut event.kind {
            (restore.timeline, restore.nature) = (1, Nature::Logical);
        }
    }
    expect(&dumped, "archive", Verdict::Pass, "segments");
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

/// The last segment in the archive of `salvage`.
const LAST: &str = "000000010000000000000003";

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

/// A history whose WAL goes to two stores, with what each holds at the end.
fn in_two_stores(bend: impl Fn(&mut ArchiveState)) -> HistoryFixture {
    let both = |state: &mut ArchiveState| {
        let copies = state.files.iter();
        let copies = copies.map(|(name, file)| (format!("{name}@offsite"), file.clone()));
        state.files = copies.chain(state.files.clone()).collect();
    };
    let fixture = listed(salvage(), Moment::Before, both);
    let mut fixture = listed(fixture, Moment::After, |state| {
        both(state);
        bend(state);
    });
    fixture.plan.checks = vec![CheckKind::Archive];
    let strategy = &mut fixture.plan.strategy;
    strategy.stores.insert("offsite".into(), Store::default());
    let backup = strategy.backups.get_mut("main").unwrap();
    backup.to.push("offsite".into());
    fixture
}

/// The third timeline goes on where the one ended that its recovery followed.
#[test]
fn a_timeline_is_held_against_the_one_it_branched_off() {
    let branched = |off: &[(u32, u64)]| {
        let mut fixture = listed(lost_twice(), Moment::After, |state| {
            let beside =
                [(1, 3), (2, 2), (3, 4)].map(|(timeline, number)| segment(timeline, number));
            state.files.retain(|name, _| name.starts_with("00000001"));
            state.files.extend(beside);
        });
        for event in &mut fixture.events {
            if let EventKind::Recovered(recovery) = &mut event.kind
                && recovery.server == "third"
            {
                recovery.left = off.to_vec();
            }
        }
        finding(&fixture.judge(), "archive").message.clone()
    };
    let gap = "gap: 000000020000000000000002 is followed by 000000030000000000000004";
    let of_the_second = branched(&[(1, 2 << 24), (2, 4 << 24)]);
    assert!(of_the_second.contains(gap), "{of_the_second}");
    let of_the_first = branched(&[(1, 4 << 24)]);
    assert!(!of_the_first.contains("gap:"), "{of_the_first}");
}

#[test]
fn each_store_is_looked_at_and_named() {
    let whole = in_two_stores(|_| ());
    assert_eq!(finding(&whole.judge(), "archive").verdict, Verdict::Pass);
    let gap = in_two_stores(|state| drop(state.files.remove("000000010000000000000002@offsite")));
    let why = "in `offsite`: gap: 000000010000000000000001 is followed by";
    expect(&gap, "archive", Verdict::Fail, why);
}

/// What a server was about to bring to the second store when it was lost.
#[test]
fn a_segment_that_a_lost_server_was_archiving_is_told_and_not_missed() {
    let branched = in_two_stores(|state| {
        state.files.remove(&format!("{LAST}@offsite"));
        let (name, file) = segment(3, 4);
        state.files.insert(format!("{name}@offsite"), file.clone());
        state.files.insert(name, file);
    });
    let took = |mut fixture: HistoryFixture, last: &str| {
        for event in &mut fixture.events {
            if let EventKind::WalPosition(at) = &mut event.kind {
                at.last_archived = last.into();
            }
        }
        fixture
    };
    let branched = took(branched, "000000010000000000000002");
    let why = "in `offsite`: gap: 000000010000000000000002 is followed by";
    expect(&branched, "archive", Verdict::Fail, why);
    let lost = FaultRecord {
        fault: Fault::LoseServer,
        ..branched.history().faults().next().unwrap().clone()
    };
    let lost = branched.with(12 * SECOND, EventKind::FaultInjected(lost));
    let told = "that store needs a new backup";
    expect(&lost, "archive", Verdict::Pass, told);
    let why = "took 000000010000000000000003 for archived";
    expect(&took(lost, LAST), "archive", Verdict::Fail, why);
}

#[test]
fn what_went_with_its_store_is_not_missed() {
    let emptied = in_two_stores(|state| state.files.retain(|name, _| name.ends_with("@offsite")));
    expect(&emptied, "archive", Verdict::Fail, "empty");
    let at_us = 12 * SECOND;
    let fault = |fault| FaultRecord {
        fault,
        ended_us: at_us,
        ..emptied.history().faults().next().unwrap().clone()
    };
    let lost = fault(Fault::LoseStore(LoseStore("local".into())));
    let lost = emptied.clone().with(at_us, EventKind::FaultInjected(lost));
    assert_eq!(finding(&lost.judge(), "archive").verdict, Verdict::Pass);
    let mut never_again = lost;
    never_again.stands(
        13 * SECOND,
        "primary",
        0x300_0028,
        "000000010000000000000001",
    );
    let why = "`primary` took 000000010000000000000003 for archived";
    let never_again = never_again.in_order();
    expect(&never_again, "archive", Verdict::Fail, why);
    let mut asked_before = never_again;
    for event in &mut asked_before.events {
        if let EventKind::WalPosition(at) = &mut event.kind {
            at.took_us = 2 * SECOND;
        }
    }
    assert_eq!(
        finding(&asked_before.judge(), "archive").verdict,
        Verdict::Pass
    );
    let closed = fault(Fault::CloseStore(CloseStore("local".into())));
    let closed = emptied
        .clone()
        .with(at_us, EventKind::FaultInjected(closed));
    expect(&closed, "archive", Verdict::Unknown, "it is cut off");
}
