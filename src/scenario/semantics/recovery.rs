//! Whether the steps of a recovery find what they need: backup, WAL, scratch server.

use super::{
    Check,
    steps::{Server, State},
};
use crate::scenario::{
    expand,
    plan::{Archive, PRIMARY},
    problem::Problem,
    step_file::{CutOverFile, PlainTarget, RestoreFile, SalvageFile, TargetFile},
};

impl Check<'_> {
    pub(super) fn restore(&mut self, restore: &RestoreFile, state: &mut State) {
        if !state.backed_up {
            let problem = Problem::nowhere("nothing to restore: no full backup comes before");
            self.here(
                state,
                &["restore"],
                problem.help("`- backup: { kind: full }` comes first"),
            );
        }
        self.target(&restore.target, state);
        let existed = state.servers.insert(restore.into.clone(), Server::Up);
        if existed.is_some() {
            let problem = Problem::nowhere(format!("server `{}` exists already", restore.into));
            let help = "a restore makes a new server: give it another name";
            self.here(state, &["restore", "into"], problem.help(help));
        }
        if expand::is_scratch(&restore.into) {
            state.scratch = Some(restore.into.clone());
        }
    }

    fn target(&mut self, target: &TargetFile, state: &State) {
        let path = ["restore", "target"];
        let what = match target {
            TargetFile::Before(_) if !state.injected => {
                let problem = Problem::nowhere("no fault is injected before this step");
                return self.here(state, &["restore", "target", "before"], problem);
            }
            TargetFile::Before(_) => "before the fault",
            TargetFile::Plain(PlainTarget::Latest | PlainTarget::Immediate) => return,
            TargetFile::Plain(PlainTarget::Time(_)) => "a point in time",
            TargetFile::Plain(PlainTarget::Lsn(_)) => "a WAL position",
            TargetFile::Plain(PlainTarget::Xid(_)) => "a transaction",
            TargetFile::Plain(PlainTarget::Name(name)) => {
                if !state.restore_points.contains(name) {
                    let points = state.restore_points.iter().map(String::as_str);
                    let problem =
                        Problem::nowhere(format!("no restore point `{name}` comes before"));
                    let problem = problem.known(name, points);
                    self.here(state, &["restore", "target", "name"], problem);
                }
                "a restore point"
            }
        };
        self.archives(what, &path.join("."), state);
    }

    /// What needs a WAL archive.
    pub(super) fn archives(&mut self, what: &str, path: &str, state: &State) {
        if self.strategy.is_some_and(|s| s.archive == Archive::None) {
            let name = self.strategy.map_or("", |s| s.name.as_str());
            let message = format!("the strategy `{name}` archives no WAL: {what} is out of reach");
            let help = "it reaches `latest` and `immediate`: the end of the full backup";
            let path: Vec<&str> = path.split('.').collect();
            self.here(state, &path, Problem::nowhere(message).help(help));
        }
    }

    pub(super) fn salvage(&mut self, salvage: &SalvageFile, state: &State) {
        let into = salvage.into.as_deref().unwrap_or(PRIMARY);
        self.up(into, "salvage.into", state);
        self.salvaged_from(salvage, state);
        if salvage.tables.is_empty() && salvage.schemas.is_empty() {
            let problem = Problem::nowhere("salvage of nothing");
            let problem = problem.expected("`tables`, `schemas` or both");
            self.here(state, &["salvage"], problem);
        }
        for (index, table) in salvage.tables.iter().enumerate() {
            self.table(table, &format!("salvage.tables.{index}"), state);
        }
        for (index, schema) in salvage.schemas.iter().enumerate() {
            self.schema(schema, &format!("salvage.schemas.{index}"), state);
        }
        let number = (state.step - 1).to_string();
        self.twice(&salvage.tables, &["steps", &number, "salvage", "tables"]);
        self.twice(&salvage.schemas, &["steps", &number, "salvage", "schemas"]);
    }

    fn salvaged_from(&mut self, salvage: &SalvageFile, state: &State) {
        match (&salvage.from, &state.scratch) {
            (None, None) => {
                let problem = Problem::nowhere("nothing to salvage from: no scratch server");
                let help = "`- restore: { into: scratch, target: { before: fault } }` comes first";
                self.here(state, &["salvage"], problem.help(help));
            }
            (Some(from), _) if !expand::is_scratch(from) || !state.servers.contains_key(from) => {
                let problem = Problem::nowhere(format!("`{from}` is no scratch server"));
                let scratches = state.servers.keys().map(String::as_str);
                let scratches = scratches.filter(|s| expand::is_scratch(s));
                self.here(state, &["salvage", "from"], problem.known(from, scratches));
            }
            (_, _) => {}
        }
    }

    pub(super) fn cut_over(&mut self, cut_over: &CutOverFile, state: &State) {
        self.up(&cut_over.to, "cut-over.to", state);
        let number = (state.step - 1).to_string();
        self.somebody_writes("cut-over", &["steps", &number, "cut-over"]);
        if expand::is_scratch(&cut_over.to) {
            let problem = Problem::nowhere("a scratch server never serves clients");
            let help = "restore into a server of another name";
            self.here(state, &["cut-over", "to"], problem.help(help));
        }
        let named = cut_over.workloads.iter().flatten();
        for (index, workload) in named.enumerate() {
            self.workload(workload, &format!("cut-over.workloads.{index}"), state);
        }
    }
}
