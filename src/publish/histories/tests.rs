use crate::{
    check::testing::{HistoryFixture, lost_server, salvage, seconds as seconds_of},
    event::{EventKind, StepOutcome},
    scenario::plan::{Action, Target},
};

use super::*;

fn of_drill() -> OfDrill {
    OfDrill {
        run: "20260301T020000Z-a".into(),
        drill: "server-lost-pg17".into(),
        scenario: "server-lost".into(),
    }
}

fn histories(fixture: HistoryFixture) -> Histories {
    let judgement = fixture.judge();
    let mut all = Histories::default();
    all.add(&Told {
        of: &of_drill(),
        plan: &judgement.plan,
        events: &judgement.events,
        measures: &judgement.measures,
        began: "2026-03-01T02:00:00Z".parse().unwrap(),
    });
    all
}

#[test]
fn a_lost_server_is_a_backup_and_a_recovery_for_each_workload() {
    let all = histories(lost_server());
    let shown = serde_json::json!({
        "policies": all.policies, "backups": all.backups, "recoveries": all.recoveries,
    });
    insta::assert_json_snapshot!(shown);
}

/// The first recovery of a salvage with this target, of which the server was told so.
fn recovered(target: Target, told: &str) -> RecoveryRow {
    let mut fixture = salvage();
    for step in &mut fixture.plan.steps {
        if let Action::Restore(restore) = &mut step.action {
            restore.target = target.clone();
        }
    }
    for event in &mut fixture.events {
        if let EventKind::Restored(restore) = &mut event.kind {
            restore.target = told.into();
        }
    }
    histories(fixture).recoveries.swap_remove(0)
}

#[test]
fn a_target_is_told_as_the_server_was_told_it() {
    let before = |by: Option<&str>| Target::before("fault", by.map(seconds_of));
    let row = recovered(
        before(None),
        "recovery_target_lsn = 0/4189250, recovery_target_inclusive = off",
    );
    assert_eq!((row.recovery_type, row.target_time), ("lsn", None));
    assert_eq!(row.target_lsn.as_deref(), Some("0/4189250"));
    let row = recovered(
        before(Some("1m")),
        "recovery_target_time = 2026-03-01 02:00:11.500000+00",
    );
    assert_eq!((row.recovery_type, row.target_lsn), ("time", None));
    assert_eq!(row.target_time, "2026-03-01T02:00:11.5Z".parse().ok());
    let row = recovered(
        before(Some("1m")),
        "recovery_target_time = 2026-03-01 02:00:11.500000",
    );
    assert_eq!(row.target_time, None, "of which zone?");
    let row = recovered(
        Target::Name("release".into()),
        "recovery_target_name = release",
    );
    assert_eq!((row.recovery_type, row.target_lsn), ("name", None));
    assert_eq!(recovered(Target::Latest, "latest").recovery_type, "latest");
}

#[test]
fn what_failed_is_told_as_failed_and_what_was_not_tried_is_not_told() {
    let all = histories(lost_server().failing_at(0, "no space left on device"));
    let [backup] = all.backups.as_slice() else {
        panic!("{:?}", all.backups);
    };
    assert_eq!(
        (backup.status, backup.backup_type),
        (Status::Failed, "full")
    );
    assert_eq!(
        (&backup.backup_path, backup.backup_size_bytes),
        (&None, None)
    );
    let restore = lost_server()
        .plan
        .steps
        .iter()
        .position(|step| step.action.restore().is_some());
    let all = histories(lost_server().failing_at(restore.unwrap(), "no backup reaches it"));
    for row in &all.recoveries {
        assert_eq!((row.status, row.rto_seconds), (Status::Failed, None));
    }
    assert_eq!(all.recoveries.len(), 2);
    let mut fixture = lost_server();
    for event in &mut fixture.events {
        if let EventKind::StepEnded { outcome, .. } = &mut event.kind {
            *outcome = StepOutcome::Skipped;
        }
    }
    assert_eq!(histories(fixture).recoveries, []);
}

#[test]
fn a_restore_before_anything_happened_has_no_figures() {
    let mut fixture = lost_server();
    fixture
        .events
        .retain(|event| !matches!(event.kind, EventKind::FaultInjected(_)));
    for row in histories(fixture).recoveries {
        assert_eq!((row.rto_seconds, row.rpo_seconds), (None, None));
        assert_eq!(row.status, Status::Success);
    }
}
