//! Writes whose answers were lost, and with them their ids.

use super::*;

/// Longer than a transaction waits before it takes its id.
const LINGERS: u64 = 6_000_000;

/// The same whose answer was lost, and with it the id.
fn unanswered(number: u64) -> Record {
    Record {
        outcome: crate::ledger::Outcome::Info,
        xid: 0,
        ..record(number)
    }
}

/// One that the ledger places at 500 in the WAL.
fn erasure() -> Record {
    Record {
        version: 1,
        digest: Record::TOMBSTONE,
        lsn: 500,
        ..record(41)
    }
}

/// Clients lost the answer of one write, and nobody knows its id.
#[test]
fn a_write_without_an_answer_may_be_there() {
    let lost = |xid: u32, rows: u64| {
        World::bent(|world| {
            let unanswered = unanswered(41);
            world.ledger.push(unanswered);
            world.after.extend((0..rows).map(|number| Image {
                xid,
                ..image(80 + number)
            }));
        })
    };
    assert!(lost(SINCE + 41, 1).is_right());
    assert_eq!(lost(SINCE + 41, 2).unexpected, 2);
    assert_eq!(lost(SINCE + 4100, 1).unexpected, 1);
}

/// Each outage leaves writes whose answers were lost, not the first alone.
#[test]
fn an_answer_lost_in_a_later_outage_excuses_a_row_as_well() {
    let survivor = record(41);
    let unanswered = unanswered(42);
    let known = |last_fault_us| {
        let sides = Eras {
            first_fault_us: Some(survivor.acked_us - 1),
            last_fault_us: Some(last_fault_us),
            cut_off: true,
            ..Eras::default()
        };
        let row = |key| (key == survivor.key).then_some((0, survivor.xid));
        let writers = Writers::of(|| [survivor, unanswered].into_iter(), row, &sides);
        writers.unanswered(survivor.xid + 1)
    };
    assert_eq!(known(survivor.acked_us - 1), 0);
    assert_eq!(known(survivor.acked_us + 1), 1);
}

/// What the restored server wrote itself is no write of before, however near its id.
#[test]
fn an_id_that_the_restored_server_gave_out_excuses_nothing() {
    let survivor = record(41);
    let unanswered = unanswered(42);
    let known = |next_xid, xid| {
        let sides = Eras {
            first_fault_us: Some(survivor.acked_us + 1),
            last_fault_us: Some(survivor.acked_us + 1),
            next_xid,
            ..Eras::default()
        };
        let row = |key| (key == survivor.key).then_some((0, survivor.xid));
        Writers::of(|| [survivor, unanswered].into_iter(), row, &sides).unanswered(xid)
    };
    assert_eq!(known(None, survivor.xid + 1), 1);
    assert_eq!(known(Some(survivor.xid + 1), survivor.xid + 1), 0);
    // It replayed as far as the unanswered one.
    assert_eq!(known(Some(survivor.xid + 2), survivor.xid + 1), 1);
}

/// A fault may cut clients off later than it ends by its own account.
#[test]
fn a_write_that_was_answered_no_more_has_an_id_below_those_of_what_was_sent_later() {
    let survivor = record(41);
    let unanswered = unanswered(42);
    let later = crate::ledger::Record {
        sent_us: unanswered.acked_us + 1,
        acked_us: unanswered.acked_us + 2,
        ..record(60)
    };
    let sides = Eras {
        first_fault_us: Some(survivor.acked_us - 2),
        last_fault_us: Some(survivor.acked_us - 1),
        cut_off: true,
        ..Eras::default()
    };
    let ledger = [survivor, unanswered, later];
    let row = |key| (key == survivor.key).then_some((0, survivor.xid));
    let writers = Writers::of(|| ledger.into_iter(), row, &sides);
    assert_eq!(writers.unanswered(later.xid - 1), 1);
    assert_eq!(writers.unanswered(later.xid), 0);
}

/// A salvage writes its row anew: the id that is there is the salvage's, and its own still unknown.
#[test]
fn a_salvaged_row_does_not_tell_the_id_of_a_write_without_an_answer() {
    let survivor = record(41);
    let unanswered = unanswered(42);
    let later = Record {
        sent_us: unanswered.sent_us + LINGERS,
        acked_us: unanswered.acked_us + LINGERS,
        ..record(60)
    };
    let sides = Eras {
        first_fault_us: Some(survivor.acked_us - 2),
        last_fault_us: Some(survivor.acked_us - 1),
        all: eras(None),
        ..Eras::default()
    };
    let ledger = [survivor, unanswered, later];
    let known = |own: u32| {
        let row = |key| {
            let own = (key == unanswered.key).then_some((0, own));
            own.or((key == survivor.key).then_some((0, survivor.xid)))
        };
        let writers = Writers::of(|| ledger.into_iter(), row, &sides);
        (
            writers.unanswered(later.xid - 1),
            writers
                .surviving(own, &look(&told(Moment::After), &[]))
                .is_some(),
        )
    };
    assert_eq!(known(survivor.xid + 1), (0, true));
    assert_eq!(known(later.xid + 1), (1, false));
}

/// It may have waited, as on a busy machine, while others took their ids.
#[test]
fn a_write_that_was_given_up_may_take_its_id_after_one_that_was_sent_later() {
    let survivor = record(41);
    let unanswered = unanswered(42);
    let known = |cut_off, sent_us| {
        let sides = Eras {
            first_fault_us: Some(survivor.acked_us - 1),
            last_fault_us: Some(survivor.acked_us - 1),
            cut_off,
            ..Eras::default()
        };
        let later = crate::ledger::Record {
            sent_us,
            acked_us: sent_us + 1,
            ..record(60)
        };
        let ledger = [survivor, unanswered, later];
        let row = |key| (key == survivor.key).then_some((0, survivor.xid));
        Writers::of(|| ledger.into_iter(), row, &sides).unanswered(later.xid + 7)
    };
    let soon = unanswered.acked_us + 1;
    assert_eq!(known(false, soon), 1);
    assert_eq!(known(false, soon + LINGERS), 0);
    // The server was lost, and every transaction with it.
    assert_eq!(known(true, soon), 0);
}

/// Erased while a fault was being injected: no later write tells that recovery went past it, but
/// its place in the WAL does.
#[test]
fn an_erasure_that_was_replayed_survives() {
    let erasure = erasure();
    let moved_us = erasure.acked_us + 10;
    let survives = |reached| {
        let sides = Eras {
            all: eras(Some(moved_us)),
            first_fault_us: Some(erasure.sent_us - 1),
            last_fault_us: Some(erasure.acked_us + 1),
            reached,
            ..Eras::default()
        };
        let writers = Writers::of(|| [erasure].into_iter(), |_key| None, &sides);
        writers
            .surviving(erasure.xid, &look(&told(Moment::After), &[]))
            .is_some()
    };
    assert!(!survives(None));
    assert!(survives(Some((moved_us, 500))));
    assert!(!survives(Some((moved_us, 499))));
}

/// It was committed at the end of what was replayed, and when its client asked where, others had
/// written: what it left beside its row tells.
#[test]
fn a_row_that_is_there_proves_the_commit_of_its_id() {
    let erasure = erasure();
    let moved_us = erasure.acked_us + 10;
    let committed = |next_xid| {
        let sides = Eras {
            all: eras(Some(moved_us)),
            first_fault_us: Some(erasure.sent_us - 1),
            last_fault_us: Some(erasure.acked_us + 1),
            reached: Some((moved_us, 499)),
            next_xid: Some(next_xid),
            ..Eras::default()
        };
        let writers = Writers::of(|| [erasure].into_iter(), |_key| None, &sides);
        writers.committed(erasure.xid, &look(&told(Moment::After), &[]))
    };
    assert!(committed(erasure.xid + 1));
    // Given out again.
    assert!(!committed(erasure.xid));
}
