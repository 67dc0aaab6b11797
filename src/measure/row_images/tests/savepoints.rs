//! Rows written within savepoints: their ids are not in the ledger.

use super::*;

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
