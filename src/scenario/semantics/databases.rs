//! The databases that a scenario makes, and which of them workloads and steps name.

use super::{Check, steps::State};
use crate::{
    scenario::{
        databases::{self, Database},
        file::{DatabaseFile, WorkloadFile},
        format,
        model::Catalog,
        plan::{Action, PRIMARY},
        problem::Problem,
        step_file::StepFile,
        yaml::Position,
    },
    units::Bytes,
};

const SMALLEST: Bytes = Bytes(10_000_000);
const LARGEST: Bytes = Bytes(100_000_000_000);

impl<'a> Check<'a> {
    pub(super) fn databases(&mut self) {
        let data = &self.file.data;
        let both = data.model.is_some() || data.size.is_some();
        if data.databases.is_some() && both {
            let message = "`data` has `databases` beside a `model` or `size` of its own";
            let help = "state model and size of each below `databases`";
            self.wrong_key(&["data", "databases"], Problem::nowhere(message).help(help));
        }
        for (name, file) in databases::stated(data) {
            let Some(name) = name else {
                self.size(&file, None, &["data"]);
                continue;
            };
            let path = ["data", "databases", name];
            if let Err(message) = format::check("database", name) {
                self.wrong_key(&path, message);
            }
            self.size(&file, Some(name), &path);
            if let Some(server) = &file.server {
                self.there_at_first(server, &["data", "databases", name, "server"]);
            }
        }
        self.roles();
    }

    /// A server that is named must be there from the beginning, with data of its own.
    pub(super) fn there_at_first(&mut self, server: &str, path: &[&str]) {
        let servers = self.file.servers.iter();
        let firsts = servers.filter(|(_, one)| one.standby_of.is_none());
        let firsts = firsts.map(|(name, _)| name.as_str());
        let known: Vec<&str> = firsts.chain([PRIMARY]).collect();
        if !known.contains(&server) {
            let message = match self.file.servers.contains_key(server) {
                true => format!("`{server}` is a standby: it has no data of its own"),
                false => format!("no server `{server}` is there from the beginning"),
            };
            self.wrong(path, Problem::nowhere(message).known(server, known));
        }
    }

    /// A workload can go only where its database is.
    pub(super) fn same_cluster(&mut self, workload: &str, to: &str, path: &str, state: &State) {
        let (Some(databases), Some(file)) = (self.databases, self.file.workloads.get(workload))
        else {
            return;
        };
        let cluster = self.file.cluster_of(to);
        let Some(server) = databases.server_of_workload(workload, file) else {
            return;
        };
        if server != cluster {
            let message = format!("`{workload}` works on `{server}`, and `{to}` is of `{cluster}`");
            self.here(state, path, message);
        }
    }

    /// `name`: of one among several.
    fn size(&mut self, file: &DatabaseFile, name: Option<&str>, path: &[&str]) {
        let Some(size) = file.size else {
            let mut all = self.databases.into_iter().flat_map(|all| all.iter());
            let found = all.find(|(one, _)| name.is_none_or(|name| name == *one));
            if found.is_some_and(|(_, one)| one.model.manifest.grows()) {
                let of = path[path.len() - 1];
                let problem = Problem::nowhere(format!("key `size` is missing in `{of}`"));
                let help = "`size`: the data model fills its tables by it";
                self.wrong(path, problem.help(help));
            }
            return;
        };
        if !(SMALLEST..=LARGEST).contains(&size) {
            let problem = Problem::nowhere(format!("a database of {size} cannot be made"));
            let problem = problem.expected(format!("{SMALLEST} to {LARGEST}"));
            self.wrong(&[path, &["size"]].concat(), problem);
        }
    }

    /// Roles are the cluster's: two models cannot both make one.
    fn roles(&mut self) {
        let Some(databases) = self.databases else {
            return;
        };
        let all: Vec<_> = databases.iter().collect();
        for (index, (name, database)) in all.iter().enumerate() {
            let of_cluster = |(_, other): &&(_, &Database)| other.server == database.server;
            for (first, other) in all[..index].iter().filter(of_cluster) {
                let others = &other.model.catalog.roles;
                let mut roles = database.model.catalog.roles.iter();
                if let Some(role) = roles.find(|role| others.contains(role)) {
                    let message =
                        format!("the models of `{first}` and `{name}` both make the role `{role}`");
                    let help = "roles are shared by all databases of a cluster";
                    let problem = Problem::nowhere(message).help(help);
                    self.wrong_key(&["data", "databases", name], problem);
                }
            }
        }
    }

    /// A database that is named must be one of the scenario's.
    pub(super) fn known_database(&mut self, stated: Option<&str>, path: &[&str]) {
        let (Some(name), Some(databases)) = (stated, self.databases) else {
            return;
        };
        if databases.model(name).is_none() {
            self.wrong(path, Problem::unknown("database", name, databases.names()));
        }
    }

    /// Nobody says which of several databases is meant.
    pub(super) fn which_database(&mut self, place: Position) {
        let names = self.databases.into_iter().flat_map(|all| all.names());
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let message = format!("which database: {}?", names.join(" or "));
        let help = "`database: NAME` beside it says so";
        self.problem(Problem::at(place, message).help(help));
    }

    /// Whether a step says in which database it acts, where it acts in one.
    pub(super) fn database_of(&mut self, step: &StepFile, number: &str) {
        self.known_database(step.database.as_deref(), &["steps", number, "database"]);
        let within = match &step.action {
            Action::Inject(fault) => fault.facts().is_within_database(),
            other => Action::beside(other.word()).contains(&"database"),
        };
        let meant = |all: &databases::Databases| all.meant(step.database.as_deref()).is_some();
        if within && !self.databases.is_none_or(meant) {
            self.which_database(self.place(&["steps", number]));
        }
        let stated = step.server.as_deref().zip(step.database.as_deref());
        let own = |all: &'a databases::Databases| all.server(stated?.1);
        if let (Some((server, database)), Some(own)) = (stated, self.databases.and_then(own))
            && self.file.cluster_of(server) != own
        {
            let message = format!("the database `{database}` is on `{own}`, not on `{server}`");
            self.wrong(&["steps", number, "server"], message);
        }
    }

    /// What the model in a workload's database makes.
    pub(super) fn catalog_of(&self, name: &str, workload: &WorkloadFile) -> Option<&'a Catalog> {
        let databases = self.databases?;
        databases.catalog(databases.of_workload(name, workload)?)
    }

    /// What the model in the database of the current step makes.
    pub(super) fn catalog_here(&self, state: &State) -> Option<&'a Catalog> {
        let stated = self.file.steps.get(state.step - 1)?.database.as_deref();
        let databases = self.databases?;
        databases.catalog(databases.meant(stated)?)
    }
}
