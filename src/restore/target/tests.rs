use super::*;
use crate::{
    backup::TargetTimeline,
    event::BoundaryKind,
    fault::{DropTable, Fault},
    units::Time,
};

fn fault() -> FaultRecord {
    FaultRecord {
        name: "drop-table".into(),
        fault: Fault::DropTable(DropTable("t".into())),
        target: "t".into(),
        server: "primary".into(),
        database: "postgres".into(),
        boundary: BoundaryKind::Statement,
        began_us: 9_000_000,
        ended_us: 9_100_000,
        server_time: "2026-01-01T00:01:00.000000Z".into(),
        lsn: 0x500,
        xid: Some(7),
        commit_lsn: Some(0x600),
        took_effect: true,
        evidence: String::new(),
    }
}

fn before(by: Option<Duration>) -> Target {
    Target::before("drop-table", by.map(Time))
}

fn known(fault: &FaultRecord) -> Known<'_> {
    Known {
        fault: Some(fault),
        points: &[],
        wall: "2026-01-01T00:00:00Z".parse().unwrap(),
        stepped: SignedDuration::ZERO,
        scale: 60,
    }
}

#[test]
fn a_clock_that_was_set_leaves_no_target_by_time() {
    let fault = fault();
    let by = before(Some(Duration::from_secs(60)));
    let stepped = |seconds| Known {
        stepped: SignedDuration::from_secs(seconds),
        ..known(&fault)
    };
    let refused = resolve(&by, stepped(-3)).unwrap_err();
    assert!(
        refused.starts_with("the wall clock was set by -3.0s"),
        "{refused}"
    );
    assert!(resolve(&before(None), stepped(-3)).is_ok());
    assert!(resolve(&by, stepped(1)).is_ok());
}

fn taken(label: &str, stop_lsn: u64, ended_us: u64) -> Taken {
    let mut record = crate::check::testing::backup();
    record.listed.label = label.into();
    record.listed.stop_lsn = Some(stop_lsn);
    Taken {
        record,
        ended_us,
        verified: true,
    }
}

#[test]
fn before_the_fault_is_its_commit_exclusive() {
    let fault = fault();
    let resolved = resolve(&before(None), known(&fault)).unwrap();
    assert_eq!(
        resolved.show(),
        "recovery_target_lsn = 0/600, recovery_target_inclusive = off"
    );
}

#[test]
fn a_minute_before_the_fault_is_scaled() {
    let fault = fault();
    let by = before(Some(Duration::from_secs(60)));
    let resolved = resolve(&by, known(&fault)).unwrap();
    assert_eq!(
        resolved.show(),
        "recovery_target_time = 2026-01-01 00:00:59.000000+00"
    );
    assert_eq!(resolved.by_us, Some(59_000_000));
}

#[test]
fn a_time_before_all_time_is_refused() {
    let fault = fault();
    let days = |days: u64| before(Some(Duration::from_secs(days * 86_400)));
    for before in [1, 7_000_000, 300_000_000, 100_000_000_000_000] {
        let refused = resolve(&days(before), known(&fault)).unwrap_err();
        let why = "is before the drill began: no backup reaches it";
        assert!(refused.ends_with(why), "{refused}");
    }
}

#[test]
fn the_newest_backup_that_is_early_enough_is_chosen() {
    let fault = fault();
    let resolved = resolve(&before(None), known(&fault)).unwrap();
    let backups = [
        taken("a", 0x100, 1),
        taken("b", 0x200, 2),
        taken("c", 0x700, 3),
    ];
    let all = backups.clone().map(|backup| backup.record.listed);
    let choose = |listed: &[Listed], label, nth| {
        let choice = Choice {
            from: "main",
            label,
            nth,
            stores: &["local".to_owned()],
            taken: &backups,
            listed,
        };
        let chosen = choose(&before(None), &resolved, &choice);
        chosen.map(|listed| listed.label.clone())
    };
    assert_eq!(choose(&all, None, None).unwrap(), "b");
    assert_eq!(choose(&all, Some("a"), None).unwrap(), "a");
    let unknown = choose(&all, Some("d"), None).unwrap_err();
    assert_eq!(
        unknown,
        "there is no backup `d` of `main` in local; listed: a, b, c"
    );
    assert_eq!(choose(&all, None, Some(2)).unwrap(), "a");
    let fewer = choose(&all, None, Some(3)).unwrap_err();
    assert!(fewer.starts_with("there is no backup number 3, from the newest, of `main`"));
    let error = choose(&all[2..], None, None).unwrap_err();
    assert!(
        error.contains("a (no longer in the store)")
            && error.contains("c (too late for the target)"),
        "{error}"
    );
}

/// From a backup on a later timeline no WAL leads to an earlier one.
#[test]
fn a_timeline_is_followed_from_a_backup_that_is_no_later() {
    let backups = [1, 2].map(|timeline| {
        let mut backup = taken(&format!("on-{timeline}"), 0x100, 1);
        backup.record.listed.timeline = Some(timeline);
        backup
    });
    let listed = backups.clone().map(|backup| backup.record.listed);
    let chosen = |timeline, listed: &[Listed]| {
        let resolved = Resolved {
            timeline: Some(timeline),
            ..resolve(&Target::Latest, known(&fault())).unwrap()
        };
        let choice = Choice {
            from: "main",
            label: None,
            nth: None,
            stores: &["local".to_owned()],
            taken: &backups,
            listed,
        };
        choose(&Target::Latest, &resolved, &choice).map(|one| one.label.clone())
    };
    let along = |timeline| chosen(timeline, &listed).unwrap();
    assert_eq!(along(TargetTimeline::Number(1)), "on-1");
    assert_eq!(along(TargetTimeline::Number(3)), "on-2");
    assert_eq!(along(TargetTimeline::Current), "on-2");
    let none = chosen(TargetTimeline::Number(1), &listed[1..]).unwrap_err();
    let why = "the target `latest, recovery_target_timeline = 1`; \
               looked at: on-1 (no longer in the store), on-2 (of timeline 2)";
    assert!(none.ends_with(why), "{none}");
}

#[test]
fn a_fault_is_named_by_its_transaction_or_by_a_time_without_an_offset() {
    let fault = fault();
    let target = |by: Option<u64>, kind, zone: Option<&str>| Target::Before {
        fault: "drop-table".into(),
        by: by.map(|seconds| Time(Duration::from_secs(seconds))),
        kind,
        zone: zone.map(str::to_owned),
    };
    let xid = resolve(&target(None, TargetType::Xid, None), known(&fault)).unwrap();
    assert_eq!(
        (xid.show().as_str(), xid.by_lsn),
        (
            "recovery_target_xid = 7, recovery_target_inclusive = off",
            Some(0x600)
        )
    );
    let zone = Some("Asia/Shanghai");
    let told = target(Some(60), TargetType::Lsn, zone);
    let told = resolve(&told, known(&fault)).unwrap();
    assert_eq!(
        (told.show().as_str(), told.by_us),
        (
            "recovery_target_time = 2026-01-01 08:00:59.000000",
            Some(59_000_000)
        )
    );
}
