//! `pgdrill images`: the images that nodes of the `docker` runtime run.

use clap::Subcommand;

use super::{CommandResult, Failure, environment};
use crate::{
    finding::Verdict,
    report::terminal,
    runtime::{
        RuntimeError,
        docker::{
            engine::Engine,
            images::{self, Row},
        },
    },
    units::Bytes,
};

/// Build and list the images that drills run in.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build what is missing; a missing base image is pulled, or bootstrapped.
    Build {
        /// Only this major version of PostgreSQL (repeatable).
        #[arg(long, value_name = "MAJOR")]
        postgres: Vec<u32>,
    },
    /// List the supported versions and their images.
    List,
}

pub async fn run(args: Args) -> CommandResult {
    match args.command {
        Command::Build { postgres } => {
            let rows = wanted(&postgres)?;
            build(&rows).await
        }
        Command::List => list().await,
    }
    .map(|()| Verdict::Pass)
    .map_err(environment)
}

fn wanted(postgres: &[u32]) -> Result<Vec<Row>, Failure> {
    if postgres.is_empty() {
        return Ok(images::matrix());
    }
    let rows = postgres.iter().map(|major| images::row(*major));
    rows.collect::<Result<_, _>>()
        .map_err(|error| Failure::BadInput(error.to_string()))
}

async fn build(rows: &[Row]) -> Result<(), RuntimeError> {
    let engine = Engine::find().await?;
    for row in rows {
        images::ensure(&engine, row, &terminal::say).await?;
        terminal::data(&row.tag());
    }
    Ok(())
}

async fn list() -> Result<(), RuntimeError> {
    let engine = Engine::find().await?;
    for row in images::matrix() {
        let there = match images::find(&engine, &row.tag()).await? {
            Some(image) => Bytes(image.bytes).to_string(),
            None => "missing".to_owned(),
        };
        let Row { postgres, base, .. } = &row;
        let tag = row.tag();
        terminal::data(&format!("{postgres:<4} {tag:<32} {there:<10} {base}"));
    }
    for tag in images::outdated(&engine).await? {
        terminal::data(&format!("     {tag:<32} of another version of pgdrill"));
    }
    Ok(())
}
