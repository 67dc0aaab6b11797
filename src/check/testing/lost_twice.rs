//! A server lost, the one restored in its place lost as well, each cut over.

use pgdrill::{event::*, scenario::plan::*};

use super::{
    Tale,
    plan::{full_backup, inject, plan, run_for},
    telling::{fault, recovered, restored, tenths},
};

/// The server lost at 12 s, `second` serves from 15.1 s, is lost at 20 s, `third` serves from
/// 23.1 s. Each time the last 400 ms had not been archived.
pub fn lost_twice() -> Tale {
    let mut tale = Tale::of(plan("lost-twice-pg17", steps()));
    let ends = [40, 119, 121, 135, 145, 152, 199, 201, 215, 225, 232, 270];
    tale.perform(&ends.map(tenths));
    tale.backed_up();
    lost(&mut tale, PRIMARY, 120);
    moved(&mut tale, "second", 2, 135);
    lost(&mut tale, "second", 200);
    moved(&mut tale, "third", 3, 215);
    let up = |at| !((120..152).contains(&at) || (200..232).contains(&at));
    tale.write_ledger(tenths(270), |_, at_us| up(at_us / tenths(1)));
    tale.readback.retain(|one| {
        let lost = |until| (tenths(until - 4) + 1..=tenths(until)).contains(&one.acked_us);
        !lost(120) && !lost(200)
    });
    tale.image(tenths(119), Moment::Before, PRIMARY);
    tale.image(tenths(275), Moment::After, "third");
    tale.tell_traffic(tenths(271));
    tale.stands(tenths(233), "third", 0x400_0100, "");
    tale.stands(tenths(265), "third", 0x500_0028, "000000030000000000000004");
    tale.observe(tenths(275), Moment::After, "third", 3);
    tale.log_read(tenths(276), "third", 230);
    tale.frame(tenths(280));
    tale.in_order()
}

fn lost(tale: &mut Tale, server: &str, at: u64) {
    let lost = FaultRecord {
        server: server.into(),
        lsn: 0,
        ..fault("lose-server", server, Boundary::Instant, tenths(at))
    };
    tale.phases(&[
        (tenths(at) - 1, Phase::Inject),
        (tenths(at + 1), Phase::Provision),
    ]);
    tale.log_read(tenths(at), server, 640);
    tale.tell(tenths(at + 1), EventKind::FaultInjected(lost));
}

fn moved(tale: &mut Tale, to: &str, timeline: u32, at: u64) {
    let EventKind::Restored(restore) = restored(to, false, "latest") else {
        return;
    };
    let restore = RestoreRecord {
        timeline,
        reached_lsn: 0,
        ..restore
    };
    tale.tell(tenths(at), recovered(to));
    tale.tell(tenths(at), EventKind::Restored(restore));
    tale.phases(&[
        (tenths(at), Phase::Verify),
        (tenths(at + 10), Phase::CutOver),
    ]);
    tale.observe(tenths(at + 5), Moment::Gate, to, timeline);
    let cut = EventKind::CutOver {
        workloads: vec!["agent".into(), "oa".into()],
        to: to.into(),
    };
    tale.tell(tenths(at + 16), cut);
    tale.phases(&[(tenths(at + 17), Phase::Run)]);
}

fn steps() -> Vec<Action> {
    let lost = |server: &str| match inject(Fault::LoseServer) {
        Action::Inject { fault, .. } => Action::Inject {
            server: server.into(),
            fault,
        },
        other => other,
    };
    let back = |into: &str| {
        [
            Action::Restore {
                into: into.into(),
                from: "main".into(),
                label: None,
                scratch: false,
                in_place: false,
                target: Target::Latest,
                action: None,
            },
            Action::Verify {
                server: into.into(),
            },
            Action::CutOver {
                workloads: vec!["agent".into(), "oa".into()],
                to: into.into(),
            },
            run_for("4s"),
        ]
    };
    let mut steps = vec![full_backup(), run_for("8s"), lost(PRIMARY)];
    steps.extend(back("second"));
    steps.push(lost("second"));
    steps.extend(back("third"));
    steps
}
