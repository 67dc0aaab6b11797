//! `pgdrill doctor`: what there is to drill with, and a hint for each thing missing.

use std::path::PathBuf;

use super::{CommandResult, environment};
use crate::{
    finding::Verdict,
    report::terminal::{self, fold},
    runtime::{
        RuntimeError,
        docker::{engine::Engine, images},
        leftover,
        local::{self, installation},
        run::Life,
    },
    units::Bytes,
};

/// Look at what there is to drill with: engine, images, PostgreSQL, space, leftovers.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of PostgreSQL's programs, in place of what is found.
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
    /// Parent of a run's private directory on `local`; else TMPDIR, else `/tmp`.
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
    /// Where runs keep their reports and inventories.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
}

/// Does it: pass when at least one runtime can serve.
pub async fn run(args: Args) -> CommandResult {
    examine(&args).await.map_err(environment)
}

async fn examine(args: &Args) -> Result<Verdict, RuntimeError> {
    let engine = Engine::find().await;
    let engine = engine.inspect_err(|error| line("engine", &error.to_string()));
    let engine = engine.ok();
    let docker = match &engine {
        Some(engine) => docker(engine).await?,
        None => false,
    };
    let local = local(args);
    space(args);
    leftovers(args, engine.as_ref()).await?;
    Ok(verdict(docker, local))
}

fn line(what: &str, text: &str) {
    let text = text.replace('\n', "\n           ");
    terminal::data(&fold(&format!("{what:<10} {text}"), Some(15)));
}

/// Whether it can serve: an engine answers and has at least one image.
async fn docker(engine: &Engine) -> Result<bool, RuntimeError> {
    let info = engine.info().await?;
    line(
        "engine",
        &format!("{engine}, API {}, storage driver {}", info.api, info.driver),
    );
    if !engine.is_local() {
        let hint = "its containers' ports are published on its own loopback interface";
        line("engine", &format!("hint: it is another machine; {hint}"));
    }
    if engine.is_local() {
        line("space", &space_of(&PathBuf::from(&info.root)));
    }
    let mut serves = false;
    for row in images::matrix() {
        let text = match images::find(engine, &row.tag()).await? {
            Some(image) => {
                serves = true;
                format!("{}, {}", row.tag(), Bytes(image.bytes))
            }
            None => images::missing(&row).to_string(),
        };
        line("image", &format!("PostgreSQL {}: {text}", row.postgres));
    }
    Ok(serves)
}

/// Whether it can serve: a version is installed.
fn local(args: &Args) -> bool {
    let found = installation::find(args.pg_bin.as_deref());
    for installation in found.iter().flatten() {
        let bin = installation.bin.display();
        line(
            "local",
            &format!("PostgreSQL {} in {bin}", installation.version),
        );
    }
    if let Err(error) = &found {
        line("local", &error.to_string());
    }
    for (name, told) in super::tools::of_this_machine() {
        line("tool", &format!("{name}: {told}"));
    }
    line("user", &format!("servers run as `{}`", local::user_name()));
    found.is_ok()
}

fn space(args: &Args) {
    let dir = args.local_dir.clone().unwrap_or_else(std::env::temp_dir);
    line("space", &space_of(&dir));
}

fn space_of(dir: &std::path::Path) -> String {
    match local::free_space(dir) {
        Ok(bytes) => format!("{} free in {}", Bytes(bytes), dir.display()),
        Err(error) => error.to_string(),
    }
}

async fn leftovers(args: &Args, engine: Option<&Engine>) -> Result<(), RuntimeError> {
    let parents = leftover::parents(&args.reports, args.local_dir.as_deref());
    for found in leftover::find(&parents, engine).await? {
        let what = found.describe();
        match found.life {
            Life::Live => line("run", &format!("{what}: it lives")),
            Life::Dead => line("leftover", &format!("{what}\n  hint: `pgdrill clean`")),
            Life::Unknown => line(
                "leftover",
                &format!("{what}, perhaps in use\n  hint: `pgdrill clean --all`"),
            ),
        }
    }
    Ok(())
}

fn verdict(docker: bool, local: bool) -> Verdict {
    let serving: Vec<&str> = [("docker", docker), ("local", local)]
        .iter()
        .filter(|(_, serves)| *serves)
        .map(|(name, _)| *name)
        .collect();
    if serving.is_empty() {
        line("verdict", "fail: no runtime can serve");
        return Verdict::Fail;
    }
    line(
        "verdict",
        &format!("pass: {} can serve", serving.join(" and ")),
    );
    Verdict::Pass
}
