//! Names and quantities outside the steps.

use std::collections::BTreeSet;

use super::{Check, strategy::overridden, supported_majors};
use crate::scenario::{
    databases::Databases,
    expand,
    file::WorkloadFile,
    format,
    plan::{Action, Objectives, PRIMARY, is_scratch, seconds},
    problem::Problem,
    step_file::StepFile,
    yaml::Node,
};

impl<'a> Check<'a> {
    /// `asked`: majors of the command line, which replace the scenario's own.
    pub(super) fn matrix(&mut self, asked: &[u32]) {
        let supported = supported_majors();
        let shown: Vec<String> = supported.iter().map(u32::to_string).collect();
        let own = self.file.matrix.postgres.as_deref().unwrap_or_default();
        for (index, major) in own.iter().enumerate() {
            let path = ["matrix", "postgres", &index.to_string()];
            if !supported.contains(major) {
                let problem = Problem::nowhere(format!("PostgreSQL {major} is not supported"));
                self.wrong(&path, problem.known("", &shown));
            } else if own[..index].contains(major) {
                self.wrong(&path, format!("PostgreSQL {major} stands twice"));
            }
        }
        for major in asked.iter().filter(|m| !supported.contains(m)) {
            let message = format!("PostgreSQL {major} (`--postgres`) is not supported");
            let problem = Problem::nowhere(message).known("", &shown);
            self.problems.push(problem);
        }
    }

    pub(super) fn names(&mut self) {
        let tags: Vec<String> = self.file.tags.iter().map(|t| t.0.clone()).collect();
        self.twice(&tags, &["tags"]);
        let checks = self.file.checks.iter().flatten();
        let checks: Vec<String> = checks.map(|check| check.name().to_owned()).collect();
        self.twice(&checks, &["checks"]);
        for section in ["servers", "workloads"] {
            for (key, _) in self.root.get(section).map_or(&[][..], Node::entries) {
                if let Err(message) = format::check("name", &key.text) {
                    self.problem(Problem::at(key.place, message));
                }
            }
        }
        for name in self.file.servers.keys().filter(|n| is_scratch(n)) {
            let problem = Problem::nowhere(format!("`{name}` cannot exist from the beginning"));
            let help = "a scratch server is made by `restore: { into: scratch, … }`";
            self.wrong_key(&["servers", name], problem.help(help));
        }
        self.overridden();
    }

    /// Settings of a server that no scenario can state.
    fn overridden(&mut self) {
        for (name, server) in &self.file.servers {
            for setting in server.settings.keys() {
                if let Some(problem) = overridden(setting) {
                    self.wrong_key(&["servers", name, "settings", setting], problem);
                }
            }
        }
    }

    /// Items of a list that stand in it twice.
    pub(super) fn twice(&mut self, items: &[String], path: &[&str]) {
        for (index, item) in items.iter().enumerate() {
            if items[..index].contains(item) {
                let (index, message) = (index.to_string(), format!("`{item}` stands twice"));
                self.wrong(&[path, &[index.as_str()]].concat(), message);
            }
        }
    }

    pub(super) fn workloads(&mut self) {
        for (index, check) in self.file.checks.iter().flatten().enumerate() {
            let path = ["checks", &index.to_string()];
            if check.is_of_clients() {
                self.somebody_writes(check.name(), &path);
            }
            if let Some(what) = self.databases.and_then(|all| all.lacks(*check)) {
                let check = check.name();
                let message = format!("`{check}` needs {what}, and the data model has none");
                self.wrong(&path, message);
            }
        }
        for (name, workload) in &self.file.workloads {
            let database = workload.database.as_deref();
            self.known_database(database, &["workloads", name, "database"]);
            if workload.custom.is_some() {
                self.custom(name, workload);
            } else {
                self.business(name, workload);
            }
        }
    }

    /// The businesses of the data models, or of the one in this database.
    fn businesses(&self, database: Option<&str>) -> Vec<String> {
        let all = self.databases.into_iter().flat_map(Databases::iter);
        let meant = all.filter(|(name, _)| database.is_none_or(|database| database == *name));
        let names = meant.flat_map(|(_, one)| one.model.manifest.businesses.keys());
        names.cloned().collect()
    }

    fn business(&mut self, name: &str, workload: &WorkloadFile) {
        let Some(databases) = self.databases else {
            return;
        };
        let database = databases.of_workload(name, workload);
        if database.is_some_and(|database| databases.model(database).is_none()) {
            return;
        }
        let known = self.businesses(database);
        let wanted = workload.business.as_deref();
        if known.iter().any(|known| known == wanted.unwrap_or(name)) {
            if database.is_none() {
                self.which_database(self.key_place(&["workloads", name]));
            }
            return;
        }
        if let Some(wanted) = wanted {
            let problem = Problem::nowhere(format!("the data model has no business `{wanted}`"));
            let problem = problem.known(wanted, known);
            return self.wrong(&["workloads", name, "business"], problem);
        }
        let problem = Problem::nowhere(format!("workload `{name}` does not say what it runs"));
        let known = BTreeSet::from_iter(known);
        let business = known.iter().map(|known| format!("`business: {known}`"));
        let ways = business.chain(["`custom: { sql: … }`".to_owned()]);
        let help = format!("add {}", Vec::from_iter(ways).join(" or "));
        self.wrong_key(&["workloads", name], problem.help(help));
    }

    /// Clients are needed for this; a problem there when the scenario has none.
    pub(super) fn somebody_writes(&mut self, what: &str, path: &[&str]) {
        if self.file.workloads.is_empty() {
            let message = format!("`{what}` needs clients, and there are no `workloads`");
            let businesses = self.businesses(None);
            let business = businesses.first().map_or("NAME", String::as_str);
            let help = format!("add `workloads: {{ {business}: {{ clients: 2, rate: 20/s }} }}`");
            self.wrong(path, Problem::nowhere(message).help(help));
        }
    }

    fn custom(&mut self, name: &str, workload: &WorkloadFile) {
        let Some(custom) = &workload.custom else {
            return;
        };
        let path = ["workloads", name, "custom", "sql"];
        if workload.business.is_some() {
            let message = format!("workload `{name}` has both `business` and `custom`");
            let problem = Problem::nowhere(message).help("keep one of them");
            self.wrong_key(&["workloads", name, "custom"], problem);
        }
        if let Some(sql) = self.sql(&custom.sql, &path) {
            for (parameter, what) in [("$1", "the key (uuid)"), ("$2", "the payload (text)")] {
                if !sql.contains(parameter) {
                    let message = format!("the statement does not use `{parameter}`, {what}");
                    self.wrong(&path, message);
                }
            }
        }
        if let Some(create) = &custom.create {
            let path = ["workloads", name, "custom", "create"];
            self.create(create, &custom.table, &path);
        }
    }

    fn create(&mut self, create: &str, table: &str, path: &[&str]) {
        let Some(sql) = self.sql(create, path) else {
            return;
        };
        let last = table.rsplit('.').next().unwrap_or(table);
        let bare = last.trim_matches('"').to_lowercase();
        if !sql.to_lowercase().contains(&bare) {
            let problem = Problem::nowhere(format!("`create` does not make the table `{table}`"));
            let help = "write its `CREATE TABLE`, and the grants that the role needs";
            self.wrong(path, problem.help(help));
        }
    }

    /// SQL that stands at a place, or in the file named there; none, and a problem, when that
    /// cannot be read.
    fn sql(&mut self, written: &str, path: &[&str]) -> Option<String> {
        let read = expand::read_sql(written, &self.source.path);
        read.map_err(|problem| self.wrong(path, problem)).ok()
    }

    pub(super) fn objectives(&mut self) {
        let workloads = &self.file.workloads;
        for (name, objectives) in &self.file.objectives {
            if !workloads.contains_key(name) {
                let message = format!("objectives of `{name}`, which is no workload");
                let problem = Problem::nowhere(message).known(name, workloads.keys());
                self.wrong_key(&["objectives", name], problem);
            }
            self.can_be_measured(name, objectives);
        }
    }

    /// RPO and RTO are measured from a fault; RTO ends after a gate, in traffic.
    fn can_be_measured(&mut self, name: &str, objectives: &Objectives) {
        let workload = self.file.workloads.get(name);
        let works_on = |all: &'a Databases| all.server_of_workload(name, workload?);
        let cluster = self.databases.and_then(works_on);
        let is_its = |server: &str| {
            let of = self.file.cluster_of(server);
            let known = of == PRIMARY || self.file.servers.contains_key(of);
            !known || cluster.is_none_or(|own| own == of)
        };
        let hits = |step: &StepFile| {
            let server = self.databases.map(|all| all.server_of(self.file, step));
            server.is_none_or(is_its)
        };
        let steps = self.file.steps.iter();
        let last = |is: &dyn Fn(&StepFile) -> bool| steps.clone().rposition(is);
        let injects = |step: &StepFile| matches!(step.action, Action::Inject(_));
        let fault = last(&|step| injects(step) && hits(step));
        let gate = last(&|step| matches!(&step.action, Action::Verify(at) if is_its(at)));
        let traffic = last(&|step| matches!(step.action, Action::Run(_)));
        let any_fault = last(&injects);
        if any_fault.is_none() {
            for (what, demanded) in [("rpo", objectives.rpo), ("rto", objectives.rto)] {
                if demanded.is_some() {
                    let help = "add an `inject` step";
                    self.not_measured(what, name, "nothing is injected", help);
                }
            }
        } else if objectives.rto.is_some() {
            let help = "RTO ends with the first transaction after `verify: SERVER` passed";
            if fault.is_none() {
                self.not_measured(
                    "rto",
                    name,
                    "no fault hits its servers",
                    "add an `inject` step",
                );
            } else if gate < fault {
                self.not_measured(
                    "rto",
                    name,
                    "no `verify` of its server follows the fault",
                    help,
                );
            } else if traffic < gate {
                self.not_measured("rto", name, "no `run` step follows the last `verify`", help);
            }
        }
    }

    fn not_measured(&mut self, objective: &str, of: &str, why: &str, help: &str) {
        let message = format!("`{objective}` of `{of}` cannot be measured: {why}");
        let problem = Problem::nowhere(message).help(help);
        self.wrong_key(&["objectives", of, objective], problem);
    }

    /// An `archive_timeout` that cannot be divided so far: the strategy's, unless every server states
    /// its own, and theirs.
    pub(super) fn scale(&mut self) {
        let Some(strategy) = self.strategy else {
            return;
        };
        let servers = &self.file.servers;
        let everywhere = servers.contains_key(PRIMARY)
            && (servers.values()).all(|server| server.settings.contains_key("archive_timeout"));
        if let Some(text) = strategy.settings.get("archive_timeout")
            && !everywhere
        {
            self.divided(text, &["strategy", "settings", "archive_timeout"]);
        }
        for (name, server) in servers {
            if let Some(text) = server.settings.get("archive_timeout") {
                self.divided(text, &["servers", name, "settings", "archive_timeout"]);
            }
        }
    }

    /// `path`: where the `archive_timeout` is written.
    fn divided(&mut self, text: &str, path: &[&str]) {
        let scale = u64::from(self.file.scale.unwrap_or(1));
        let Some(timeout) = seconds(text) else {
            let message =
                format!("`{text}` is not a value of `archive_timeout`, like `60s` or `5min`");
            return self.wrong(path, message);
        };
        let (message, help) = if timeout > 0 && timeout < scale {
            (
                format!("scale {scale} divides `archive_timeout = {text}` below 1 s"),
                format!("the largest scale for it is {timeout}"),
            )
        } else if !timeout.is_multiple_of(scale) {
            (
                format!("scale {scale} does not divide `archive_timeout = {text}` evenly"),
                "the server counts whole seconds".to_owned(),
            )
        } else {
            return;
        };
        self.wrong(&["scale"], Problem::nowhere(message).help(help));
    }
}
