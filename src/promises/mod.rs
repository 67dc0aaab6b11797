//! Promises beside what was measured: a file says what a backup system promises and which scenario
//! puts that to the test; runs say what came of it. Together they are one table.
//!
//! Nothing is judged here: a figure and its verdict are those of the run.

mod table;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{report::RunSummary, scenario};

pub use table::{Table, table};

/// Those of the shipped scenarios.
const SHIPPED: &str = include_str!("../../fixtures/promises.yaml");

/// A backup system, and all that it promises.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    pub system: String,
    pub about: String,
    pub promises: Vec<Promise>,
}

/// One promise: what puts it to the test, or why nothing does yet.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Promise {
    pub promise: String,
    pub proof: Proof,
}

/// What shows whether a promise is kept.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Nothing yet, and why.
    Open(String),
    /// A scenario, and which of its results; without one its whole verdict.
    Drilled { scenario: String, by: Option<By> },
}

/// A promise as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    promise: String,
    scenario: Option<String>,
    by: Option<By>,
    open: Option<String>,
}

impl TryFrom<Written> for Promise {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let proof = match (written.scenario, written.by, written.open) {
            (Some(scenario), by, None) => Proof::Drilled { scenario, by },
            (None, None, Some(open)) => Proof::Open(open),
            _neither => {
                let promise = written.promise;
                return Err(format!(
                    "`{promise}` needs either a `scenario`, with or without `by`, or `open`: why there is none"
                ));
            }
        };
        let promise = written.promise;
        Ok(Self { promise, proof })
    }
}

/// A result of a drill.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The recovery point objective of a workload.
    Rpo(String),
    /// The recovery time objective of a workload.
    Rto(String),
    /// The longest outage of a workload.
    Outage(String),
    /// A finding that is to pass.
    Finding(String),
    /// A finding that is to be red, for the reason that the scenario states.
    Red(String),
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}\n  hint: {hint}", path.display())]
pub struct PromisesError {
    pub path: PathBuf,
    pub cause: String,
    pub hint: &'static str,
}

/// The promises of a file; those of the shipped scenarios without one.
///
/// # Errors
/// When it can't be read, or says something else than promises.
pub fn read(file: Option<&Path>) -> Result<Vec<System>, PromisesError> {
    let path = file.unwrap_or(Path::new("fixtures/promises.yaml"));
    let error = |cause: String| PromisesError {
        path: path.to_owned(),
        cause,
        hint: "docs/scenarios.md, \"A table of promises\", says what such a file holds",
    };
    let text = match file {
        None => SHIPPED.to_owned(),
        Some(file) => {
            let source = scenario::select::read_file(file);
            source.map_err(|problem| error(problem.message))?.text
        }
    };
    let options = serde_saphyr::options! { with_snippet: false };
    let systems = serde_saphyr::from_str_with_options(&text, options);
    systems.map_err(|cause| error(cause.to_string()))
}

/// What a run came to.
///
/// # Errors
/// When its `run.json` can't be read, or is of another schema.
pub fn run(dir: &Path) -> Result<RunSummary, PromisesError> {
    RunSummary::read(dir).map_err(|cause| PromisesError {
        path: dir.join(crate::report::write::RUN_JSON),
        cause,
        hint: "name the directory of a run that has ended; `pgdrill analyze RUN` judges one anew",
    })
}

#[cfg(test)]
mod tests;
