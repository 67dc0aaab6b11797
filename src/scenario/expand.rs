//! From a sound scenario file to its plans: every default filled in, one plan a variant.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Document,
    databases::{Database, Databases},
    file::{CustomFile, ObjectivesFile, ScenarioFile, WorkloadFile},
    plan::{
        Action, BackupKind, Business, CheckKind, DatabasePlan, Expect, Generator, HumanSpans,
        Length, LiveColumn, LiveTable, Objectives, PRIMARY, Plan, RunFor, ServerPlan, Statement,
        Step, StrategyPlan, Target, Transaction, WorkloadPlan, Writes,
    },
    problem::Problem,
    select,
    step_file::{
        ActionFile, BackupFile, PlainTarget, RestoreFile, RunFile, SalvageFile, StepFile,
        TargetFile,
    },
    strategy,
};
use crate::units::{Bytes, Time};

/// The major when a scenario names none.
pub const DEFAULT_POSTGRES: [u32; 1] = [17];
/// What stands for the newest fault where one is named.
pub const NEWEST: &str = "fault";
/// Length of the payload of a workload of one statement.
const PAYLOAD: Length = Length { min: 20, max: 200 };
const DEFAULT_SEED: u64 = 42;
const DEFAULT_CLIENTS: u32 = 2;
const STEP_DEADLINE: Time = Time(Duration::from_secs(600));
const DRILL_DEADLINE: Time = Time(Duration::from_secs(1800));

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
        servers: servers(file),
        databases: databases.iter().map(planned).collect(),
        workloads: workloads.clone(),
        strategy: strategy.clone(),
        steps: steps(document, databases, strategy),
        objectives: objectives(&file.objectives),
        human: human(file),
        checks: file.checks.clone().unwrap_or_else(|| {
            let all = CheckKind::ALL.into_iter();
            let has = |check: &CheckKind| databases.lacks(*check).is_none();
            all.filter(has).collect()
        }),
        expect: Expect {
            fail: file.expect.fail.clone(),
        },
        deadline: deadline(file),
    };
    Ok(majors.iter().map(plan).collect())
}

/// By when a drill has ended: where the file does not say, late enough for each objective in time to
/// be missed.
pub fn deadline(file: &ScenarioFile) -> Time {
    let objectives = file.objectives.values();
    let demanded = objectives.flat_map(|one| [one.rto, one.outage]).flatten();
    let missed = demanded.map(|time| Time(time.0 + STEP_DEADLINE.0)).max();
    let enough = missed.map_or(DRILL_DEADLINE, |time| time.max(DRILL_DEADLINE));
    file.deadline.unwrap_or(enough)
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

/// Whether a server of this name is a scratch server.
pub fn is_scratch(server: &str) -> bool {
    server == "scratch" || server.starts_with("scratch-")
}

/// What scenario and models ask for, of this major.
fn packages(file: &ScenarioFile, databases: &Databases, major: u32) -> Vec<String> {
    let models = databases.manifests().flat_map(|model| &model.packages);
    let all = file.packages.iter().chain(models);
    let named = all.map(|package| package.0.replace("{postgres}", &major.to_string()));
    BTreeSet::from_iter(named).into_iter().collect()
}

fn planned((name, Database { model, size }): (&str, &Database)) -> (String, DatabasePlan) {
    let size = size.unwrap_or(Bytes(0));
    let rows = model.manifest.rows(size).into_iter();
    let plan = DatabasePlan {
        model: model.name.clone(),
        identity: model.identity.clone(),
        size,
        rows: rows.map(|(table, rows)| (table.to_owned(), rows)).collect(),
    };
    (name.to_owned(), plan)
}

fn human(file: &ScenarioFile) -> HumanSpans {
    HumanSpans {
        detect: file.human.detect.unwrap_or_default(),
        decide: file.human.decide.unwrap_or_default(),
    }
}

fn servers(file: &ScenarioFile) -> BTreeMap<String, ServerPlan> {
    let mut servers = BTreeMap::from([(PRIMARY.to_owned(), ServerPlan::default())]);
    for (name, server) in &file.servers {
        let plan = ServerPlan {
            settings: strategy::settings(&server.settings),
            memory: server.memory.unwrap_or(Bytes(0)),
            cpus: server.cpus.unwrap_or(0.0),
        };
        servers.insert(name.clone(), plan);
    }
    servers
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
    found
        .cloned()
        .ok_or_else(|| Problem::nowhere(format!("workload `{name}` runs no business")))
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

fn objectives(written: &BTreeMap<String, ObjectivesFile>) -> BTreeMap<String, Objectives> {
    let plan = |(name, o): (&String, &ObjectivesFile)| {
        let plan = Objectives {
            rpo: o.rpo,
            lost: o.lost,
            rto: o.rto,
            outage: o.outage,
        };
        (name.clone(), plan)
    };
    written.iter().map(plan).collect()
}

fn steps(
    document: &Document<ScenarioFile>,
    databases: &Databases,
    strategy: &StrategyPlan,
) -> Vec<Step> {
    let file = &document.typed;
    let nodes = document
        .root
        .get("steps")
        .map(|n| n.items())
        .unwrap_or_default();
    let all: Vec<String> = file.workloads.keys().cloned().collect();
    let (mut scratch, mut newest) = (String::new(), String::new());
    let mut steps = Vec::new();
    for ((step, node), name) in file.steps.iter().zip(nodes).zip(fault_names(file)) {
        if let ActionFile::Inject(_) = &step.action {
            newest = name;
        }
        if let ActionFile::Restore(RestoreFile { into, .. }) = &step.action
            && is_scratch(into)
        {
            scratch.clone_from(into);
        }
        let action = action(step, &all, &scratch, &newest, strategy);
        let database = databases.meant(step.database.as_deref());
        let within = step
            .database
            .iter()
            .map(|name| format!(" in database {name}"));
        steps.push(Step {
            line: node.place.line,
            title: action.title() + &within.collect::<String>(),
            deadline: step.deadline.unwrap_or(STEP_DEADLINE),
            database: database.unwrap_or(databases.home()).to_owned(),
            action,
        });
    }
    steps
}

/// What the fault of each step is called: as the scenario says, or by its own word, numbered where
/// that is taken; empty where a step injects none.
pub fn fault_names(file: &ScenarioFile) -> Vec<String> {
    let stated = file.steps.iter().filter_map(|step| step.name.clone());
    let mut taken: BTreeSet<String> = stated.collect();
    let mut name = |step: &StepFile| match (&step.action, &step.name) {
        (ActionFile::Inject(_), Some(name)) => name.clone(),
        (ActionFile::Inject(fault), None) => unlike(&mut taken, fault.word()),
        _other => String::new(),
    };
    file.steps.iter().map(&mut name).collect()
}

fn unlike(taken: &mut BTreeSet<String>, word: &str) -> String {
    let numbered = (2..).map(|number| format!("{word}-{number}"));
    let mut names = std::iter::once(word.to_owned()).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.expect("there is no end of numbers")
}

/// `all`: the names of all workloads; `scratch`: the scratch server restored last; `newest`:
/// the fault injected last, by this step or before.
fn action(
    step: &StepFile,
    all: &[String],
    scratch: &str,
    newest: &str,
    strategy: &StrategyPlan,
) -> Action {
    let server = step.server.as_deref().unwrap_or(PRIMARY).to_owned();
    match step.action.clone() {
        ActionFile::Backup(backup) => taking(server, &backup, strategy),
        ActionFile::Run(RunFile::Time(time)) => Action::Run(RunFor::Time(time)),
        ActionFile::Run(RunFile::Transactions(count)) => {
            Action::Run(RunFor::Transactions(count.transactions))
        }
        ActionFile::Checkpoint {} => Action::Checkpoint { server },
        ActionFile::SwitchWal {} => Action::SwitchWal { server },
        ActionFile::RestorePoint(name) => Action::RestorePoint { server, name },
        ActionFile::Inject(fault) => Action::Inject {
            server,
            name: newest.to_owned(),
            fault,
        },
        ActionFile::Heal(fault) => Action::Heal { fault },
        ActionFile::Freeze(workload) => Action::Freeze { workload, server },
        ActionFile::Thaw(workload) => Action::Thaw { workload, server },
        ActionFile::Restore(restore) => Action::Restore {
            scratch: is_scratch(&restore.into),
            from: restored_from(&restore, strategy)
                .unwrap_or_default()
                .to_owned(),
            label: restore.backup,
            store: restore.store,
            into: restore.into,
            in_place: restore.in_place,
            target: restore
                .target
                .map_or(Target::Latest, |file| target(file, newest)),
            action: restore.action,
        },
        ActionFile::Salvage(file) => salvage(file, scratch),
        ActionFile::Reindex(object) => Action::Reindex { server, object },
        ActionFile::Start(server) => Action::Start { server },
        ActionFile::CutOver(file) => Action::CutOver {
            workloads: file.workloads.unwrap_or(all.to_vec()),
            to: file.to,
        },
        ActionFile::Verify(server) => Action::Verify { server },
        ActionFile::Age(time) => Action::Age(time),
        ActionFile::Expire {} => Action::Expire,
        ActionFile::Wait(wait) => Action::Wait {
            server,
            until: wait.until,
        },
        ActionFile::Sql(sql) => Action::Sql { server, sql },
        ActionFile::Command(command) => Action::Command { server, command },
    }
}

/// The kind is what the step says, or what the backup's tool takes where nobody says.
fn taking(server: String, backup: &BackupFile, strategy: &StrategyPlan) -> Action {
    let (of, _, kind) = backup.named();
    let tool = strategy.backups.get(of).map(|backup| &backup.tool);
    let usual = tool.and_then(|tool| tool.abilities().kinds.first());
    Action::Backup {
        server,
        of: of.to_owned(),
        kind: kind.or(usual.copied()).unwrap_or(BackupKind::Full),
    }
}

/// The backup that a restore begins from: the one it names, or the only one of a whole cluster.
pub fn restored_from<'s>(restore: &'s RestoreFile, strategy: &'s StrategyPlan) -> Option<&'s str> {
    if let Some(from) = &restore.from {
        return Some(from);
    }
    let mut whole = strategy.backups.iter();
    let mut whole = whole
        .by_ref()
        .filter(|(_, one)| one.tool.abilities().restores);
    let (name, _) = whole.next()?;
    whole.next().is_none().then_some(name.as_str())
}

fn salvage(file: SalvageFile, scratch: &str) -> Action {
    Action::Salvage {
        from: file.from.unwrap_or(scratch.to_owned()),
        into: file.into.unwrap_or(PRIMARY.to_owned()),
        tables: file.tables,
        schemas: file.schemas,
        by: file.by,
    }
}

fn target(file: TargetFile, newest: &str) -> Target {
    match file {
        TargetFile::Before(before) => Target::Before {
            fault: match before.before.as_str() {
                NEWEST => newest.to_owned(),
                _ => before.before,
            },
            by: before.by,
        },
        TargetFile::Plain(PlainTarget::Latest) => Target::Latest,
        TargetFile::Plain(PlainTarget::Immediate) => Target::Immediate,
        TargetFile::Plain(PlainTarget::Time(time)) => Target::Time(time),
        TargetFile::Plain(PlainTarget::Lsn(lsn)) => Target::Lsn(lsn),
        TargetFile::Plain(PlainTarget::Xid(xid)) => Target::Xid(xid),
        TargetFile::Plain(PlainTarget::Name(name)) => Target::Name(name),
    }
}
