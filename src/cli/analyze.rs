//! `pgdrill analyze RUN`: judges an old run again and rewrites its reports. Needs no
//! runtime, only the run's directory.

use std::path::{Path, PathBuf};

use super::{CommandResult, Failure, environment, job::Summary};
use crate::{
    history::{self, HistoryError, files, planned},
    report::{DRILLS, terminal, write_run},
};

/// Judge a run again from its files and rewrite its reports.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's directory, e.g. `reports/latest`.
    #[arg(default_value = "reports/latest")]
    run: PathBuf,
    /// Append the summary in Markdown to this file, for the page of a CI job. Default:
    /// GITHUB_STEP_SUMMARY of the environment, if any
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// Judges, writes and tells; the exit code goes by the worst outcome.
pub async fn run(args: Args) -> CommandResult {
    if !args.run.join(DRILLS).is_dir() {
        let message = format!(
            "{} is not the directory of a run: it has no `{DRILLS}/`\n  \
             hint: `pgdrill run` makes one; `reports/latest` is then the newest",
            args.run.display()
        );
        return Err(Failure::BadInput(message));
    }
    readable(&args.run).map_err(|error| {
        let hint =
            "only a whole run is judged, by the pgdrill that performed it or one of its format";
        Failure::BadInput(format!("{error}\n  hint: {hint}"))
    })?;
    let job = Summary::open(args.summary.as_deref())?;
    let summary = write_run(&args.run).map_err(environment)?;
    terminal::summary(&summary, &args.run);
    job.tell(&summary, super::unless_a_bug(summary.outcome, &args.run)?)
}

/// The reports of a run that can't be judged here are left as they are.
fn readable(run: &Path) -> Result<(), HistoryError> {
    for history in std::fs::read_dir(run.join(DRILLS)).into_iter().flatten() {
        let Ok(drill) = history else { continue };
        let history = drill.path().join(files::HISTORY);
        if history.is_file() {
            history::check_format(&history)?;
        }
    }
    planned::read(run).map(|_| ())
}
