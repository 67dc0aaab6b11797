//! Rows that no client wrote: of the load, of steps and of faults.

use super::*;

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
