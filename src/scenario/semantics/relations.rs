//! Whether the tables, indexes, schemas, roles and databases that a scenario names exist.

use super::{Check, steps::State};
use crate::fault::Need;
use crate::scenario::{
    expand,
    file::{CustomFile, ScenarioFile, StrategyChoice, WorkloadFile},
    model::Catalog,
    plan::{Action, PRIMARY, REQUEST_ID},
    problem::Problem,
    step_file::StepFile,
};

impl Check<'_> {
    pub(super) fn strategy_tables(&mut self) {
        let (Some(strategy), Some(databases)) = (self.strategy, self.databases) else {
            return;
        };
        let Some(catalog) = databases.catalog(databases.home(PRIMARY)) else {
            return;
        };
        let dumped = |step: &StepFile| match &step.action {
            Action::Backup(backup) => {
                let plan = strategy.backups.get(backup.of());
                plan.is_some_and(|plan| !plan.tool.tables().is_empty())
            }
            _other => false,
        };
        let shipped = |name: &String| !name.ends_with(".yaml");
        let of_any_model =
            matches!(&self.file.strategy, StrategyChoice::Named(name) if shipped(name));
        if of_any_model && !self.file.steps.iter().any(dumped) {
            return;
        }
        for (name, backup) in &strategy.backups {
            let word = backup.tool.abilities().tool;
            for (index, table) in backup.tool.tables().iter().enumerate() {
                if !catalog.has_table(table) {
                    let index = index.to_string();
                    let path = ["strategy", "backups", name, word, "tables", &index];
                    let message = format!("the strategy dumps `{table}`, an unknown table");
                    let problem = Problem::nowhere(message).known(table, &catalog.tables);
                    self.wrong(&path, problem);
                }
            }
        }
    }

    /// A custom workload logs in as a role of the data model, and writes a table of it or one
    /// that its own SQL makes. The key tells its rows from those of the load, which have none.
    pub(super) fn custom_tables(&mut self) {
        for (name, workload, custom) in customs(self.file) {
            let Some(catalog) = self.catalog_of(name, workload) else {
                if self.databases.is_some() && workload.database.is_none() {
                    self.which_database(self.key_place(&["workloads", name]));
                }
                continue;
            };
            let table = match custom.create {
                Some(_) => Vec::from_iter(made(self.file, name, custom, catalog)),
                None => found(self.file, custom, catalog),
            };
            for (key, problem) in login(custom, catalog).into_iter().chain(table) {
                self.wrong(&["workloads", name, "custom", key], problem);
            }
        }
    }

    /// The SQL of every `create`; what cannot be read is told where it is written.
    pub(super) fn creating(&self) -> String {
        customs(self.file)
            .filter_map(|(.., custom)| custom.create.as_ref())
            .filter_map(|create| expand::read_sql(create, &self.source.path).ok())
            .collect()
    }

    /// What a step needs to be there, by names alone.
    pub(super) fn there(&mut self, need: Need<'_>, path: &str, state: &State) {
        if let Need::Store(store) = need {
            return self.store(store, path, state);
        }
        let Some(databases) = self.databases else {
            return;
        };
        let here = self.catalog_here(state);
        let (name, known) = match (need, here) {
            (Need::Role(name), _) => (name, Vec::from_iter(databases.roles())),
            (Need::Database(name), _) => (name, Vec::from_iter(databases.names())),
            (Need::Table(name), Some(here)) if here.has_table(name) => return,
            (Need::Table(name), Some(here)) => (name, strs(&here.tables)),
            (Need::Index(name), Some(here)) => (name, strs(&here.indexes)),
            (Need::Schema(name), Some(here)) => (name, strs(&here.schemas)),
            (Need::Table(_) | Need::Index(_) | Need::Schema(_) | Need::Store(_), _) => return,
        };
        if !known.contains(&name) && !self.made_here(name, state) {
            self.here(state, path, Problem::unknown(need.word(), name, known));
        }
    }

    fn store(&mut self, name: &str, path: &str, state: &State) {
        let Some(strategy) = self.strategy else {
            return;
        };
        if !strategy.stores.contains_key(name) {
            let problem = Problem::unknown("store", name, strategy.stores.keys());
            self.here(state, path, problem);
        }
    }

    /// An index or a table.
    pub(super) fn relation(&mut self, name: &str, path: &str, state: &State) {
        let Some(catalog) = self.catalog_here(state) else {
            return;
        };
        let known = catalog.has_table(name) || catalog.indexes.iter().any(|i| i == name);
        if !known && !self.made_here(name, state) {
            let all = catalog.indexes.iter().chain(&catalog.tables);
            self.here(state, path, Problem::unknown("index or table", name, all));
        }
    }

    /// Whether the scenario's own SQL names it, or a schema that it lies in and that the data
    /// model lacks: then it may exist.
    fn made_here(&self, name: &str, state: &State) -> bool {
        let mut known = self
            .catalog_here(state)
            .into_iter()
            .flat_map(|here| &here.schemas);
        let own_schema =
            |schema: &str| state.sql.contains(schema) && !known.any(|known| known == schema);
        let schema = name.split_once('.').map(|(schema, _)| schema);
        let table = || customs(self.file).any(|(.., custom)| custom.table == name);
        state.sql.contains(name) || schema.is_some_and(own_schema) || table()
    }
}

/// Custom workloads, by name.
fn customs(file: &ScenarioFile) -> impl Iterator<Item = (&str, &WorkloadFile, &CustomFile)> {
    let all = file.workloads.iter();
    all.filter_map(|(name, workload)| Some((name.as_str(), workload, workload.custom.as_ref()?)))
}

/// The first workload that makes a table, and how.
fn maker<'f>(file: &'f ScenarioFile, table: &str) -> Option<(&'f str, &'f CustomFile)> {
    let all = customs(file).map(|(name, _, custom)| (name, custom));
    let mut made = all.filter(|(_, custom)| custom.create.is_some());
    made.find(|(_, custom)| custom.table == table)
}

/// A problem with what stands at a key of `custom`.
type OfKey = (&'static str, Problem);

fn login(custom: &CustomFile, catalog: &Catalog) -> Option<OfKey> {
    if catalog.login_roles.contains(&custom.role) {
        return None;
    }
    let problem = Problem::nowhere(format!("no role `{}` logs in", custom.role));
    Some(("role", problem.known(&custom.role, &catalog.login_roles)))
}

/// What is wrong with a table that a workload makes.
fn made(file: &ScenarioFile, name: &str, custom: &CustomFile, catalog: &Catalog) -> Option<OfKey> {
    let table = &custom.table;
    if catalog.has_table(table) {
        let problem = Problem::nowhere(format!("`{table}` is a table of the data model"));
        let help = "leave `create` out, or name the table that it makes";
        return Some(("table", problem.help(help)));
    }
    let (first, _) = maker(file, table).filter(|(first, _)| *first != name)?;
    let problem = Problem::nowhere(format!("workload `{first}` makes `{table}` already"));
    let help = "leave `create` out here: two workloads may write one table";
    Some(("create", problem.help(help)))
}

/// What is wrong with a table that a workload finds there.
fn found(file: &ScenarioFile, custom: &CustomFile, catalog: &Catalog) -> Vec<OfKey> {
    let table = &custom.table;
    let maker = maker(file, table);
    let mut problems = Vec::new();
    if maker.is_none() && !catalog.has_table(table) {
        let problem = Problem::unknown("table", table, &catalog.tables);
        if problem.help.is_empty() {
            let help = "`create: FILE.sql` beside it makes a table of your own";
            return vec![("table", problem.help(help))];
        }
        problems.push(("table", problem));
    }
    let (key, why) = match maker {
        Some((name, made)) => (
            made.key.as_str(),
            format!("is the key of workload `{name}`"),
        ),
        None => (
            catalog.keys.get(table).map_or(REQUEST_ID, String::as_str),
            "tells a workload's rows from loaded ones".into(),
        ),
    };
    if custom.key != key {
        let problem = Problem::nowhere(format!("`{}` cannot be the key", custom.key));
        problems.push(("key", problem.help(format!("the column `{key}` {why}"))));
    }
    problems
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
