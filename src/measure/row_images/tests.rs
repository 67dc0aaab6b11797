//! A world of one further table: what a step does to its rows, and what is said of it.

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
        let look = |record, images: &[Image]| Look {
            record,
            images: images.to_vec(),
            ended_us: ENDED_US,
            until_us: UNTIL_US,
            before_faults: true,
        };
        let survives = |number: &u64| (record(*number).key, (0, record(*number).xid));
        let present: HashMap<Key, (u32, u32)> = self.survivors.iter().map(survives).collect();
        let writers = Writers::of(
            || self.ledger.iter().copied(),
            |key| present.get(&key).copied(),
            &Eras {
                snapshots: Vec::new(),
                breaks_us: vec![self.moved_us.into_iter().collect()],
                first_fault_us: Some(UNTIL_US),
                last_fault_us: Some(UNTIL_US),
                next_xid: None,
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

/// What the model's own SQL deleted before the clients began is no deletion of theirs.
#[test]
fn what_others_deleted_leaves_nothing_open() {
    let gone = |deleted: u64| {
        World::bent(|world| {
            (world.deleted, world.deleted_by_others) = (deleted, 3);
            world.after.truncate(30);
        })
    };
    assert_eq!(gone(3).missing, 10);
    assert!(gone(4).is_right());
    // Statistics that were reset since.
    assert!(gone(2).is_right());
}

/// A step of the scenario's before any fault: neither does what it wrote belong there, nor
/// does it make others' rows right.
#[test]
fn what_a_step_wrote_is_nobodys_although_it_was_seen_before_the_fault() {
    let added = |xid: u32| {
        World::bent(|world| {
            let row = Image { xid, ..image(77) };
            world.after.push(row);
            world.again = Some(((7000, 7002), world.after.clone()));
        })
    };
    assert_eq!(added(7001).unexpected, 1);
    assert!(added(7002).is_right());
    let changed = World::bent(|world| {
        world.after[3].content = 0;
        world.after[3].xid = 7000;
        world.again = Some(((7000, 7002), world.after.clone()));
    });
    assert_eq!(changed.changed, 1);
}

/// Rows of the load may have keys in a table that no client writes.
#[test]
fn rows_of_the_load_with_a_key_are_compared_where_no_client_writes() {
    let loaded = |bend: &dyn Fn(&mut Vec<Image>)| {
        World::bent(|world| {
            let row = |number: u64| Image {
                xid: 700,
                ..image(number)
            };
            world.before = (1..=40).map(row).collect();
            world.after = world.before.clone();
            bend(&mut world.after);
        })
    };
    assert!(loaded(&|_| ()).is_right());
    assert_eq!(loaded(&|rows| rows[3].content = 0).changed, 1);
    assert_eq!(loaded(&|rows| rows.truncate(39)).missing, 1);
    let added = loaded(&|rows| {
        rows.push(Image {
            xid: 7000,
            ..image(77)
        });
    });
    assert_eq!(added.unexpected, 1);
}

/// The digest of the steady state, which a step may have preceded, tells of such a table.
#[test]
fn rows_without_a_key_are_not_compared_where_nobody_writes() {
    let unwritten = World::bent(|world| {
        let row = |number: u64| Image {
            keyed: false,
            xid: 700,
            ..image(number)
        };
        world.whole = true;
        world.before = (1..=40).map(row).collect();
        world.after = world.before.clone();
        world.after.push(Image {
            xid: 7001,
            ..row(77)
        });
        world.again = Some(((7000, 7002), world.after.clone()));
    });
    assert_eq!(unwritten, Sets::default());
}

/// A client's rows that were written within savepoints, each of which has an id of its own;
/// transaction 51, sent after the look, survives or not.
fn of_savepoints(keyed: bool, proven: bool, bend: impl Fn(&mut World)) -> Sets {
    World::bent(|world| {
        let row = |number: u64| Image {
            keyed,
            xid: SINCE + 500 + number as u32,
            ..image(number)
        };
        (world.whole, world.before) = (!keyed, (1..=40).map(row).collect());
        world.after = world.before.clone();
        world.ledger.push(record(51));
        if proven {
            world.survivors.push(51);
        }
        bend(world);
    })
}

#[test]
fn a_row_of_a_savepoint_is_missing_where_a_later_transaction_survives() {
    for keyed in [true, false] {
        let right = of_savepoints(keyed, true, |_| ());
        assert!(right.is_right() && right.others == 40, "{right:?}");
        let gone = |proven| of_savepoints(keyed, proven, |world| world.after.truncate(30));
        assert_eq!(gone(true).missing, 10);
        assert!(gone(false).is_right());
    }
}

/// Others may have updated it, deleted it, or erased the row that it hung on.
#[test]
fn a_row_of_a_savepoint_is_not_demanded_where_others_may_have_taken_it_away() {
    let deleted = of_savepoints(true, true, |world| {
        world.deleted = 1;
        world.after.truncate(30);
    });
    assert!(deleted.is_right(), "{deleted:?}");
    let all_that_tells_it = of_savepoints(false, true, |world| {
        let rows = world.before.iter_mut();
        rows.for_each(|row| row.identity = row.content);
        world.after.truncate(30);
    });
    assert!(all_that_tells_it.is_right(), "{all_that_tells_it:?}");
    let erased = of_savepoints(true, true, |world| {
        world.ledger.push(Record {
            version: 1,
            digest: Record::TOMBSTONE,
            sent_us: 4_000_000,
            acked_us: 4_000_001,
            xid: 0,
            ..record(4)
        });
        world.after.truncate(30);
    });
    assert!(erased.is_right(), "{erased:?}");
}

#[test]
fn a_row_of_a_savepoint_may_be_updated_and_others_come() {
    let later = of_savepoints(true, true, |world| {
        (world.after[3].content, world.after[3].xid) = (0, 7000);
        world.after.push(Image {
            xid: 7001,
            ..image(77)
        });
    });
    assert!(later.is_right(), "{later:?}");
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

#[test]
fn the_rows_of_the_load_count_where_no_key_tells_them() {
    let loaded = |number: u64| Image {
        keyed: false,
        xid: 700,
        ..image(number)
    };
    let whole = |bend: &dyn Fn(&mut World)| {
        World::bent(|world| {
            world.whole = true;
            for rows in [&mut world.before, &mut world.after] {
                rows.iter_mut().for_each(|row| row.keyed = false);
                rows.extend((100..120).map(loaded));
            }
            bend(world);
        })
    };
    let right = whole(&|_| ());
    assert!(right.is_right() && right.seen == 40, "{right:?}");
    assert_eq!(whole(&|world| world.after.truncate(59)).missing, 1);
    let changed = whole(&|world| world.after.last_mut().unwrap().content = 0);
    assert_eq!(changed.changed, 1);
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

#[test]
fn what_the_fault_wrote_is_nobody_elses() {
    let entries = World::bent(|world| {
        world.fault_xid = 7000;
        world.after.push(Image {
            xid: 7000,
            ..image(77)
        });
    });
    assert!(entries.is_right(), "{entries:?}");
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
            writers.surviving(own).is_some(),
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
