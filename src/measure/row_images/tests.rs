//! A world of one further table: what a step does to its rows, and what is said of it.

#[path = "tests/others.rs"]
mod others;
#[path = "tests/savepoints.rs"]
mod savepoints;
#[path = "tests/side_by_side.rs"]
mod side_by_side;
#[path = "tests/unanswered.rs"]
mod unanswered;

use super::*;
use crate::{
    event::{ImagedTable, Moment},
    ledger::{Key, Record},
};

const LOOKED_US: u64 = 5_000_000;
const ENDED_US: u64 = 5_050_000;
const UNTIL_US: u64 = 5_100_000;
/// The first transaction that may be a client's; number `n` has id `SINCE + n`.
const SINCE: u32 = 1000;

/// A client's transaction of number `n`, acknowledged at `n` × 0.1 s.
fn record(number: u64) -> Record {
    Record {
        xid: SINCE + number as u32,
        ..crate::check::testing::insert(0, number, number * 100_000, 0)
    }
}

/// What it leaves in the further table.
fn image(number: u64) -> Image {
    Image {
        table: 0,
        keyed: true,
        xid: SINCE + number as u32,
        identity: number,
        content: number << 32,
    }
}

/// Of clients that found their server restored then.
fn eras(moved_us: Option<u64>) -> Vec<Era<'static>> {
    let since = [0].into_iter().chain(moved_us);
    let era = |since_us| Era {
        workload: 0,
        since_us,
        server: "primary",
    };
    since.map(era).collect()
}

fn told(moment: Moment) -> ImageRecord {
    ImageRecord {
        server: "primary".into(),
        moment,
        since: u64::from(SINCE),
        began_us: LOOKED_US,
        tables: vec![ImagedTable {
            name: "app.notes".into(),
            ..ImagedTable::default()
        }],
        ..ImageRecord::default()
    }
}

/// A look at a server that was there from the beginning.
fn look<'a>(record: &'a ImageRecord, images: &[Image]) -> Look<'a> {
    Look {
        record,
        images: images.to_vec(),
        ended_us: ENDED_US,
        until_us: UNTIL_US,
        before_faults: true,
        restored_us: None,
        damaged: BTreeSet::new(),
    }
}

struct World {
    ledger: Vec<Record>,
    /// Transactions whose own rows are there.
    survivors: Vec<u64>,
    before: Vec<Image>,
    after: Vec<Image>,
    whole: bool,
    deleted: u64,
    deleted_by_others: u64,
    /// What a second look saw, after a step had these transactions.
    again: Option<((u64, u64), Vec<Image>)>,
    salvaged: bool,
    fault_xid: u32,
    /// When the clients found themselves on a restored server.
    moved_us: Option<u64>,
}

impl Default for World {
    /// Forty transactions, all of which survive, and their rows as they were.
    fn default() -> Self {
        Self {
            ledger: (1..=40).map(record).collect(),
            survivors: (1..=40).collect(),
            before: (1..=40).map(image).collect(),
            after: (1..=40).map(image).collect(),
            whole: false,
            deleted: 0,
            deleted_by_others: 0,
            again: None,
            salvaged: false,
            fault_xid: 0,
            moved_us: None,
        }
    }
}

impl World {
    fn sets(&self) -> Sets {
        let (mut was, mut is) = (told(Moment::Before), told(Moment::After));
        for look in [&mut was, &mut is] {
            look.tables[0].whole = self.whole;
            look.tables[0].deleted = self.deleted;
            look.tables[0].deleted_by_others = self.deleted_by_others;
        }
        let mut was_again = was.clone();
        was_again
            .steps
            .extend(self.again.iter().map(|(step, _)| *step));
        let survives = |number: &u64| (record(*number).key, (0, record(*number).xid));
        let present: HashMap<Key, (u32, u32)> = self.survivors.iter().map(survives).collect();
        let writers = Writers::of(
            || self.ledger.iter().copied(),
            |key| present.get(&key).copied(),
            &Eras {
                all: eras(self.moved_us),
                ways: Vec::new(),
                first_fault_us: Some(UNTIL_US),
                last_fault_us: Some(UNTIL_US),
                next_xid: None,
                reached: None,
                cut_off: true,
            },
        );
        let circumstances = Circumstances {
            servers: vec!["primary"],
            serving: "primary",
            salvaged: self.salvaged.then_some("app.notes").into_iter().collect(),
            fault_xids: [self.fault_xid].into(),
            emptied: false,
            logical: false,
        };
        let mut before = vec![look(&was, &self.before)];
        let again = self.again.iter();
        before.extend(again.map(|(_, images)| look(&was_again, images)));
        let after = [look(&is, &self.after)];
        let tables = balance(&before, &after, &writers, &circumstances);
        tables.into_values().next().unwrap_or_default()
    }

    fn bent(bend: impl Fn(&mut Self)) -> Sets {
        let mut world = Self::default();
        bend(&mut world);
        world.sets()
    }
}

#[test]
fn rows_as_clients_left_them_are_right_wherever_they_lie_and_whoever_wrote_them_anew() {
    let seen = Sets {
        seen: 40,
        ..Sets::default()
    };
    assert_eq!(World::default().sets(), seen);
    let anew = World::bent(|world| {
        world.after.iter_mut().for_each(|row| row.xid = 7000);
        world.after.reverse();
    });
    assert_eq!(anew, seen);
}

#[test]
fn a_changed_missing_doubled_or_added_row_is_told() {
    let changed = World::bent(|world| {
        world.after[3].content = 0;
        world.after[3].xid = 7000;
    });
    assert_eq!((changed.changed, changed.missing), (1, 0));
    let missing = World::bent(|world| drop(world.after.drain(10..35)));
    assert_eq!(missing.missing, 25);
    let doubled = World::bent(|world| world.after.push(image(3)));
    assert_eq!(doubled.doubled, 1);
    let added = World::bent(|world| {
        world.after.push(Image {
            xid: 7000,
            ..image(77)
        });
    });
    assert_eq!(added.unexpected, 1);
    let moved = World::bent(|world| {
        world.after[3].identity = 99;
        world.after[3].xid = 7000;
    });
    assert_eq!((moved.missing, moved.unexpected), (1, 1));
}

/// Even where the id of the change is one that a lost transaction had.
#[test]
fn an_id_given_out_again_excuses_no_change() {
    let world = World::bent(|world| {
        world.survivors.retain(|number| *number < 40);
        world.after.pop();
        world.after[3].content = 0;
        world.after[3].xid = SINCE + 40;
    });
    assert_eq!((world.changed, world.missing), (1, 0));
}

/// Transaction 40 is lost, and its id that of another one on the restored server.
#[test]
fn an_id_given_out_again_makes_no_lost_transaction_survive() {
    let again = |content: u64| {
        World::bent(|world| {
            world.moved_us = Some(6_000_000);
            world.survivors.retain(|number| *number < 40);
            world.after.pop();
            let mut later = record(70);
            later.xid = SINCE + 40;
            world.ledger.push(later);
            world.survivors.push(70);
            world.after.push(Image {
                identity: 70,
                content,
                ..image(40)
            });
        })
    };
    assert!(again(7).is_right());
}

#[test]
fn rows_of_lost_transactions_are_not_demanded() {
    let lost = World::bent(|world| {
        world.survivors.truncate(30);
        world.after.truncate(30);
    });
    assert!(lost.is_right(), "{lost:?}");
    let half = World::bent(|world| world.after.truncate(30));
    assert_eq!(half.missing, 10);
}

#[test]
fn clients_may_write_on_after_the_look() {
    let later = World::bent(|world| {
        world.ledger.push(record(60));
        world.survivors.push(60);
        world.after.push(image(60));
        world.after[0].content = 0;
        world.after[0].xid = SINCE + 60;
    });
    assert!(later.is_right(), "{later:?}");
    let earlier = World::bent(|world| {
        world.after[0].content = 0;
        world.after[0].xid = SINCE + 9;
    });
    assert_eq!(earlier.changed, 1);
}

#[test]
fn an_earlier_version_is_right_where_the_later_one_is_lost() {
    let older = World::bent(|world| {
        world.before[39].identity = 1;
        world.before.remove(0);
        world.survivors.retain(|number| *number != 40);
        world.after.pop();
    });
    assert!(older.is_right(), "{older:?}");
}

#[test]
fn clients_that_delete_rows_themselves_leave_it_open_which_are_gone() {
    let gone = World::bent(|world| {
        world.deleted = 3;
        world.after.truncate(30);
    });
    assert!(gone.is_right(), "{gone:?}");
}

/// A cascade may have taken its rows along; a table of which nothing was ever deleted, though
/// rows had been erased long before, is no such table.
#[test]
fn rows_may_go_with_the_row_that_was_erased() {
    let erased = |number: u64, at_us: u64| Record {
        version: 1,
        digest: Record::TOMBSTONE,
        acked_us: at_us,
        sent_us: at_us - 1,
        xid: 0,
        ..record(number)
    };
    let gone = |at_us: u64| {
        World::bent(|world| {
            world.ledger.push(erased(4, at_us));
            world.survivors.retain(|number| *number != 4);
            world.after.retain(|row| row.identity != 4);
        })
    };
    assert!(gone(3_500_000).is_right());
    assert_eq!(gone(1_000_000).missing, 1);
}

/// Salvage brings home what was written between the look and the fault: so many, and no more.
#[test]
fn salvage_may_bring_home_what_nobody_could_look_at() {
    let salvaged = |added: u64| {
        World::bent(|world| {
            world.salvaged = true;
            let mut between = record(51);
            between.acked_us = LOOKED_US + 1;
            world.survivors.push(51);
            world.ledger.push(between);
            world.after.extend((0..added).map(|number| Image {
                xid: 7000,
                ..image(90 + number)
            }));
        })
    };
    assert!(salvaged(1).is_right());
    assert_eq!(salvaged(2).unexpected, 2);
}

/// The bad statement took the row along by a cascade; what else its transaction wrote stays.
#[test]
fn a_row_of_a_transaction_amid_the_injection_is_its_clients() {
    let amid = |more: &[u64]| {
        World::bent(|world| {
            let mut between = record(51);
            between.acked_us = UNTIL_US - 1;
            world.ledger.push(between);
            world.ledger.extend(more.iter().copied().map(record));
            world.survivors.extend(more);
            world.after.push(image(51));
        })
    };
    assert!(amid(&[60]).is_right());
    assert_eq!(amid(&[]).unexpected, 1);
}
