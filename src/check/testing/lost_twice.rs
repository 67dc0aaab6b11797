//! A server lost, the one restored in its place lost as well, each cut over.

use pgdrill::{event::*, scenario::plan::*};

use super::{
    HistoryFixture,
    plan::{cut_over, full_backup, plan, restore, run_for},
    recording::{fault, recovered, restored, tenths},
};

/// The server lost at 12 s, `second` serves from 15.1 s, is lost at 20 s, `third` serves from
/// 23.1 s. Each time the last 400 ms had not been archived.
pub fn lost_twice() -> HistoryFixture {
    let mut plan = plan("lost-twice-pg17", steps());
    for (step, server) in [(2, PRIMARY), (7, "second")] {
        let step = &mut plan.steps[step];
        step.title = step.action.title(server);
        step.server = server.into();
        step.fault = format!("lose-{server}");
    }
    let mut fixture = HistoryFixture::of(plan);
    let ends = [40, 119, 121, 135, 145, 152, 199, 201, 215, 225, 232, 270];
    fixture.perform(&ends.map(tenths));
    fixture.backed_up(PRIMARY);
    lost(&mut fixture, PRIMARY, 120);
    moved(&mut fixture, "second", 2, 135);
    lost(&mut fixture, "second", 200);
    moved(&mut fixture, "third", 3, 215);
    let up = |at| !((120..152).contains(&at) || (200..232).contains(&at));
    fixture.write_ledger(tenths(270), |_, at_us| up(at_us / tenths(1)));
    fixture.readback.retain(|one| {
        let lost = |until| (tenths(until - 4) + 1..=tenths(until)).contains(&one.acked_us);
        !lost(120) && !lost(200)
    });
    fixture.image(tenths(119), Moment::Before, PRIMARY);
    fixture.image(tenths(275), Moment::After, "third");
    fixture.tell_traffic(tenths(271));
    fixture.stands(tenths(233), "third", 0x400_0100, "");
    fixture.stands(tenths(265), "third", 0x500_0028, "000000030000000000000004");
    fixture.observe(tenths(275), Moment::After, "third", 3);
    fixture.log_read(tenths(276), "third", 230);
    fixture.frame(tenths(280));
    fixture.in_order()
}

/// The same, but the second time `second` is restored in place.
pub fn restored_in_place() -> HistoryFixture {
    fn anew<T: serde::Serialize + serde::de::DeserializeOwned>(told: &T) -> T {
        let text = serde_json::to_string(told).unwrap();
        serde_json::from_str(&text.replace("third", "second")).unwrap()
    }
    let twice = lost_twice();
    let mut fixture = HistoryFixture {
        plan: anew(&twice.plan),
        events: anew(&twice.events),
        ..twice
    };
    for (file, _) in &mut fixture.images {
        *file = anew(file);
    }
    for event in &mut fixture.events {
        match &mut event.kind {
            // The server is given up before it is restored.
            EventKind::CutOver { .. } if event.at_us > tenths(200) => event.at_us = tenths(202),
            EventKind::Restored(restore) => restore.in_place = event.at_us > tenths(200),
            _other => {}
        }
    }
    fixture.in_order()
}

fn lost(fixture: &mut HistoryFixture, server: &str, at: u64) {
    let lost = FaultRecord {
        name: format!("lose-{server}"),
        target: server.into(),
        server: server.into(),
        lsn: 0,
        ..fault(Fault::LoseServer, tenths(at))
    };
    fixture.phases(&[
        (tenths(at) - 1, Phase::Inject),
        (tenths(at + 1), Phase::Provision),
    ]);
    fixture.log_read(tenths(at), server, 640);
    fixture.tell(tenths(at + 1), EventKind::FaultInjected(lost));
}

fn moved(fixture: &mut HistoryFixture, to: &str, timeline: u32, at: u64) {
    let EventKind::Restored(restore) = restored(to, false, "latest") else {
        return;
    };
    let restore = RestoreRecord {
        timeline,
        reached_lsn: 0,
        ..restore
    };
    fixture.tell(tenths(at), along(recovered(to), timeline));
    fixture.tell(tenths(at), EventKind::Restored(restore));
    fixture.phases(&[
        (tenths(at), Phase::Verify),
        (tenths(at + 10), Phase::CutOver),
    ]);
    fixture.observe(tenths(at + 5), Moment::Gate, to, timeline);
    let cut = EventKind::CutOver {
        workloads: vec!["agent".into(), "oa".into()],
        to: to.into(),
    };
    fixture.tell(tenths(at + 16), cut);
    fixture.phases(&[(tenths(at + 17), Phase::Run)]);
}

/// A recovery that followed each timeline up to this one, which began where it ended.
fn along(recovered: EventKind, timeline: u32) -> EventKind {
    let EventKind::Recovered(mut recovery) = recovered else {
        return recovered;
    };
    let end = recovery.left[0].1;
    recovery.left = (1..timeline).map(|one| (one, end)).collect();
    EventKind::Recovered(recovery)
}

fn steps() -> Vec<Action> {
    let back = |into: &str| {
        [
            Action::Restore(restore(into)),
            Action::Verify(into.into()),
            cut_over(&["agent", "oa"], into),
            run_for("4s"),
        ]
    };
    let lost = Action::Inject(Fault::LoseServer);
    let mut steps = vec![full_backup(), run_for("8s"), lost.clone()];
    steps.extend(back("second"));
    steps.push(lost);
    steps.extend(back("third"));
    steps
}
