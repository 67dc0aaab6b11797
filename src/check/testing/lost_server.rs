//! A server lost with its storage, restored elsewhere, cut over.

use pgdrill::{event::*, scenario::plan::*};

use super::{
    HistoryFixture,
    plan::{cut_over, full_backup, plan, restore, run_for},
    recording::{fault, recovered, restored, tenths},
};

pub const REPLACEMENT: &str = "replacement";

/// The whole server lost at 12 s, restored into `replacement`, cut over at 21 s. The last
/// 400 ms before the loss had not been archived.
pub fn lost_server() -> HistoryFixture {
    moved(&["agent", "oa"])
}

/// The same, but only the OA moved: both servers serve at the end.
pub fn oa_alone_moved() -> HistoryFixture {
    let mut fixture = moved(&["oa"]);
    fixture.observe(tenths(266), Moment::After, PRIMARY, 1);
    fixture.image(tenths(266), Moment::After, PRIMARY);
    fixture.in_order()
}

fn moved(workloads: &[&str]) -> HistoryFixture {
    of_plan(
        plan("server-lost-pg17", steps(workloads)),
        PRIMARY,
        workloads,
    )
}

/// The same of a plan with these steps, in which another server may be the one that is lost.
pub(super) fn of_plan(plan: Plan, server: &str, workloads: &[&str]) -> HistoryFixture {
    let names: Vec<String> = plan.workloads.keys().cloned().collect();
    let hit = names
        .iter()
        .map(|name| plan.cluster_of_workload(name) == server);
    let hit: Vec<bool> = hit.collect();
    let mut fixture = HistoryFixture::of(plan);
    let workloads: Vec<String> = workloads.iter().map(|&name| name.to_owned()).collect();
    fixture.perform(&[40, 119, 121, 190, 205, 211, 260].map(tenths));
    fixture.backed_up(server);
    fixture.phases(&spans());
    let lost = FaultRecord {
        target: server.into(),
        server: server.into(),
        ..fault(Fault::LoseServer, tenths(120))
    };
    fixture.log_read(tenths(120), server, 640);
    fixture.tell(tenths(121), EventKind::FaultInjected(lost));
    fixture.tell(tenths(189), recovered(REPLACEMENT));
    fixture.tell(tenths(190), restored(REPLACEMENT, false, "latest"));
    fixture.observe(tenths(200), Moment::Gate, REPLACEMENT, 2);
    let to = REPLACEMENT.to_owned();
    fixture.tell(tenths(210), EventKind::CutOver { workloads, to });
    let hit = |workload: u8| hit[usize::from(workload)];
    fixture.write_ledger(tenths(260), |workload, at_us| {
        !hit(workload) || !(tenths(120)..tenths(211)).contains(&at_us)
    });
    let survives = |at_us: u64| at_us <= tenths(116) || at_us > tenths(121);
    fixture
        .readback
        .retain(|one| !hit(one.workload) || survives(one.acked_us));
    fixture.tell_traffic(tenths(261));
    fixture.stands(tenths(212), REPLACEMENT, 0x400_0100, "");
    fixture.stands(
        tenths(255),
        REPLACEMENT,
        0x500_0028,
        "000000020000000000000004",
    );
    fixture.observe(tenths(265), Moment::After, REPLACEMENT, 2);
    fixture.image(tenths(119), Moment::Before, server);
    fixture.image(tenths(265), Moment::After, REPLACEMENT);
    fixture.log_read(tenths(266), REPLACEMENT, 230);
    fixture.frame(tenths(270));
    fixture.in_order()
}

fn spans() -> [(u64, Phase); 9] {
    [
        (119, Phase::Inject),
        (121, Phase::Provision),
        (130, Phase::Fetch),
        (150, Phase::ReplayToConsistency),
        (160, Phase::ReplayToTarget),
        (185, Phase::Promote),
        (190, Phase::Verify),
        (205, Phase::CutOver),
        (211, Phase::Run),
    ]
    .map(|(at, phase)| (tenths(at), phase))
}

pub(super) fn steps(workloads: &[&str]) -> Vec<Action> {
    vec![
        full_backup(),
        run_for("8s"),
        Action::Inject(Fault::LoseServer),
        Action::Restore(restore(REPLACEMENT)),
        Action::Verify(REPLACEMENT.into()),
        cut_over(workloads, REPLACEMENT),
        run_for("5s"),
    ]
}
