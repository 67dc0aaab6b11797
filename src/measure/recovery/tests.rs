//! Two outages in one drill: what belongs to which.

use proptest::prelude::*;

use super::*;
use crate::{
    check::testing::*,
    fault::Fault,
    ledger::{Outcome, Record},
    measure::{
        boundary::{Boundaries, Side, StatementInstants},
        clusters::told_of,
    },
    scenario::plan::PRIMARY,
    units::Time,
};

#[test]
fn a_fault_after_a_gate_begins_a_recovery_of_its_own() {
    let fixture = lost_twice();
    let all = recoveries(&fixture.history());
    let told: Vec<_> = all.iter().map(|one| (one.after(), one.until_us)).collect();
    let second = ("lose-server of second".to_owned(), None);
    let first = ("lose-server of primary".to_owned(), Some(20 * SECOND));
    assert_eq!(told, [first, second]);
}

#[test]
fn faults_without_a_gate_between_are_recovered_from_together() {
    let no_gate = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::CutOver { .. } | EventKind::StepEnded { step: 4, .. }
        )
    };
    let fixture = lost_twice().without(no_gate);
    let all = recoveries(&fixture.history());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].began_us(), 12 * SECOND);
    let after = "lose-server of primary and lose-server of second";
    assert_eq!(all[0].after(), after);
}

#[test]
fn an_archive_that_stops_begins_no_outage() {
    let mut fixture = lost_server();
    for event in &mut fixture.events {
        let EventKind::FaultInjected(lost) = &event.kind else {
            continue;
        };
        let mut stopped = lost.clone();
        stopped.fault = Fault::StopArchiving;
        stopped.boundary = BoundaryKind::None;
        stopped.began_us = 11 * SECOND;
        fixture.tell(11 * SECOND, EventKind::FaultInjected(stopped));
        break;
    }
    let fixture = fixture.in_order();
    let all = recoveries(&fixture.history());
    assert_eq!((all.len(), all[0].began_us()), (1, 12 * SECOND));
    assert_eq!(all[0].fault().unwrap().fault, Fault::LoseServer);
}

#[test]
fn two_outages_as_they_must_be_pass() {
    let fixture = lost_twice();
    let judgement = fixture.judge();
    let bad = judgement
        .findings
        .iter()
        .filter(|one| one.verdict != Verdict::Pass);
    let bad: Vec<_> = bad.map(|one| (&one.id, &one.message)).collect();
    assert!(bad.is_empty(), "{bad:?}");
    for (measures, lost) in judgement.measures.iter().zip([3, 4]) {
        let of = |one: &crate::measure::RecoveryMeasures| (one.rpo.transactions, one.holes);
        let told: Vec<_> = measures.recoveries.iter().map(of).collect();
        assert_eq!(told, [(lost, 0), (lost, 0)], "{}", measures.workload);
        assert!(measures.rpo.measured_us < Some(SECOND));
    }
}

#[test]
fn the_first_gate_is_judged_although_the_second_is_fine() {
    let mut fixture = lost_twice();
    for event in &mut fixture.events {
        if let EventKind::Observed {
            moment: Moment::Gate,
            server,
            observation,
            ..
        } = &mut event.kind
            && server == "second"
            && let Observation::Tables(tables) = observation
        {
            tables.get_mut("app.users").unwrap().rows -= 8;
        }
    }
    let judgement = fixture.judge();
    let rows = finding(&judgement, "rows");
    assert_eq!(rows.verdict, Verdict::Fail);
    let place = "(on `second` after recovery 1 of 2)";
    assert!(rows.message.ends_with(place), "{}", rows.message);
    let rto = finding(&judgement, "rto.oa");
    assert_eq!(
        (rto.verdict, rto.follows_from.as_str()),
        (Verdict::Unknown, "rows")
    );
    assert!(rto.message.contains("recovery 1 of 2"), "{}", rto.message);
}

#[test]
fn the_longer_of_two_recoveries_counts() {
    let demanding = |rto: &str| {
        let mut fixture = lost_twice();
        fixture.plan.objectives.get_mut("oa").unwrap().rto = Some(rto.parse::<Time>().unwrap());
        for event in fixture
            .events
            .iter_mut()
            .filter(|event| event.at_us > 20 * SECOND + 200_000)
        {
            // The second recovery was as fast as can be.
            if let EventKind::StepBegan { .. } | EventKind::StepEnded { .. } = event.kind {
                event.at_us = event.at_us.min(24 * SECOND);
            }
        }
        fixture
    };
    let told = demanding("3s").judge();
    let rto = finding(&told, "rto.oa");
    assert_eq!(rto.verdict, Verdict::Fail, "{}", rto.message);
    assert_eq!(told.measures[1].recoveries.len(), 2);
}

/// What the first recovery had brought back, by WAL position, the second one lost.
#[test]
fn what_outlived_the_first_recovery_is_lost_to_the_second() {
    let mut fixture = lost_twice();
    let tail = |one: &Record| (11_500_000..12 * SECOND).contains(&one.acked_us);
    let reached = fixture
        .ledger
        .iter()
        .filter(|one| tail(one))
        .map(|one| one.lsn)
        .max()
        .unwrap();
    for event in &mut fixture.events {
        if let EventKind::Restored(restore) = &mut event.kind
            && restore.server == "second"
        {
            restore.reached_lsn = reached;
        }
    }
    let judgement = fixture.judge();
    let ledger = finding(&judgement, "ledger.oa");
    assert_eq!(ledger.verdict, Verdict::Fail);
    assert!(ledger.message.contains("holes"), "{}", ledger.message);
}

/// A second recovery that followed the first timeline brings back nothing of the second.
#[test]
fn a_recovery_that_lost_all_since_the_one_before_answers_for_what_it_lost_of_it() {
    let mut fixture = lost_twice();
    let since = 15 * SECOND..20 * SECOND;
    fixture
        .readback
        .retain(|one| one.acked_us < 9 * SECOND || one.acked_us > since.end);
    let judgement = fixture.judge();
    let oa = &judgement.measures[1].recoveries;
    assert_eq!(oa[0].rpo.transactions, 0);
    assert!(oa[1].rpo.measured_us > Some(10 * SECOND));
}

/// Each gate, move and recovery is of the restore that there had been by then.
#[test]
fn a_server_that_is_restored_twice_is_judged_by_each_restore() {
    let mut fixture = restored_in_place();
    expect(&fixture, "timeline", Verdict::Pass, "timeline 3");
    expect(
        &fixture,
        "recovery",
        Verdict::Pass,
        "the end of the archive",
    );
    let mut short = fixture.clone();
    let mut recovered = short.events.iter_mut();
    let recovered = recovered.find_map(|event| match &mut event.kind {
        EventKind::Recovered(recovery) => Some(recovery),
        _other => None,
    });
    recovered.unwrap().left = vec![(1, 2 << 24)];
    let why = "on `second` reached 0/2000000";
    expect(&short, "recovery", Verdict::Fail, why);
    let reached = [FAULT_LSN - 7, FAULT_LSN - 3];
    let restores = fixture
        .events
        .iter_mut()
        .filter_map(|event| match &mut event.kind {
            EventKind::Restored(restore) => Some(restore),
            _other => None,
        });
    for (restore, lsn) in restores.zip(reached) {
        restore.reached_lsn = lsn;
    }
    assert_eq!(reached_by(&fixture), reached);
    // Along the first timeline: positions of the second's are on another branch.
    let mut recovered = fixture.events.iter_mut().rev();
    let recovered = recovered.find_map(|event| match &mut event.kind {
        EventKind::Recovered(recovery) => Some(recovery),
        _other => None,
    });
    recovered.unwrap().left.truncate(1);
    assert_eq!(reached_by(&fixture), reached[..1]);
}

/// How far the recovery of each boundary is known to have come.
fn reached_by(fixture: &HistoryFixture) -> Vec<u64> {
    let boundaries = boundaries(fixture).all.into_iter();
    boundaries.filter_map(|one| one.reached_lsn).collect()
}

/// A recovery of the primary's, and one of the other cluster's.
#[test]
fn faults_of_another_cluster_are_no_recovery_where_there_are_own() {
    let lost = one_of_two_lost(PRIMARY);
    let began = |fixture: &HistoryFixture, cluster| {
        let events = told_of(&fixture.plan, &fixture.events, cluster);
        let history = DrillHistory {
            cluster: Some(cluster),
            ..DrillHistory::new(&fixture.plan, &events)
        };
        let all = recoveries(&history);
        let told = all.iter().map(|one| (one.began_us(), one.is_of(&history)));
        told.collect::<Vec<_>>()
    };
    let at = 25 * SECOND;
    assert_eq!(began(&lost, ORDERS), [(12 * SECOND, false)]);
    let mut both = lost.clone();
    both.events.extend(lost.events.iter().filter_map(|event| {
        let EventKind::FaultInjected(fault) = &event.kind else {
            return None;
        };
        let mut own = fault.clone();
        (own.server, own.began_us) = (ORDERS.into(), at);
        Some(Event {
            at_us: at,
            kind: EventKind::FaultInjected(own),
            ..event.clone()
        })
    }));
    let both = both.in_order();
    assert_eq!(began(&both, PRIMARY), [(12 * SECOND, true)]);
    assert_eq!(began(&both, ORDERS), [(at, true)]);
    let rto = &lost.judge().measures[1].rto;
    assert_eq!(rto.unknown, "no fault hit a server of its cluster");
}

/// What an attempt at any time lies by, in the fixture of two outages.
fn boundaries(fixture: &HistoryFixture) -> Boundaries {
    let history = fixture.history();
    Boundaries::of(
        &history,
        &recoveries(&history),
        "oa",
        &StatementInstants::new(),
    )
}

proptest! {
    /// Each transaction is judged by one boundary, and never by one that a later one precedes.
    #[test]
    fn each_record_belongs_to_one_era_of_one_recovery(
        times in prop::collection::vec((3 * SECOND..27 * SECOND, 0..2 * SECOND), 2..50),
    ) {
        let boundaries = boundaries(&lost_twice());
        let mut times = times;
        times.sort_unstable();
        let place = |&(sent_us, took): &(u64, u64)| {
            let record = Record { outcome: Outcome::Ok, sent_us, ..insert(OA, 1, sent_us + took, 0) };
            boundaries.place(&record)
        };
        for (time, place) in times.iter().map(|time| (time, place(time))) {
            let (sent_us, acked_us) = (time.0, time.0 + time.1);
            let one = &boundaries.all[place.boundary];
            prop_assert!(match place.side {
                Side::Before => acked_us <= one.instant_us,
                Side::Between => acked_us > one.instant_us && sent_us < one.cut_over_us.unwrap(),
                Side::Discarded => sent_us >= one.instant_us && acked_us <= one.cut_over_us.unwrap(),
                Side::After => place.boundary + 1 == boundaries.all.len() && sent_us >= one.cut_over_us.unwrap(),
            }, "{:?} {:?}", time, place);
            let before = place.boundary.checked_sub(1).map(|at| &boundaries.all[at]);
            prop_assert!(before.is_none_or(|before| sent_us >= before.cut_over_us.unwrap()));
        }
    }
}

#[test]
fn a_look_at_a_scratch_server_ends_no_recovery() {
    let mut fixture = lost_twice().without(|kind| matches!(kind, EventKind::CutOver { .. }));
    assert_eq!(recoveries(&fixture.history()).len(), 2);
    for event in &mut fixture.events {
        if let EventKind::Restored(restore) = &mut event.kind {
            restore.scratch |= restore.server == "second";
        }
    }
    assert_eq!(recoveries(&fixture.history()).len(), 1);
}
