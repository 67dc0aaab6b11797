//! The algebra of the ledger: random histories against a world that knows the truth.

use std::collections::BTreeMap;

use proptest::prelude::*;

#[path = "tests/erasures.rs"]
mod erasures;

use super::*;

/// What a client tried, and how it ended. One after the other: 10 µs each.
#[derive(Clone, Debug)]
struct Try {
    client: u16,
    deed: Deed,
    outcome: Outcome,
    /// Whether the server did it although the answer was lost.
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Insert,
    Update,
    Erase,
}

/// Rows of a server: key → version and digest.
type Rows = BTreeMap<Key, (u32, u64)>;

/// A history: what was tried, what was recovered and when.
#[derive(Clone, Debug)]
struct World {
    tries: Vec<Try>,
    /// Tries below this index were recovered.
    recovered: usize,
    /// Tries below this index came before the boundary.
    boundary: usize,
    /// Tries from this index on ran on the new server.
    cut_over: usize,
}

fn time(index: usize) -> u64 {
    1_000 + index as u64 * 10
}

fn world() -> impl Strategy<Value = World> {
    let outcome = prop_oneof![
        6 => Just((Outcome::Ok, true)),
        1 => Just((Outcome::Fail, false)),
        1 => Just((Outcome::Info, true)),
        1 => Just((Outcome::Info, false)),
    ];
    let deed = prop_oneof![
        3 => Just(Deed::Insert),
        2 => Just(Deed::Update),
        1 => Just(Deed::Erase),
    ];
    let one = (0u16..4, deed, outcome).prop_map(|(client, deed, (outcome, done))| Try {
        client,
        deed,
        outcome,
        done,
    });
    (
        prop::collection::vec(one, 1..120),
        any::<[prop::sample::Index; 3]>(),
    )
        .prop_map(|(tries, at)| {
            let mut cuts = at.map(|index| index.index(tries.len() + 1));
            cuts.sort_unstable();
            let [recovered, boundary, cut_over] = cuts;
            World {
                tries,
                recovered,
                boundary,
                cut_over,
            }
        })
}

/// A client: how many rows it made, and the one it may update or erase.
#[derive(Clone, Copy, Default)]
struct Client {
    made: u64,
    own: Option<(Key, u32)>,
}

impl World {
    /// Performs everything: the ledger, and the rows of the server that lives on.
    fn perform(&self) -> (Vec<Record>, Rows) {
        let mut ledger = Vec::new();
        let mut clients = [Client::default(); 4];
        let mut rows = Rows::new();
        let mut kept = Rows::new();
        for (index, attempt) in self.tries.iter().enumerate() {
            if index == self.recovered {
                kept.clone_from(&rows);
            }
            if index == self.cut_over {
                rows = std::mem::take(&mut kept);
            }
            let client = &mut clients[usize::from(attempt.client)];
            ledger.push(perform(index, attempt, client, &mut rows));
        }
        let end = self.tries.len();
        if self.recovered == end {
            kept.clone_from(&rows);
        }
        if self.cut_over == end {
            rows = kept;
        }
        (ledger, rows)
    }

    fn boundaries(&self, statement: bool) -> Boundaries {
        let began = time(self.boundary) - 3;
        let commit_lsn = statement.then_some(began);
        Boundaries::by_hand(began, began + 1, commit_lsn, Some(time(self.cut_over) - 1))
    }

    fn account(&self, ledger: &[Record], rows: &Rows, statement: bool) -> Account {
        let question = Question {
            boundaries: self.boundaries(statement),
            ready_us: vec![None],
        };
        let readback = Readback::collect(rows.iter().map(|row| found(row, ledger)));
        balance(&[question], ledger.iter().copied(), readback).remove(0)
    }

    /// Whether a row is absent, and rightly: an erasure that was not discarded was tried.
    fn superseded(&self, ledger: &[Record], rows: &Rows, one: &Record) -> bool {
        let discarded = self.boundary..self.cut_over.max(self.boundary);
        let erased = ledger.iter().enumerate().any(|(index, other)| {
            other.key == one.key
                && other.deletes()
                && other.outcome != Outcome::Fail
                && !discarded.contains(&index)
        });
        erased && !rows.contains_key(&one.key)
    }

    fn acknowledged(&self, ledger: &[Record], range: std::ops::Range<usize>) -> u64 {
        let within = &ledger[range.start.min(range.end)..range.end];
        within
            .iter()
            .filter(|one| one.outcome == Outcome::Ok)
            .count() as u64
    }
}

/// A row as a readback records it.
fn found((key, (version, digest)): (&Key, &(u32, u64)), ledger: &[Record]) -> Record {
    Record {
        key: *key,
        version: *version,
        digest: *digest,
        outcome: Outcome::Ok,
        ..ledger[0]
    }
}

/// One try on the server that serves; an update or erasure of a row that is not as the client
/// left it is refused. Who has no row of its own makes one.
fn perform(index: usize, attempt: &Try, client: &mut Client, rows: &mut Rows) -> Record {
    let own = client.own.filter(|_| attempt.deed != Deed::Insert);
    let erases = own.is_some() && attempt.deed == Deed::Erase;
    let (key, version) = own.map_or_else(
        || {
            client.made += 1;
            (Key::new(0, 1, attempt.client, client.made), 0)
        },
        |(key, version)| (key, version + 1),
    );
    let applies = version == 0
        || rows
            .get(&key)
            .is_some_and(|(there, _)| there + 1 == version);
    let outcome = match attempt.outcome {
        Outcome::Ok if !applies => Outcome::Fail,
        other => other,
    };
    let digest = if erases {
        Record::TOMBSTONE
    } else {
        index as u64 + 7
    };
    if applies && attempt.done && outcome != Outcome::Fail {
        match erases {
            true => drop(rows.remove(&key)),
            false => drop(rows.insert(key, (version, digest))),
        }
    }
    // After a lost answer nobody knows the row's version: the client leaves it alone.
    match outcome {
        Outcome::Ok => client.own = Some((key, version)).filter(|_| !erases),
        Outcome::Info => client.own = None,
        Outcome::Fail => {}
    }
    Record {
        key,
        version,
        outcome,
        workload: 0,
        tenant: 1,
        digest,
        intended_us: time(index),
        sent_us: time(index),
        acked_us: time(index) + 5,
        lsn: time(index),
        xid: 0,
    }
}

proptest! {
    #[test]
    fn losses_are_what_the_world_lost(world in world(), statement: bool) {
        let (ledger, rows) = world.perform();
        let account = world.account(&ledger, &rows, statement);
        let tally = &account.tally;
        let lost: Vec<&Record> = ledger[..world.boundary].iter().skip(world.recovered).filter(|one| one.outcome == Outcome::Ok && !world.superseded(&ledger, &rows, one)).collect();
        prop_assert_eq!(tally.lost, lost.len() as u64);
        prop_assert_eq!(tally.discarded, world.acknowledged(&ledger, world.boundary..world.cut_over));
        prop_assert_eq!(tally.kept + tally.lost + tally.discarded, tally.ok);
        let wrong = (tally.lost_after, tally.damaged, tally.resurrected, tally.unexpected, tally.holes);
        prop_assert_eq!(wrong, (0, 0, 0, 0, 0));
        let oldest = lost.iter().map(|one| one.acked_us).min();
        prop_assert_eq!(account.lost().map(|loss| loss.acked_us).min(), oldest);
    }

    #[test]
    fn a_row_missing_amid_survivors_is_a_hole(world in world(), pick: prop::sample::Index) {
        let (ledger, mut rows) = world.perform();
        let tried = |key: Key| ledger.iter().any(|other| other.key == key && other.deletes());
        let survives = |one: &&Record| one.outcome == Outcome::Ok && !tried(one.key) && rows.get(&one.key) == Some(&(one.version, one.digest));
        let survivors: Vec<Record> = ledger[..world.recovered].iter().filter(survives).copied().collect();
        prop_assume!(survivors.len() > 1);
        let gone = survivors[pick.index(survivors.len() - 1)];
        rows.remove(&gone.key);
        let account = world.account(&ledger, &rows, false);
        prop_assert!(account.tally.holes > 0);
        prop_assert!(account.holes.contains(&(gone.key, gone.version)));
    }

    #[test]
    fn a_changed_row_is_damaged_and_a_strange_one_unexpected(world in world(), pick: prop::sample::Index) {
        let (ledger, mut rows) = world.perform();
        prop_assume!(!rows.is_empty());
        let key = *rows.keys().nth(pick.index(rows.len())).unwrap();
        rows.get_mut(&key).unwrap().1 ^= 1 << 40;
        rows.insert(Key::new(0, 9, 9, 9), (0, 1));
        let account = world.account(&ledger, &rows, false);
        prop_assert_eq!((account.tally.damaged, account.tally.unexpected), (1, 1));
    }

    /// Judged again, a run names the same rows.
    #[test]
    fn examples_come_by_key(world in world()) {
        let (ledger, mut rows) = world.perform();
        rows.values_mut().for_each(|row| row.1 ^= 1 << 40);
        let first: Vec<RowVersion> = rows.iter().map(|(key, row)| (*key, row.0)).take(EXAMPLES).collect();
        prop_assert_eq!(world.account(&ledger, &rows, false).damaged, first);
    }

    #[test]
    fn a_refused_row_that_is_there_is_resurrected(world in world(), pick: prop::sample::Index) {
        let (ledger, mut rows) = world.perform();
        let refused: Vec<Record> = ledger.iter().filter(|one| one.outcome == Outcome::Fail && one.version == 0).copied().collect();
        prop_assume!(!refused.is_empty());
        let back = refused[pick.index(refused.len())];
        rows.insert(back.key, (0, back.digest));
        prop_assert_eq!(world.account(&ledger, &rows, false).tally.resurrected, 1);
    }

    #[test]
    fn what_came_after_a_bad_statement_must_be_gone(world in world(), pick: prop::sample::Index) {
        let (ledger, mut rows) = world.perform();
        let late: Vec<Record> = ledger[world.boundary..world.cut_over].iter().filter(|one| one.outcome == Outcome::Ok && one.version == 0).copied().collect();
        prop_assume!(!late.is_empty());
        let back = late[pick.index(late.len())];
        rows.insert(back.key, (0, back.digest));
        prop_assert_eq!(world.account(&ledger, &rows, true).tally.resurrected, 1);
        prop_assert_eq!(world.account(&ledger, &rows, false).tally.resurrected, 0);
    }

    /// No cut-over: a salvage brings home what lay before the instant it aimed at.
    #[test]
    fn what_a_salvage_left_out_is_a_hole(world in world(), pick: prop::sample::Index, aimed: prop::sample::Index) {
        let end = world.tries.len();
        let world = World { recovered: end, boundary: end, cut_over: end, ..world };
        let (ledger, mut rows) = world.perform();
        let tried = |key: Key| ledger.iter().any(|other| other.key == key && other.deletes());
        let survives = |one: &&Record| one.outcome == Outcome::Ok && !tried(one.key) && rows.get(&one.key) == Some(&(one.version, one.digest));
        let survivors: Vec<Record> = ledger.iter().filter(survives).copied().collect();
        prop_assume!(survivors.len() > 1);
        let gone = survivors[pick.index(survivors.len() - 1)];
        rows.remove(&gone.key);
        let aimed = time(aimed.index(end));
        let mut question = Question { boundaries: world.boundaries(false), ready_us: vec![None] };
        question.boundaries.all[0].cut_over_us = None;
        let mut holes = |aimed_us| {
            question.boundaries.all[0].aimed_us = aimed_us;
            let readback = Readback::collect(rows.iter().map(|row| found(row, &ledger)));
            let account = balance(&[question.clone()], ledger.iter().copied(), readback).remove(0);
            account.holes.contains(&(gone.key, gone.version))
        };
        prop_assert!(holes(None));
        prop_assert_eq!(holes(Some(aimed)), gone.acked_us < aimed);
    }

    /// No cut-over: everything acknowledged at any time must be there.
    #[test]
    fn where_production_lives_on_nothing_may_be_missing(world in world(), pick: prop::sample::Index) {
        let world = World { recovered: world.tries.len(), cut_over: world.tries.len(), ..world };
        let (ledger, mut rows) = world.perform();
        prop_assume!(!rows.is_empty());
        let key = *rows.keys().nth(pick.index(rows.len())).unwrap();
        rows.remove(&key);
        let mut boundaries = world.boundaries(false);
        boundaries.all[0].cut_over_us = None;
        let question = Question { boundaries, ready_us: vec![None] };
        let readback = Readback::collect(rows.iter().map(|row| found(row, &ledger)));
        let account = balance(&[question], ledger.iter().copied(), readback).remove(0);
        prop_assume!(!ledger.iter().any(|one| one.key == key && one.deletes()));
        let promised = ledger.iter().filter(|one| one.key == key && one.outcome == Outcome::Ok).count() as u64;
        prop_assert_eq!(account.tally.lost + account.tally.lost_after, promised);
        prop_assert_eq!(account.tally.discarded, 0);
    }
}

#[test]
fn a_row_found_twice_is_unexpected() {
    let world = World {
        tries: vec![Try {
            client: 0,
            deed: Deed::Insert,
            outcome: Outcome::Ok,
            done: true,
        }],
        recovered: 1,
        boundary: 1,
        cut_over: 1,
    };
    let (ledger, rows) = world.perform();
    let twice = rows
        .iter()
        .chain(rows.iter())
        .map(|row| found(row, &ledger));
    let question = Question {
        boundaries: world.boundaries(false),
        ready_us: vec![None],
    };
    let account = balance(
        &[question],
        ledger.iter().copied(),
        Readback::collect(twice),
    )
    .remove(0);
    assert_eq!(account.tally.unexpected, 1);
}
