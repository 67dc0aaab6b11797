//! `pgdrill promises RUN…`: the table of what is promised and what was measured.

use std::path::PathBuf;

use super::{CommandResult, Failure};
use crate::{
    promises::{self, PromisesError},
    report::terminal,
};

/// Print a table of what a backup system promises beside what runs measured, in Markdown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The runs' directories; of each runtime and version the last drill of a scenario counts.
    #[arg(default_value = "reports/latest", value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// A file of your own promises. Default: those of the shipped scenarios
    #[arg(long, value_name = "FILE")]
    of: Option<PathBuf>,
}

/// A promise that was not kept is exit code 1, one that nothing put to the test 2.
pub async fn run(args: Args) -> CommandResult {
    let refused = |error: PromisesError| Failure::BadInput(error.to_string());
    let systems = promises::read(args.of.as_deref()).map_err(refused)?;
    let runs: Result<Vec<_>, _> = args.runs.iter().map(|dir| promises::run(dir)).collect();
    let table = promises::table(&systems, &runs.map_err(refused)?);
    terminal::data(&table.markdown);
    terminal::say(&table.summary);
    Ok(table.verdict)
}
