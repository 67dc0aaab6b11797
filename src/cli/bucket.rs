//! `pgdrill bucket`: somebody's bucket, as the node that keeps a drill's stores mirrors it.

use std::path::PathBuf;

use super::{CommandResult, Failure, environment};
use crate::{
    bucket::{self, Access},
    finding::Verdict,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File with what it is reached with, JSON.
    access: PathBuf,
    /// The directory that is to hold what it does.
    #[arg(required_unless_present = "empty")]
    mirror: Option<PathBuf>,
    /// Delete everything below the prefix.
    #[arg(long, conflicts_with = "mirror")]
    empty: bool,
}

pub async fn run(args: Args) -> CommandResult {
    let file = args.access.display();
    let wrong = |cause: String| Failure::BadInput(format!("cannot read `{file}`: {cause}"));
    let text = tokio::fs::read(&args.access).await;
    let text = text.map_err(|cause| wrong(cause.to_string()))?;
    let access: Access = serde_json::from_slice(&text).map_err(|cause| wrong(cause.to_string()))?;
    let done = match args.mirror {
        Some(directory) => bucket::mirror(&access, &directory).await,
        None => bucket::empty(&access).await.map(drop),
    };
    done.map_err(environment)?;
    Ok(Verdict::Pass)
}
