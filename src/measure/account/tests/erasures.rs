//! Hand-written histories of one row that is erased, and random ones of a row that is back.

use super::*;

/// A statement that committed at LSN 1000, between 1000 and 1100 µs; a cut-over at 2000.
fn question(moved: bool) -> Question {
    let boundaries = Boundaries::by_hand(1_000, 1_100, Some(1_000), moved.then_some(2_000));
    Question {
        boundaries,
        ready_us: vec![None],
    }
}

/// A row's version, sent at a time and acknowledged 5 µs later. LSNs are times.
fn record(number: u64, version: u32, sent_us: u64, digest: u64) -> Record {
    Record {
        key: Key::new(0, 1, 0, number),
        version,
        outcome: Outcome::Ok,
        workload: 0,
        tenant: 0,
        digest,
        intended_us: sent_us,
        sent_us,
        acked_us: sent_us + 5,
        lsn: sent_us + 5,
        xid: 0,
    }
}

/// A row written at 100, and erased; another one that survives, written at 300.
fn history(erased_us: u64, outcome: Outcome) -> Vec<Record> {
    let erasure = Record {
        outcome,
        ..record(1, 1, erased_us, Record::TOMBSTONE)
    };
    let mut history = vec![record(1, 0, 100, 7), record(2, 0, 300, 8), erasure];
    history.sort_by_key(|one| one.acked_us);
    history
}

fn account(moved: bool, ledger: &[Record], there: &[Record]) -> Account {
    let readback = Readback::collect(there.iter().copied());
    balance(&[question(moved)], ledger.iter().copied(), readback).remove(0)
}

/// The sets that an erasure may fall into.
fn sets(account: &Account) -> [u64; 4] {
    let tally = &account.tally;
    [tally.kept, tally.lost, tally.resurrected, tally.discarded]
}

#[test]
fn an_erased_row_that_is_absent_is_kept_and_so_is_what_it_held() {
    let other = [record(2, 0, 300, 8)];
    for outcome in [Outcome::Ok, Outcome::Info] {
        let kept = if outcome == Outcome::Ok { 3 } else { 2 };
        for (moved, erased_us) in [(true, 200), (true, 400), (true, 2_100), (false, 1_500)] {
            let account = account(moved, &history(erased_us, outcome), &other);
            assert_eq!(sets(&account), [kept, 0, 0, 0], "{outcome:?} {erased_us}");
        }
    }
}

#[test]
fn a_row_whose_erasure_was_refused_must_be_there() {
    let ledger = history(200, Outcome::Fail);
    let both = [record(1, 0, 100, 7), record(2, 0, 300, 8)];
    assert_eq!(sets(&account(true, &ledger, &both)), [2, 0, 0, 0]);
    let lost = account(true, &ledger, &both[1..]);
    assert_eq!((sets(&lost), lost.tally.holes), ([1, 1, 0, 0], 1));
}

#[test]
fn an_erased_row_that_is_back_amid_survivors_is_resurrected() {
    let both = [record(1, 0, 100, 7), record(2, 0, 300, 8)];
    for moved in [true, false] {
        let back = account(moved, &history(200, Outcome::Ok), &both);
        assert_eq!(sets(&back), [2, 0, 1, 0]);
        assert_eq!(back.resurrected, [(both[0].key, 1)]);
    }
}

#[test]
fn an_erasure_that_recovery_did_not_reach_is_lost() {
    let both = [record(1, 0, 100, 7), record(2, 0, 300, 8)];
    let tail = account(true, &history(400, Outcome::Ok), &both);
    assert_eq!((sets(&tail), tail.tally.holes), ([2, 1, 0, 0], 0));
    assert_eq!(tail.lost().next().unwrap().acked_us, 405);
}

#[test]
fn an_erasure_undone_on_the_server_that_lives_on_is_resurrected() {
    let both = [record(1, 0, 100, 7), record(2, 0, 300, 8)];
    for (moved, erased_us) in [(false, 1_500), (true, 2_100)] {
        let back = account(moved, &history(erased_us, Outcome::Ok), &both);
        assert_eq!(sets(&back), [2, 0, 1, 0], "{erased_us}");
    }
}

#[test]
fn an_erasure_around_the_boundary_binds_nobody() {
    let both = [record(1, 0, 100, 7), record(2, 0, 300, 8)];
    let ledger = history(1_050, Outcome::Ok);
    assert_eq!(sets(&account(false, &ledger, &both)), [3, 0, 0, 0]);
    assert_eq!(sets(&account(false, &ledger, &both[1..])), [3, 0, 0, 0]);
    assert_eq!(sets(&account(true, &ledger, &both)), [2, 0, 0, 1]);
    let unanswered = history(200, Outcome::Info);
    assert_eq!(sets(&account(true, &unanswered, &both)), [2, 0, 0, 0]);
}

#[test]
fn an_erasure_on_the_server_given_up_excuses_no_loss() {
    let ledger = history(1_500, Outcome::Ok);
    let other = [record(2, 0, 300, 8)];
    let account = account(true, &ledger, &other);
    assert_eq!((sets(&account), account.tally.holes), ([1, 1, 0, 1], 1));
}

#[test]
fn an_erasure_after_the_instant_that_a_salvage_aimed_at_is_lost() {
    let both = [record(1, 0, 100, 7), record(2, 0, 300, 8)];
    let mut aimed = question(false);
    let mut at = |aimed_us| {
        aimed.boundaries.all[0].aimed_us = Some(aimed_us);
        let readback = Readback::collect(both.into_iter());
        let ledger = history(200, Outcome::Ok).into_iter();
        sets(&balance(&[aimed.clone()], ledger, readback).remove(0))
    };
    assert_eq!(at(150), [2, 1, 0, 0]);
    assert_eq!(at(250), [2, 0, 1, 0]);
}

proptest! {
    #[test]
    fn an_erased_row_that_is_back_is_resurrected_or_lost(world in world(), pick: prop::sample::Index) {
        let (ledger, mut rows) = world.perform();
        let erased = |one: &&Record| one.outcome == Outcome::Ok && one.deletes() && !rows.contains_key(&one.key);
        let before = ledger[..world.boundary.min(world.recovered)].iter();
        let erasures: Vec<Record> = before.filter(erased).copied().collect();
        prop_assume!(!erasures.is_empty());
        let back = erasures[pick.index(erasures.len())];
        let was = world.account(&ledger, &rows, false).tally;
        let last = ledger.iter().rfind(|one| one.key == back.key && one.outcome == Outcome::Ok && !one.deletes()).unwrap();
        let survives = |one: &&Record| one.outcome == Outcome::Ok && rows.get(&one.key) == Some(&(one.version, one.digest));
        let past = ledger[..world.recovered].iter().any(|one| survives(&one) && one.sent_us > back.acked_us);
        rows.insert(back.key, (last.version, last.digest));
        let is = world.account(&ledger, &rows, false).tally;
        let more = (is.resurrected - was.resurrected, is.lost - was.lost, was.kept - is.kept);
        prop_assert_eq!(more, if past { (1, 0, 1) } else { (0, 1, 1) });
    }
}
