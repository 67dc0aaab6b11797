//! A table dropped, and brought home through a scratch server.

use pgdrill::{event::*, fault::DropTable, scenario::plan::*};

use super::{
    AGENT, HistoryFixture,
    plan::{full_backup, plan, restore, run_for},
    recording::{command, fault, restored, tenths},
};

/// A table dropped at 12 s and brought home through a scratch server; the OA is frozen
/// from 12.5 s to 22 s, the agent never stops. Everything is as it must be.
pub fn salvage() -> HistoryFixture {
    let mut fixture = HistoryFixture::of(plan("oa-table-dropped-pg17", steps()));
    fixture.perform(&[40, 119, 121, 125, 180, 200, 210, 220, 270].map(tenths));
    fixture.backed_up(PRIMARY);
    fixture.phases(&spans());
    dropped_and_restored(&mut fixture);
    brought_home(&mut fixture);
    fixture.write_ledger(tenths(270), |workload, at_us| {
        workload == AGENT || !(tenths(120)..tenths(220)).contains(&at_us)
    });
    fixture.tell_traffic(tenths(271));
    fixture.stands(tenths(45), PRIMARY, 0x2f8_8000, "000000010000000000000001");
    fixture.stands(tenths(255), PRIMARY, 0x400_0028, "000000010000000000000003");
    fixture.observe(tenths(275), Moment::After, PRIMARY, 1);
    fixture.image(tenths(119), Moment::Before, PRIMARY);
    fixture.image(tenths(275), Moment::After, PRIMARY);
    fixture.log_read(tenths(276), PRIMARY, 812);
    fixture.frame(tenths(280));
    fixture.in_order()
}

fn spans() -> [(u64, Phase); 11] {
    [
        (119, Phase::Inject),
        (121, Phase::Freeze),
        (125, Phase::Provision),
        (132, Phase::Fetch),
        (155, Phase::ReplayToConsistency),
        (162, Phase::ReplayToTarget),
        (175, Phase::Promote),
        (180, Phase::Salvage),
        (200, Phase::Verify),
        (210, Phase::CutOver),
        (220, Phase::Run),
    ]
    .map(|(at, phase)| (tenths(at), phase))
}

fn dropped_and_restored(fixture: &mut HistoryFixture) {
    let dropped = fault(dropped_users(), tenths(120));
    fixture.tell(tenths(121), EventKind::FaultInjected(dropped));
    let frozen = EventKind::Frozen {
        workload: "oa".into(),
        role: "app_user".into(),
        revoked: Revoked::Membership("app_writers".into()),
    };
    fixture.tell(tenths(125), frozen);
    let copy = "cp -a /pgdrill/store/main-1/. /pgdrill/data";
    fixture.tell(tenths(150), command("scratch", copy, tenths(21)));
    let target = "recovery_target_lsn = '0/3000000', exclusive";
    fixture.tell(tenths(180), restored("scratch", true, target));
}

fn brought_home(fixture: &mut HistoryFixture) {
    let users = SalvagedTable {
        table: "app.users".into(),
        created: true,
        inserted: 240,
        replaced: 0,
    };
    let salvaged = EventKind::Salvaged {
        from: "scratch".into(),
        into: PRIMARY.into(),
        tables: vec![users],
    };
    fixture.tell(tenths(200), salvaged);
    fixture.observe(tenths(205), Moment::Gate, PRIMARY, 1);
    let workload = "oa".to_owned();
    fixture.tell(tenths(219), EventKind::Thawed { workload });
}

fn steps() -> Vec<Action> {
    vec![
        full_backup(),
        run_for("8s"),
        Action::Inject(dropped_users()),
        Action::Freeze("oa".into()),
        Action::Restore(Restore {
            target: Target::before("drop-table", None),
            ..restore("scratch")
        }),
        Action::Salvage(Salvage {
            from: Some("scratch".into()),
            into: Some(PRIMARY.into()),
            tables: vec!["app.users".into()],
            schemas: vec![],
            by: SalvageBy::Rows,
        }),
        Action::Verify(PRIMARY.into()),
        Action::Thaw("oa".into()),
        run_for("5s"),
    ]
}

fn dropped_users() -> Fault {
    Fault::DropTable(DropTable("app.users".into()))
}
