//! The plan of a fixture.

use std::collections::BTreeMap;

use pgdrill::{
    backup::Tool,
    scenario::plan::*,
    store::{local, only_local},
    units::{Bytes, Rate},
};

use super::seconds;

pub fn plan(drill: &str, actions: Vec<Action>) -> Plan {
    let workload = |name: &str, role: &str, rate| WorkloadPlan {
        name: name.into(),
        database: "postgres".into(),
        business: Business {
            role: role.into(),
            ..Business::default()
        },
        create: None,
        clients: 4,
        rate: Rate::PerSecond(rate),
    };
    let objectives = |rpo, rto| Objectives {
        rpo: Some(seconds(rpo)),
        lost: None,
        rto: Some(seconds(rto)),
        outage: None,
    };
    let step = |(line, action): (usize, Action)| Step {
        line: line + 10,
        title: action.title(PRIMARY),
        deadline: seconds("10m"),
        server: PRIMARY.into(),
        database: "postgres".into(),
        fault: match &action {
            Action::Inject(fault) => fault.to_string(),
            _other => String::new(),
        },
        action,
    };
    let scenario = drill.trim_end_matches("-pg17");
    Plan {
        scenario: scenario.into(),
        drill: drill.into(),
        about: "a hand-written history.".into(),
        tags: vec!["quick".into(), "s0".into()],
        file: format!("scenarios/s0/{scenario}.yaml"),
        postgres: 17,
        packages: Vec::new(),
        scale: 60,
        seed: 42,
        servers: BTreeMap::from([(PRIMARY.into(), ServerPlan::default())]),
        nodes: BTreeMap::new(),
        databases: BTreeMap::from([(
            "postgres".into(),
            DatabasePlan {
                model: "dual-tenant".into(),
                identity: "00000000000000000000000000000000".into(),
                server: PRIMARY.into(),
                lacks: Vec::new(),
                size: Bytes(20_000_000),
                rows: BTreeMap::new(),
            },
        )]),
        workloads: BTreeMap::from([
            ("oa".into(), workload("oa", "oa_app_user", 20.0)),
            ("agent".into(), workload("agent", "agent_app_user", 20.0)),
        ]),
        strategy: strategy(),
        steps: actions.into_iter().enumerate().map(step).collect(),
        objectives: BTreeMap::from([
            ("oa".into(), objectives("5m", "30m")),
            ("agent".into(), objectives("8m", "1h")),
        ]),
        human: HumanSpans::default(),
        checks: CheckKind::ALL.to_vec(),
        expect: Expect::default(),
        deadline: seconds("70m"),
    }
}

fn strategy() -> StrategyPlan {
    StrategyPlan {
        name: "base-and-wal".into(),
        about: String::new(),
        settings: BTreeMap::from([("archive_timeout".into(), "60s".into())]),
        apply: Apply::Restart,
        wal: Wal::Safe,
        stores: only_local(),
        backups: BTreeMap::from([("main".into(), base_backup())]),
        scripts: BTreeMap::new(),
        retention: Retention {
            wal: Some(seconds("45d")),
            rule: RetentionRule::Computed,
        },
        recovery: Recovery {
            signal: RecoverySignal::RecoverySignal,
            restore_command: None,
            target_action: Some(TargetAction::Promote),
        },
    }
}

fn base_backup() -> BackupPlan {
    BackupPlan {
        tool: Tool::PgBasebackup(Default::default()),
        to: vec![local()],
        on: None,
        keep: Some(seconds("30d")),
    }
}

pub fn full_backup() -> Action {
    Action::Backup(BackupStep::Of(BackupOf {
        of: "main".into(),
        kind: Some(BackupKind::Full),
    }))
}

pub fn run_for(time: &str) -> Action {
    Action::Run(RunFor::Time(seconds(time)))
}

/// Of the newest backup, to all WAL there is.
pub fn restore(into: &str) -> Restore {
    Restore {
        of: Some(PRIMARY.into()),
        from: Some("main".into()),
        into: into.into(),
        ..Restore::default()
    }
}

pub fn cut_over(workloads: &[&str], to: &str) -> Action {
    Action::CutOver(CutOver {
        workloads: Some(workloads.iter().map(|&name| name.to_owned()).collect()),
        to: to.into(),
    })
}
