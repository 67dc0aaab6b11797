//! Whether the findings that a scenario expects to fail can exist.

use super::Check;
use crate::scenario::{file::ObjectivesFile, plan::CheckKind, problem::Problem, step_file};

/// Findings of a workload that need an objective, and which.
const MEASURES: [(&str, &str); 4] = [
    ("rpo", "rpo"),
    ("rto", "rto"),
    ("outage", "outage"),
    ("projected-rpo", "rpo"),
];

/// Findings that every drill has.
const ALWAYS: [&str; 5] = ["fault", "steady-state", "steps", "evidence", "leak"];

impl Check<'_> {
    pub(super) fn expectation(&mut self) {
        for (finding, text) in &self.file.expect.fail {
            let place = self.key_place(&["expect", "fail", finding]);
            if let Some(problem) = self.finding(finding) {
                self.problem(Problem { place, ..problem });
            }
            if text.trim().is_empty() {
                let message = format!("expecting `{finding}` to fail needs a reason");
                let help = "write a text that its message must contain";
                self.problem(Problem::at(place, message).help(help));
            }
        }
    }

    /// Why a finding of this id cannot exist; none when it can.
    fn finding(&self, id: &str) -> Option<Problem> {
        let (kind, workload) = id.split_once('.').map_or((id, None), |(k, w)| (k, Some(w)));
        let unknown = || Problem::nowhere(format!("unknown finding `{id}`"));
        if let Some((_, objective)) = MEASURES.iter().find(|(m, _)| *m == kind) {
            let Some(workload) = workload else {
                let help = format!("name the workload: `{kind}.{}`", self.first_workload());
                return Some(unknown().help(help));
            };
            return self
                .of_workload(id, workload)
                .or_else(|| self.demanded(id, workload, objective));
        }
        let checks: Vec<String> = CheckKind::ALL.into_iter().map(check_name).collect();
        if let Some(index) = checks.iter().position(|c| c == kind) {
            let made = self
                .file
                .checks
                .as_ref()
                .is_none_or(|c| c.contains(&CheckKind::ALL[index]));
            let not_made =
                || Problem::nowhere(format!("`{id}` cannot fail: the check is not made"));
            return match workload {
                _ if !made => Some(not_made().help(format!("add `{kind}` to `checks`"))),
                Some(workload) => self.of_workload(id, workload),
                None => None,
            };
        }
        let steps = step_file::WORDS;
        if workload.is_none() && (ALWAYS.contains(&kind) || steps.contains(&kind)) {
            return None;
        }
        let measures = MEASURES.iter().map(|(m, _)| *m);
        let known = checks
            .iter()
            .map(String::as_str)
            .chain(measures)
            .chain(ALWAYS)
            .chain(steps);
        Some(unknown().known(kind, known))
    }

    fn of_workload(&self, id: &str, workload: &str) -> Option<Problem> {
        let workloads = self.file.workloads.keys().map(String::as_str);
        let unknown = || Problem::nowhere(format!("`{id}` is of an unknown workload"));
        let exists = self.file.workloads.contains_key(workload);
        (!exists).then(|| unknown().known(workload, workloads))
    }

    fn demanded(&self, id: &str, workload: &str, objective: &str) -> Option<Problem> {
        let demanded = self
            .file
            .objectives
            .get(workload)
            .is_some_and(|o| has(o, objective));
        let message = format!("`{id}` cannot fail: no `{objective}` is demanded of `{workload}`");
        let help = format!("add `objectives: {{ {workload}: {{ {objective}: … }} }}`");
        (!demanded).then(|| Problem::nowhere(message).help(help))
    }

    fn first_workload(&self) -> &str {
        self.file
            .workloads
            .keys()
            .next()
            .map_or("oa", String::as_str)
    }
}

fn has(objectives: &ObjectivesFile, objective: &str) -> bool {
    match objective {
        "rpo" => objectives.rpo.is_some(),
        "rto" => objectives.rto.is_some(),
        _ => objectives.outage.is_some(),
    }
}

/// A check's name in a scenario.
fn check_name(kind: CheckKind) -> String {
    let json = serde_json::to_value(kind).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}
