//! Whether the tables, indexes, schemas, roles and databases that a scenario names exist.

use super::{Check, steps::State};
use crate::scenario::problem::Problem;

/// The column of the data models that holds the ledger key of a live row.
const REQUEST_ID: &str = "request_id";

impl Check<'_> {
    pub(super) fn strategy_tables(&mut self) {
        let (Some(strategy), Some(catalog)) = (self.strategy, &self.catalog) else {
            return;
        };
        let tables = strategy.tables.iter().enumerate();
        let unknown: Vec<(usize, String)> = tables
            .filter(|(_, t)| !catalog.has_table(t))
            .map(|(i, t)| (i, t.clone()))
            .collect();
        let known = catalog.tables.clone();
        for (index, table) in unknown {
            let place = self.place(&["strategy", "tables", &index.to_string()]);
            let message = format!("the strategy dumps `{table}`, an unknown table");
            let known = known.iter().map(String::as_str);
            self.problem(Problem::at(place, message).known(&table, known));
        }
    }

    /// A custom workload writes a table of the data model as a role that can log in. The key
    /// tells its rows from loaded ones, which have none.
    pub(super) fn custom_tables(&mut self) {
        for (name, workload) in &self.file.workloads {
            let (Some(custom), Some(catalog)) = (&workload.custom, &self.catalog) else {
                continue;
            };
            let mut problems = Vec::new();
            if !catalog.login_roles.contains(&custom.role) {
                let known = catalog.login_roles.iter().map(String::as_str);
                let message = format!("no role `{}` logs in", custom.role);
                let problem = Problem::nowhere(message).known(&custom.role, known);
                problems.push(("role", problem));
            }
            if !catalog.has_table(&custom.table) {
                problems.push(("table", unknown("table", &custom.table, &catalog.tables)));
            }
            if custom.key != REQUEST_ID {
                let message = format!("`{}` cannot be the key", custom.key);
                let help =
                    format!("the column `{REQUEST_ID}` tells a workload's rows from loaded ones");
                problems.push(("key", Problem::nowhere(message).help(help)));
            }
            for (key, problem) in problems {
                let place = self.place(&["workloads", name, "custom", key]);
                self.problem(Problem { place, ..problem });
            }
        }
    }

    pub(super) fn table(&mut self, table: &str, path: &str, state: &State) {
        let Some(catalog) = &self.catalog else { return };
        if !catalog.has_table(table) && !self.made_here(table, state) {
            let problem = unknown("table", table, &catalog.tables);
            self.named(state, path, problem);
        }
    }

    pub(super) fn index(&mut self, index: &str, path: &str, state: &State) {
        let Some(catalog) = &self.catalog else { return };
        if !catalog.indexes.iter().any(|i| i == index) && !self.made_here(index, state) {
            let problem = unknown("index", index, &catalog.indexes);
            self.named(state, path, problem);
        }
    }

    /// An index or a table.
    pub(super) fn relation(&mut self, name: &str, path: &str, state: &State) {
        let Some(catalog) = &self.catalog else { return };
        let known = catalog.has_table(name) || catalog.indexes.iter().any(|i| i == name);
        if !known && !self.made_here(name, state) {
            let all = [catalog.indexes.as_slice(), catalog.tables.as_slice()].concat();
            self.named(state, path, unknown("index or table", name, &all));
        }
    }

    pub(super) fn schema(&mut self, schema: &str, path: &str, state: &State) {
        let Some(catalog) = &self.catalog else { return };
        if !catalog.schemas.iter().any(|s| s == schema) && !self.made_here(schema, state) {
            let problem = unknown("schema", schema, &catalog.schemas);
            self.named(state, path, problem);
        }
    }

    pub(super) fn role(&mut self, role: &str, path: &str, state: &State) {
        let Some(catalog) = &self.catalog else { return };
        if !catalog.roles.iter().any(|r| r == role) && !self.made_here(role, state) {
            let problem = unknown("role", role, &catalog.roles);
            self.named(state, path, problem);
        }
    }

    pub(super) fn database(&mut self, database: &str, state: &State) {
        let Some(catalog) = &self.catalog else { return };
        if catalog.database != database && !self.made_here(database, state) {
            let known = [catalog.database.clone()];
            self.named(
                state,
                "inject.drop-database",
                unknown("database", database, &known),
            );
        }
    }

    fn named(&mut self, state: &State, path: &str, problem: Problem) {
        let path: Vec<&str> = path.split('.').collect();
        self.here(state, &path, problem);
    }

    /// Whether the scenario's own SQL or a custom workload names it: then it may exist.
    fn made_here(&self, name: &str, state: &State) -> bool {
        let custom = self
            .file
            .workloads
            .values()
            .filter_map(|w| w.custom.as_ref());
        state.sql.contains(name) || custom.into_iter().any(|c| c.table == name)
    }
}

fn unknown(what: &str, name: &str, known: &[String]) -> Problem {
    let problem = Problem::nowhere(format!("unknown {what} `{name}`"));
    problem.known(name, known.iter().map(String::as_str))
}
