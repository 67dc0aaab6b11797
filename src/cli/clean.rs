//! `pgdrill clean`: removes what dead runs left.

use std::path::PathBuf;

use super::{CommandResult, environment};
use crate::{
    finding::Verdict,
    report::terminal,
    runtime::{docker::engine::Engine, leftover, run::Life},
};

/// Remove what dead runs left: containers, volumes, networks, directories, processes.
/// What a live run uses is never touched.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also what belongs to runs of another machine or container, whose life can't be
    /// told from here.
    #[arg(long)]
    all: bool,
    /// Where runs keep their reports and inventories.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// A further directory in which runs had their private directories.
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

pub async fn run(args: Args) -> CommandResult {
    let engine = Engine::find().await;
    let engine = engine.inspect_err(|error| terminal::say(&format!("this machine only: {error}")));
    let engine = engine.ok();
    let parents = leftover::parents(&args.reports, args.local_dir.as_deref());
    let found = leftover::find(&parents, engine.as_ref()).await;
    let found = found.map_err(environment)?;
    let reaped = leftover::remove(&found, args.all).await;
    for removed in &reaped.removed {
        terminal::say(&format!("removed {removed}"));
    }
    say_kept(&found, args.all);
    match reaped.failures.is_empty() {
        true => Ok(Verdict::Pass),
        false => Err(environment(format!(
            "not everything could be removed\n  {}",
            reaped.failures.join("\n  ")
        ))),
    }
}

fn say_kept(found: &[leftover::Leftover], all: bool) {
    for leftover in found {
        let what = leftover.describe();
        match leftover.life {
            Life::Live => terminal::say(&format!("kept {what}: the run lives")),
            Life::Unknown if !all => terminal::say(&format!(
                "kept {what}: whether the run lives can't be told from here (`--all` removes it)"
            )),
            Life::Unknown | Life::Dead => {}
        }
    }
    if found.is_empty() {
        terminal::say("nothing is left of any run");
    }
}
