//! A plan of nothing but data and workloads.

use std::collections::BTreeMap;

use pgdrill::{
    scenario::plan::*,
    units::{Bytes, Rate, Time},
};

/// A plan for this much data and these workloads.
pub fn plan(size: u64, workloads: Vec<WorkloadPlan>) -> Plan {
    let named = workloads.into_iter().map(|w| (w.name.clone(), w));
    Plan {
        scenario: "workload".into(),
        drill: "workload".into(),
        about: String::new(),
        tags: Vec::new(),
        file: String::new(),
        postgres: 15,
        scale: 1,
        seed: 42,
        servers: BTreeMap::new(),
        data: DataPlan {
            model: "dual-tenant".into(),
            size: Bytes(size),
        },
        workloads: named.collect(),
        strategy: strategy(),
        steps: Vec::new(),
        objectives: BTreeMap::new(),
        human: HumanSpans::default(),
        checks: Vec::new(),
        expect: Expect::default(),
        deadline: Time::default(),
    }
}

/// A workload of the plan.
pub fn workload(name: &str, kind: WorkloadKind, clients: u32, rate: Rate) -> WorkloadPlan {
    WorkloadPlan {
        name: name.into(),
        kind,
        clients,
        rate,
    }
}

fn strategy() -> StrategyPlan {
    StrategyPlan {
        name: "none".into(),
        settings: BTreeMap::new(),
        apply: Apply::Restart,
        wal: Wal::None,
        backups: BTreeMap::new(),
        retention: Retention {
            wal: None,
            rule: RetentionRule::Computed,
        },
        recovery: Recovery {
            signal: RecoverySignal::RecoverySignal,
            restore_command: None,
            target_action: None,
        },
    }
}
