//! The steps of a plan: what each acts on where the scenario does not say so.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    scenario::{
        Document,
        databases::Databases,
        file::ScenarioFile,
        plan::{Action, BackupKind, PRIMARY, RunFor, Step, StrategyPlan, Target},
        step_file::{
            ActionFile, BackupFile, CutOverFile, PlainTarget, RestoreFile, RunFile, SalvageFile,
            StepFile, TargetFile,
        },
    },
    units::Time,
};

/// What stands for the newest fault where one is named.
pub const NEWEST: &str = "fault";
pub(super) const DEADLINE: Time = Time(Duration::from_secs(600));

/// What is known when a step is planned.
struct Planning<'a> {
    file: &'a ScenarioFile,
    databases: &'a Databases,
    strategy: &'a StrategyPlan,
    /// The scratch server restored last.
    scratch: &'a str,
    /// The fault injected last, by this step or before.
    newest: String,
}

pub(super) fn of(
    document: &Document<ScenarioFile>,
    databases: &Databases,
    strategy: &StrategyPlan,
) -> Vec<Step> {
    let file = &document.typed;
    let nodes = document.root.get("steps");
    let nodes = nodes.map(|node| node.items()).unwrap_or_default();
    let mut planning = Planning {
        file,
        databases,
        strategy,
        scratch: "",
        newest: String::new(),
    };
    let mut steps = Vec::new();
    for ((step, node), name) in file.steps.iter().zip(nodes).zip(fault_names(file)) {
        if let ActionFile::Inject(_) = &step.action {
            planning.newest = name;
        }
        if let ActionFile::Restore(RestoreFile { into, .. }) = &step.action
            && is_scratch(into)
        {
            planning.scratch = into;
        }
        steps.push(planning.step(step, node.place.line));
    }
    steps
}

/// Whether a server of this name is a scratch server.
pub fn is_scratch(server: &str) -> bool {
    server == "scratch" || server.starts_with("scratch-")
}

/// The cluster that a server is of: itself where it is there from the beginning, else the server
/// that it is a standby of, or whose backup it is restored from.
pub fn cluster_of<'s>(file: &'s ScenarioFile, server: &'s str) -> &'s str {
    let copied = file.servers.get(server);
    if let Some(of) = copied.and_then(|server| server.standby_of.as_deref()) {
        return of;
    }
    let made = file.steps.iter().find_map(|step| match &step.action {
        ActionFile::Restore(restore) if !restore.in_place && restore.into == server => {
            Some(restore.of.as_deref().unwrap_or(PRIMARY))
        }
        _other => None,
    });
    made.unwrap_or(server)
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

impl Planning<'_> {
    fn step(&self, step: &StepFile, line: usize) -> Step {
        let server = self.databases.server_of(self.file, step);
        let home = self.databases.home(cluster_of(self.file, server));
        let database = self.databases.meant(step.database.as_deref());
        let action = self.action(step, server.to_owned());
        let within = step.database.iter();
        let within = within.map(|name| format!(" in database {name}"));
        Step {
            line,
            title: action.title() + &within.collect::<String>(),
            deadline: step.deadline.unwrap_or(DEADLINE),
            database: database.unwrap_or(home).to_owned(),
            action,
        }
    }

    fn action(&self, step: &StepFile, server: String) -> Action {
        match step.action.clone() {
            ActionFile::Backup(backup) => taking(server, &backup, self.strategy),
            ActionFile::Run(RunFile::Time(time)) => Action::Run(RunFor::Time(time)),
            ActionFile::Run(RunFile::Transactions(count)) => {
                Action::Run(RunFor::Transactions(count.transactions))
            }
            ActionFile::Checkpoint {} => Action::Checkpoint { server },
            ActionFile::SwitchWal {} => Action::SwitchWal { server },
            ActionFile::RestorePoint(name) => Action::RestorePoint { server, name },
            ActionFile::Inject(fault) => Action::Inject {
                server,
                name: self.newest.clone(),
                fault,
            },
            ActionFile::Heal(fault) => Action::Heal { fault },
            ActionFile::Freeze(workload) => Action::Freeze { workload, server },
            ActionFile::Thaw(workload) => Action::Thaw { workload, server },
            ActionFile::Restore(file) => self.restore(file),
            ActionFile::Salvage(file) => self.salvage(file, server),
            ActionFile::Reindex(object) => Action::Reindex { server, object },
            ActionFile::Start(server) => Action::Start { server },
            ActionFile::Promote(server) => Action::Promote { server },
            ActionFile::CutOver(file) => self.cut_over(file),
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

    fn restore(&self, file: RestoreFile) -> Action {
        let from = restored_from(&file, self.strategy).unwrap_or_default();
        let target = file.target.clone();
        Action::Restore {
            scratch: is_scratch(&file.into),
            from: from.to_owned(),
            of: match file.in_place {
                true => cluster_of(self.file, &file.into).to_owned(),
                false => file.of.unwrap_or(PRIMARY.to_owned()),
            },
            label: file.backup,
            store: file.store,
            into: file.into,
            in_place: file.in_place,
            target: target.map_or(Target::Latest, |file| target_of(file, &self.newest)),
            action: file.action,
        }
    }

    fn salvage(&self, file: SalvageFile, server: String) -> Action {
        Action::Salvage {
            from: file.from.unwrap_or(self.scratch.to_owned()),
            into: file.into.unwrap_or(server),
            tables: file.tables,
            schemas: file.schemas,
            by: file.by,
        }
    }

    /// Where a step does not say so, those go that work in the cluster that the server is of.
    fn cut_over(&self, file: CutOverFile) -> Action {
        let cluster = cluster_of(self.file, &file.to);
        let workloads = self.file.workloads.iter().filter(|(name, workload)| {
            self.databases.server_of_workload(name, workload) == Some(cluster)
        });
        let theirs = || workloads.map(|(name, _)| name.clone()).collect();
        Action::CutOver {
            workloads: file.workloads.unwrap_or_else(theirs),
            to: file.to,
        }
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

fn target_of(file: TargetFile, newest: &str) -> Target {
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
