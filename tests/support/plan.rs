//! A plan of nothing but data and workloads.
#![allow(dead_code, reason = "each test has its own use for it")]

use std::collections::BTreeMap;

use pgdrill::{
    model::Model,
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
        packages: Vec::new(),
        scale: 1,
        seed: 42,
        servers: BTreeMap::new(),
        nodes: BTreeMap::new(),
        databases: BTreeMap::from([(
            "postgres".into(),
            DatabasePlan {
                model: "dual-tenant".into(),
                identity: String::new(),
                server: PRIMARY.into(),
                lacks: Vec::new(),
                size: Bytes(size),
                rows: model().rows(Bytes(size)),
            },
        )]),
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

fn model() -> Model {
    Model::named("dual-tenant").unwrap()
}

/// A workload of the plan that runs the data model's business of its name.
pub fn workload(name: &str, clients: u32, rate: Rate) -> WorkloadPlan {
    WorkloadPlan {
        name: name.into(),
        database: "postgres".into(),
        business: model().manifest.businesses[name].clone(),
        create: None,
        clients,
        rate,
    }
}

/// A workload that inserts a key and a payload into a table by one statement.
pub fn inserting(
    name: &str,
    role: &str,
    table: &str,
    sql: &str,
    clients: u32,
    rate: Rate,
) -> WorkloadPlan {
    let (table, columns) = table.split_once('(').unwrap();
    let (key, payload) = columns.trim_end_matches(')').split_once(", ").unwrap();
    let column = LiveColumn {
        name: payload.into(),
        r#gen: Generator::Text(Length { min: 20, max: 200 }),
        update: None,
    };
    let table = LiveTable {
        name: table.into(),
        key: key.into(),
        version: None,
        max_version: None,
        tenant: None,
        columns: vec![column],
    };
    let statement = Statement {
        sql: sql.into(),
        parameters: vec!["key".into(), payload.into()],
    };
    let transaction = Transaction {
        name: name.into(),
        weight: 1,
        writes: Some(Writes::Insert(table.name.clone())),
        values: Vec::new(),
        tenant: None,
        statements: vec![statement],
    };
    WorkloadPlan {
        name: name.into(),
        database: "postgres".into(),
        business: Business {
            role: role.into(),
            tables: vec![table],
            transactions: vec![transaction],
            ..Business::default()
        },
        create: None,
        clients,
        rate,
    }
}

fn strategy() -> StrategyPlan {
    StrategyPlan {
        name: "none".into(),
        about: String::new(),
        settings: BTreeMap::new(),
        apply: Apply::Restart,
        stores: BTreeMap::new(),
        wal: Wal::None,
        backups: BTreeMap::new(),
        scripts: BTreeMap::new(),
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
