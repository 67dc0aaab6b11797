//! What a CI job shows of a run: a summary in Markdown, and annotations.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use super::{CommandResult, Failure};
use crate::{
    finding::Verdict,
    report::{RunSummary, annotations, markdown, terminal},
};

/// GitHub Actions, and those who take its jobs, say so in the environment of a step.
const ACTIONS: &str = "GITHUB_ACTIONS";
/// They show on a job's page what its steps append to this file.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Where the summary goes, opened before anything is drilled.
#[derive(Debug)]
pub struct Summary(Option<(PathBuf, File)>);

impl Summary {
    /// The file that is stated, else the one that the job's environment names, if any.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn open(stated: Option<&Path>) -> Result<Self, Failure> {
        let of_job = std::env::var_os(STEP_SUMMARY).filter(|file| !file.is_empty());
        let file = stated.map(Path::to_owned);
        let Some(path) = file.or_else(|| of_job.map(PathBuf::from)) else {
            return Ok(Self(None));
        };
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let opened = opened.map_err(|cause| {
            let hint = "`--summary FILE` is a file that may be made, or appended to";
            Failure::BadInput(format!(
                "cannot write `{}`: {cause}\n  hint: {hint}",
                path.display()
            ))
        })?;
        Ok(Self(Some((path, opened))))
    }

    /// Tells the job what the run came to. A summary that can't be written makes it unknown at best.
    pub fn tell(self, run: &RunSummary, outcome: Verdict) -> CommandResult {
        if std::env::var_os(ACTIONS).is_some_and(|set| set == "true") {
            annotations::render(run)
                .iter()
                .for_each(|line| terminal::data(line));
        }
        let Some((path, mut file)) = self.0 else {
            return Ok(outcome);
        };
        match file.write_all(markdown::render(run).as_bytes()) {
            Ok(()) => Ok(outcome),
            Err(cause) => {
                terminal::say(&format!("cannot write `{}`: {cause}", path.display()));
                Ok(Verdict::worst([outcome, Verdict::Unknown]))
            }
        }
    }
}
