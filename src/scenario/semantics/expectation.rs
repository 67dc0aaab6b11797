//! Whether the findings that a scenario expects to fail can exist.

use super::Check;
use crate::scenario::{
    plan::{Action, CheckKind, Objectives},
    problem::Problem,
};

/// Findings of a workload that need the objective of their name.
const MEASURES: [&str; 5] = ["rpo", "lost", "rto", "outage", "projected-rpo"];

/// Findings of a drill as a whole.
const ALWAYS: [&str; 8] = [
    "fault",
    "steady-state",
    "recovery",
    "steps",
    "backups",
    "verifier",
    "evidence",
    "leak",
];

impl Check<'_> {
    pub(super) fn expectation(&mut self) {
        for finding in self.file.expect.fail.keys() {
            if let Some(problem) = self.finding(finding) {
                self.wrong_key(&["expect", "fail", finding], problem);
            }
        }
    }

    /// Why a finding of this id cannot exist; none when it can.
    fn finding(&self, id: &str) -> Option<Problem> {
        // What is said of a cluster beside the primary's: `rows@orders`.
        if let Some((of_primary, server)) = id.split_once('@')
            && self.file.servers.contains_key(server)
        {
            return self.finding(of_primary);
        }
        let (kind, workload) = id.split_once('.').map_or((id, None), |(k, w)| (k, Some(w)));
        if MEASURES.contains(&kind) {
            return self.of_measure(id, kind, workload);
        }
        if let Some(check) = CheckKind::ALL.into_iter().find(|c| c.name() == kind) {
            return self.of_check(id, check, workload);
        }
        let others = ALWAYS.into_iter().chain(Action::WORDS.iter().copied());
        if workload.is_none() && others.clone().any(|other| other == kind) {
            return None;
        }
        let checks = CheckKind::ALL.into_iter().map(CheckKind::name);
        Some(unknown(id).known(kind, checks.chain(MEASURES).chain(others)))
    }

    fn of_measure(&self, id: &str, kind: &str, workload: Option<&str>) -> Option<Problem> {
        let Some(workload) = workload else {
            let help = format!("name the workload: `{kind}.{}`", self.first_workload());
            return Some(unknown(id).help(help));
        };
        let objective = kind.strip_prefix("projected-").unwrap_or(kind);
        self.of_workload(id, workload)
            .or_else(|| self.demanded(id, workload, objective))
    }

    fn of_check(&self, id: &str, check: CheckKind, workload: Option<&str>) -> Option<Problem> {
        let made = self.file.checks.as_ref();
        if made.is_some_and(|made| !made.contains(&check)) {
            let problem = Problem::nowhere(format!("`{id}` cannot fail: the check is not made"));
            return Some(problem.help(format!("add `{}` to `checks`", check.name())));
        }
        self.of_workload(id, workload?)
    }

    fn of_workload(&self, id: &str, workload: &str) -> Option<Problem> {
        let workloads = &self.file.workloads;
        let problem = || Problem::nowhere(format!("`{id}` is of an unknown workload"));
        let exists = workloads.contains_key(workload);
        (!exists).then(|| problem().known(workload, workloads.keys()))
    }

    fn demanded(&self, id: &str, workload: &str, objective: &str) -> Option<Problem> {
        let objectives = self.file.objectives.get(workload);
        let mut demands = objectives
            .map(Objectives::demands)
            .unwrap_or_default()
            .into_iter();
        let demanded = demands.any(|(name, _)| name == objective);
        let message = format!("`{id}` cannot fail: no `{objective}` is demanded of `{workload}`");
        let help = format!("add `objectives: {{ {workload}: {{ {objective}: … }} }}`");
        (!demanded).then(|| Problem::nowhere(message).help(help))
    }

    fn first_workload(&self) -> &str {
        let first = self.file.workloads.keys().next();
        first.map_or("WORKLOAD", String::as_str)
    }
}

fn unknown(id: &str) -> Problem {
    Problem::nowhere(format!("unknown finding `{id}`"))
}
