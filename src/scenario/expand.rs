//! From a sound scenario file to its plans: every default filled in, one plan a variant.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

mod steps;

use super::{
    Document,
    databases::{Database, Databases},
    file::{CustomFile, ScenarioFile, WorkloadFile},
    plan::{
        Action, Business, CheckKind, DatabasePlan, Generator, Length, LiveColumn, LiveTable,
        PRIMARY, Plan, RunFor, ServerPlan, Statement, StrategyPlan, Transaction, WorkloadPlan,
        Writes,
    },
    problem::Problem,
    select,
};
use crate::units::Time;
pub use steps::{NEWEST, deadline as deadline_of, fault_names, restored_from};

/// The major when a scenario names none.
pub const DEFAULT_POSTGRES: [u32; 1] = [17];
/// Length of the payload of a workload of one statement.
const PAYLOAD: Length = Length { min: 20, max: 200 };
const DEFAULT_SEED: u64 = 42;
const DEFAULT_CLIENTS: u32 = 2;
const DRILL_DEADLINE: Time = Time(Duration::from_secs(1800));
/// What a drill takes beside its runs and its slowest recovery, at most.
const BESIDE: Duration = Duration::from_secs(600);

/// One plan for each major of PostgreSQL.
///
/// # Errors
/// A file that the scenario refers to cannot be read.
pub fn plans(
    document: &Document<ScenarioFile>,
    strategy: &StrategyPlan,
    databases: &Databases,
    postgres: &[u32],
) -> Result<Vec<Plan>, Problem> {
    let file = &document.typed;
    let own = file.matrix.postgres.as_deref().unwrap_or(&DEFAULT_POSTGRES);
    let majors = if postgres.is_empty() { own } else { postgres };
    let workloads = workloads(file, databases, &document.source.path)?;
    let servers = servers(file);
    let mut possible = CheckKind::ALL.to_vec();
    possible.retain(|check| databases.lacks(*check).is_none());
    let plan = |major: &u32| Plan {
        scenario: file.name.clone(),
        drill: format!("{}-pg{major}", file.name),
        about: file.about.trim().to_owned(),
        tags: file.tags.iter().map(|t| t.0.clone()).collect(),
        file: document.source.path.clone(),
        postgres: *major,
        packages: packages(file, databases, *major),
        scale: file.scale.unwrap_or(1),
        seed: file.data.seed.unwrap_or(DEFAULT_SEED),
        servers: servers.clone(),
        nodes: file.nodes.clone(),
        databases: databases.iter().map(planned).collect(),
        workloads: workloads.clone(),
        strategy: strategy.clone(),
        steps: steps::of(document, databases, strategy),
        objectives: file.objectives.clone(),
        human: file.human,
        checks: file.checks.clone().unwrap_or(possible.clone()),
        expect: file.expect.clone(),
        deadline: deadline(file),
    };
    Ok(majors.iter().map(plan).collect())
}

/// By when a drill has ended: where the file does not say, late enough for each objective in time to
/// be missed.
pub fn deadline(file: &ScenarioFile) -> Time {
    let objectives = file.objectives.values();
    let demanded = objectives.flat_map(|one| [one.rto, one.outage]).flatten();
    let missed = demanded.max().map_or(Duration::ZERO, |time| time.0);
    let enough = missed.saturating_add(running(file)) + BESIDE;
    file.deadline.unwrap_or(DRILL_DEADLINE.max(Time(enough)))
}

/// How long the clients are to run in all.
pub fn running(file: &ScenarioFile) -> Duration {
    let runs = file.steps.iter().filter_map(|step| match &step.action {
        Action::Run(RunFor::Time(time)) => Some(time.0),
        _other => None,
    });
    runs.fold(Duration::ZERO, Duration::saturating_add)
}

/// SQL as it is written, or read from the file beside the scenario that it names.
///
/// # Errors
/// The file cannot be read.
pub fn read_sql(written: &str, scenario: &str) -> Result<String, Problem> {
    if !written.ends_with(".sql") {
        return Ok(written.to_owned());
    }
    select::read_beside(scenario, written).map(|source| source.text)
}

/// The servers, a standby with the settings of its primary.
fn servers(file: &ScenarioFile) -> BTreeMap<String, ServerPlan> {
    let mut servers = file.servers.clone();
    servers.entry(PRIMARY.to_owned()).or_default();
    let stated = servers.clone();
    for standby in servers.values_mut() {
        if let Some(copied) = standby.standby_of.as_ref().and_then(|of| stated.get(of)) {
            standby.settings.clone_from(&copied.settings);
        }
    }
    servers
}

/// What scenario and models ask for, of this major.
fn packages(file: &ScenarioFile, databases: &Databases, major: u32) -> Vec<String> {
    let models = databases.manifests().flat_map(|model| &model.packages);
    let all = file.packages.iter().chain(models);
    let named = all.map(|package| package.0.replace("{postgres}", &major.to_string()));
    let servers = file.servers.values().map(|server| &server.node.clock);
    let nodes = file.nodes.values().map(|node| &node.clock);
    let wrong = servers.chain(nodes).any(|clock| clock.seconds_ahead() != 0);
    let clock = wrong.then(|| "libfaketime".to_owned());
    BTreeSet::from_iter(named.chain(clock))
        .into_iter()
        .collect()
}

fn planned((name, database): (&str, &Database)) -> (String, DatabasePlan) {
    let (model, size) = (&database.model, database.size.unwrap_or_default());
    let mut lacks = CheckKind::ALL.to_vec();
    lacks.retain(|check| model.manifest.lacks(*check).is_some());
    let plan = DatabasePlan {
        model: model.name.clone(),
        identity: model.identity.clone(),
        server: database.server.clone(),
        lacks,
        size,
        rows: model.manifest.rows(size),
    };
    (name.to_owned(), plan)
}

fn workloads(
    file: &ScenarioFile,
    databases: &Databases,
    path: &str,
) -> Result<BTreeMap<String, WorkloadPlan>, Problem> {
    let plan = |(name, workload): (&String, &WorkloadFile)| {
        let nowhere = || Problem::nowhere(format!("workload `{name}` works in no database"));
        let database = databases.of_workload(name, workload).ok_or_else(nowhere)?;
        let (business, create) = match &workload.custom {
            Some(custom) => own(custom, path)?,
            None => (business(name, workload, databases, database)?, None),
        };
        let plan = WorkloadPlan {
            name: name.clone(),
            database: database.to_owned(),
            business,
            create,
            clients: workload.clients.unwrap_or(DEFAULT_CLIENTS),
            rate: workload.rate,
        };
        Ok((name.clone(), plan))
    };
    file.workloads.iter().map(plan).collect()
}

fn business(
    name: &str,
    file: &WorkloadFile,
    databases: &Databases,
    database: &str,
) -> Result<Business, Problem> {
    let wanted = file.business.as_deref().unwrap_or(name);
    let model = databases.model(database);
    let found = model.and_then(|model| model.manifest.businesses.get(wanted));
    let none = || Problem::nowhere(format!("workload `{name}` runs no business"));
    found.cloned().ok_or_else(none)
}

/// The business of one statement, and what makes its table.
fn own(custom: &CustomFile, path: &str) -> Result<(Business, Option<String>), Problem> {
    let create = custom.create.as_ref().map(|sql| read_sql(sql, path));
    let statement = Statement {
        sql: read_sql(&custom.sql, path)?,
        parameters: vec!["key".into(), custom.payload.clone()],
    };
    let table = LiveTable {
        name: custom.table.clone(),
        key: custom.key.clone(),
        version: None,
        max_version: None,
        tenant: None,
        columns: vec![LiveColumn {
            name: custom.payload.clone(),
            r#gen: Generator::Text(PAYLOAD),
            update: None,
        }],
    };
    let transaction = Transaction {
        name: "custom".into(),
        weight: 1,
        writes: Some(Writes::Insert(custom.table.clone())),
        values: Vec::new(),
        tenant: None,
        statements: vec![statement],
    };
    let business = Business {
        role: custom.role.clone(),
        tables: vec![table],
        transactions: vec![transaction],
        ..Business::default()
    };
    Ok((business, create.transpose()?))
}
