use super::*;
use crate::{
    check::testing::{HistoryFixture, Moment, OA, SECOND, insert, lost_server, salvage},
    measure::recovery::recoveries,
};

impl Boundaries {
    /// One boundary, put together by hand.
    pub fn by_hand(
        began_us: u64,
        ended_us: u64,
        commit_lsn: Option<u64>,
        cut_over_us: Option<u64>,
    ) -> Self {
        let extent = Extent {
            began_us,
            ended_us,
            commit_lsn,
        };
        let boundary = Boundary {
            lsn: commit_lsn,
            cut_over_us,
            absent_after: commit_lsn.is_some(),
            extent,
            ..Boundary::at(0, began_us, None)
        };
        Self {
            all: vec![boundary],
        }
    }
}

/// A statement that committed at LSN 500 between 1000 and 1100, a cut-over at 2000.
fn boundaries() -> Boundaries {
    Boundaries::by_hand(1_000, 1_100, Some(500), Some(2_000))
}

fn at(sent_us: u64, acked_us: u64, lsn: u64) -> Record {
    Record {
        sent_us,
        ..insert(OA, 1, acked_us, lsn)
    }
}

#[test]
fn the_clock_decides_where_it_can_and_the_wal_between() {
    let side = |sent, acked, lsn| boundaries().place(&at(sent, acked, lsn)).side;
    assert_eq!(side(900, 1_000, 0), Side::Before);
    assert_eq!(side(990, 1_050, 500), Side::Before);
    assert_eq!(side(990, 1_050, 501), Side::Between);
    assert_eq!(side(990, 1_050, 0), Side::Between);
    assert_eq!(side(1_100, 1_150, 0), Side::Discarded);
    assert_eq!(side(1_990, 2_010, 0), Side::Between);
    assert_eq!(side(2_000, 2_010, 300), Side::After);
}

#[test]
fn where_production_lives_on_nothing_is_discarded() {
    let boundaries = Boundaries::by_hand(1_000, 1_100, Some(500), None);
    let side = |sent, acked| boundaries.place(&at(sent, acked, 0)).side;
    assert_eq!(side(990, 1_050), Side::Before);
    assert_eq!(side(1_100, 1_150), Side::After);
}

#[test]
fn the_first_commit_beyond_the_statement_bounds_its_instant() {
    let fixture = salvage();
    let history = fixture.history();
    let fault = history.faults().next().unwrap();
    let beyond = |acked| at(fault.began_us, acked, fault.commit_lsn.unwrap() + 8);
    let instant =
        |acked| statement_instants(history.faults(), [beyond(acked)].into_iter())[&fault.began_us];
    assert_eq!(instant(fault.began_us + 9), fault.began_us + 9);
    assert_eq!(instant(fault.ended_us + 9), fault.ended_us);
    assert_eq!(instant(fault.began_us - 9), fault.ended_us);
}

#[test]
fn production_lives_on_where_it_was_repaired_and_a_lost_server_is_left() {
    let (repaired, lost) = (salvage(), lost_server());
    assert!(repaired.history().lived_on("primary", 0..u64::MAX));
    assert!(!repaired.history().lived_on("scratch", 0..u64::MAX));
    let moved = |fixture: &HistoryFixture| {
        let (history, none) = (fixture.history(), BTreeMap::new());
        Boundaries::of(&history, &recoveries(&history), "oa", &none).moved_in(0)
    };
    assert!(moved(&lost) && !moved(&repaired));
}

/// The OA moved to a server restored to some seconds before the fault, the agent to one that was
/// restored to the end: what survives of one tells nothing of the other.
#[test]
fn servers_that_share_no_wal_leave_no_holes_in_each_other() {
    let mut fixture = lost_server();
    for event in &mut fixture.events {
        if let EventKind::CutOver { workloads, .. } = &mut event.kind {
            *workloads = vec!["agent".into()];
        }
    }
    let cut_over = EventKind::CutOver {
        workloads: vec!["oa".into()],
        to: "third".into(),
    };
    fixture.tell(21 * SECOND, cut_over);
    fixture.observe(26_500_000, Moment::After, "third", 2);
    let lost = 8 * SECOND..12 * SECOND;
    let gone = |one: &Record| one.workload == OA && lost.contains(&one.acked_us);
    fixture.readback.retain(|one| !gone(one));
    let judgement = fixture.in_order().judge();
    let told = judgement.measures.iter().map(|one| one.ledger.holes);
    assert_eq!(told.collect::<Vec<_>>(), [0, 0]);
    assert!(judgement.measures[1].ledger.lost > 30);
}

#[test]
fn a_move_after_a_repair_in_place_draws_a_boundary_of_its_own() {
    let moved = |at_us| {
        let cut_over = EventKind::CutOver {
            workloads: vec!["oa".into()],
            to: "replacement".into(),
        };
        let fixture = salvage().with(at_us, cut_over);
        let history = fixture.history();
        Boundaries::of(&history, &recoveries(&history), "oa", &BTreeMap::new())
    };
    // Thawed at 22 s: what was acknowledged since then was lost by the move.
    let after = moved(26 * SECOND);
    let written = at(23 * SECOND, 24 * SECOND, 0);
    assert_eq!(after.all.len(), 2);
    assert_eq!(after.all[1].instant_us, 26 * SECOND);
    assert_eq!(
        after.place(&written),
        Position {
            boundary: 1,
            side: Side::Before
        }
    );
    // Repaired in vain: the clients did not come back before the move.
    assert_eq!(moved(21_900_000).all.len(), 1);
}
