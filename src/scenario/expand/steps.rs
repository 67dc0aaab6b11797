//! The steps of a plan: what each acts on where the scenario does not say so.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    scenario::{
        Document,
        databases::Databases,
        file::ScenarioFile,
        plan::{
            Action, BackupKind, BackupOf, BackupStep, CutOver, Restore, RunFor, Step, StrategyPlan,
            Target, is_scratch,
        },
        step_file::StepFile,
    },
    units::Time,
};

/// What stands for the newest fault where one is named.
pub const NEWEST: &str = "fault";
const DEADLINE: Time = Time(Duration::from_secs(600));

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
        if !name.is_empty() {
            planning.newest.clone_from(&name);
        }
        let restored = step.action.restore().map(|restore| restore.into.as_str());
        if let Some(scratch) = restored.filter(|into| is_scratch(into)) {
            planning.scratch = scratch;
        }
        steps.push(planning.step(step, node.place.line, name));
    }
    steps
}

/// What the fault of each step is called: as the scenario says, or by its own word, numbered where
/// that is taken; empty where a step injects none.
pub fn fault_names(file: &ScenarioFile) -> Vec<String> {
    let stated = file.steps.iter().filter_map(|step| step.name.clone());
    let mut taken: BTreeSet<String> = stated.collect();
    let mut name = |step: &StepFile| match (&step.action, &step.name) {
        (Action::Inject(_), Some(name)) => name.clone(),
        (Action::Inject(fault), None) => unlike(&mut taken, fault.word()),
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

/// When a step must have ended: as it says, or what serves any but a long `run`.
pub fn deadline(step: &StepFile) -> Time {
    let usual = match step.action {
        Action::Run(RunFor::Time(time)) => DEADLINE.max(Time(time.0.saturating_mul(2))),
        _ => DEADLINE,
    };
    step.deadline.unwrap_or(usual)
}

impl Planning<'_> {
    fn step(&self, step: &StepFile, line: usize, fault: String) -> Step {
        let server = self.databases.server_of(self.file, step);
        let home = self.databases.home(self.file.cluster_of(server));
        let database = self.databases.meant(step.database.as_deref());
        let mut action = step.action.clone();
        self.fill_in(&mut action, server);
        let within = step.database.iter();
        let within = within.map(|name| format!(" in database {name}"));
        Step {
            line,
            title: action.title(server) + &within.collect::<String>(),
            deadline: deadline(step),
            server: server.to_owned(),
            database: database.unwrap_or(home).to_owned(),
            fault,
            action,
        }
    }

    /// What the file leaves out. `server`: the one that the step acts on.
    fn fill_in(&self, action: &mut Action, server: &str) {
        match action {
            Action::Backup(backup) => self.backup(backup),
            Action::Restore(restore) => self.restore(restore),
            Action::Salvage(salvage) => {
                salvage.from.get_or_insert_with(|| self.scratch.to_owned());
                salvage.into.get_or_insert_with(|| server.to_owned());
            }
            Action::CutOver(cut_over) => self.cut_over(cut_over),
            _other => {}
        }
    }

    /// The kind is what the step says, or what the backup's tool takes where nobody says.
    fn backup(&self, backup: &mut BackupStep) {
        let planned = self.strategy.backups.get(backup.of());
        let usual = planned.and_then(|one| one.tool.abilities().kinds.first());
        let kind = backup.kind().or(usual.copied());
        *backup = BackupStep::Of(BackupOf {
            of: backup.of().to_owned(),
            kind: kind.or(Some(BackupKind::Full)),
        });
    }

    fn restore(&self, restore: &mut Restore) {
        let from = restored_from(restore, self.strategy).map(str::to_owned);
        restore.from = from;
        restore.of = match restore.in_place {
            true => Some(self.file.cluster_of(&restore.into).to_owned()),
            false => Some(restore.of().to_owned()),
        };
        if let Target::Before { fault, .. } = &mut restore.target
            && fault == NEWEST
        {
            fault.clone_from(&self.newest);
        }
    }

    /// Where a step does not say so, those go that work in the cluster that the server is of.
    fn cut_over(&self, cut_over: &mut CutOver) {
        let cluster = self.file.cluster_of(&cut_over.to);
        let workloads = self.file.workloads.iter().filter(|(name, workload)| {
            self.databases.server_of_workload(name, workload) == Some(cluster)
        });
        let theirs = workloads.map(|(name, _)| name.clone());
        cut_over.workloads.get_or_insert_with(|| theirs.collect());
    }
}

/// The backup that a restore begins from: the one it names, or the only one of a whole cluster.
pub fn restored_from<'s>(restore: &'s Restore, strategy: &'s StrategyPlan) -> Option<&'s str> {
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
