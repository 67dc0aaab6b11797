//! `pgdrill bucket`: somebody's bucket, as the node that keeps a drill's stores mirrors it.

use std::path::PathBuf;

use super::{CommandResult, environment, read_json};
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
    let access: Access = read_json(&args.access)?;
    let done = match args.mirror {
        Some(directory) => bucket::mirror(&access, &directory).await,
        None => bucket::empty(&access).await.map(drop),
    };
    done.map_err(environment)?;
    Ok(Verdict::Pass)
}
