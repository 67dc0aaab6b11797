//! `pgdrill schema`: the JSON Schema of scenario files, for editors.

use super::CommandResult;
use crate::{finding::Verdict, report::terminal, scenario::schema};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which files' schema.
    #[arg(value_enum, default_value = "scenario")]
    of: Of,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Of {
    /// Scenario files.
    Scenario,
    /// Strategy files.
    Strategy,
    /// Manifests of data models.
    Model,
}

pub async fn run(args: Args) -> CommandResult {
    let schema = match args.of {
        Of::Scenario => schema::scenario(),
        Of::Strategy => schema::strategy(),
        Of::Model => schema::model(),
    };
    terminal::data(&format!("{schema:#}"));
    Ok(Verdict::Pass)
}
