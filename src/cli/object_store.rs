//! `pgdrill object-store`: the store that speaks S3, as drills start it in a node of theirs.

use std::path::PathBuf;

use super::{CommandResult, environment, read_json};
use crate::{
    finding::Verdict,
    object_store::{self, Settings},
    report::terminal,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File with what it is started with, JSON.
    settings: PathBuf,
    /// Ask one that serves already for so many bytes.
    #[arg(long, value_name = "BYTES")]
    ask: Option<u64>,
}

pub async fn run(args: Args) -> CommandResult {
    let settings: Settings = read_json(&args.settings)?;
    if let Some(bytes) = args.ask {
        let answer = object_store::ask(&settings, bytes).await;
        terminal::data(&serde_json::to_string(&answer).unwrap_or_default());
        return Ok(Verdict::Pass);
    }
    match object_store::serve(settings).await.map_err(environment)? {}
}
