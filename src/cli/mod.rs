//! The command line: clap types, one file a subcommand, exit codes.
//!
//! What a subcommand does lives in the library's other rooms; here it is only asked for.

mod analyze;
mod bucket;
mod buckets;
mod budget;
mod check;
mod clean;
mod completions;
mod config;
mod doctor;
mod images;
mod job;
mod list;
mod notify;
mod object_store;
mod people;
mod performable;
mod plan;
mod promises;
mod publish;
mod record;
mod run;
mod schema;
mod serve;
mod signals;
mod tools;

use std::path::{Path, PathBuf};

use clap::{FromArgMatches, Parser, Subcommand, error::ContextKind};

use crate::{
    bug,
    finding::Verdict,
    report::{terminal, write::REPORT_HTML},
    scenario::problem::{Problem, Problems},
};

/// Exit code of bad input: a scenario, an argument, an unknown name.
pub const BAD_INPUT: u8 = 64;
/// Exit code of a bug in pgdrill.
pub const BUG: u8 = 70;

/// Of each thread: as deep as the first one's usually is.
const STACK: usize = 8 << 20;

/// Continuous verification and drills for PostgreSQL backup and recovery.
#[derive(Debug, Parser)]
#[command(name = "pgdrill", version, arg_required_else_help = true)]
struct Cli {
    /// Configuration file. Default: PGDRILL_CONFIG of the environment, `pgdrill.yaml` here, or
    /// `pgdrill/config.yaml` below ~/.config
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Profile of the configuration file. Default: PGDRILL_PROFILE of the environment, if any
    #[arg(long, value_name = "NAME", global = true)]
    profile: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(analyze::Args),
    /// Check scenario files
    Check(check::Args),
    Clean(clean::Args),
    Completions(completions::Completions),
    Config(config::Args),
    Doctor(doctor::Args),
    Images(images::Args),
    /// List the scenarios there are
    List(list::Args),
    Man(completions::Man),
    #[command(hide = true)]
    ObjectStore(object_store::Args),
    #[command(hide = true)]
    Bucket(bucket::Args),
    /// Show what a scenario would do, in order
    Plan(plan::Args),
    Promises(promises::Args),
    Publish(publish::Args),
    Record(record::Args),
    /// Perform drills and judge them
    Run(run::Args),
    /// Print the JSON Schema of scenario files
    Schema(schema::Args),
    Serve(serve::Args),
}

/// Why a command could not do what was asked. The message is whole: place, cause, hint.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Bad input: exit code 64, nothing was created.
    #[error("{0}")]
    BadInput(String),
    /// The world refused (engine, disk, tool): the verdict is `unknown`, exit code 2.
    #[error("{0}")]
    Environment(String),
    /// A bug in pgdrill: exit code 70; what it touched is `unknown`.
    #[error("{0}")]
    Bug(String),
}

impl From<Problems> for Failure {
    /// The command line puts its own `error: ` before the first.
    fn from(problems: Problems) -> Self {
        let text = problems.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        Self::BadInput(text.to_owned())
    }
}

/// What a program that is started in a node finds in its file.
fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let read = std::fs::read(file).and_then(|text| Ok(serde_json::from_slice(&text)?));
    read.map_err(|cause| Failure::BadInput(format!("cannot read `{}`: {cause}", file.display())))
}

fn environment(error: impl std::fmt::Display) -> Failure {
    Failure::Environment(error.to_string())
}

pub type CommandResult = Result<Verdict, Failure>;

/// Parses the command line, does it, and returns the exit code.
pub fn main() -> u8 {
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    bug::watch(terminal::say);
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let runtime = threads.enable_all().thread_stack_size(STACK).build();
    let outcome = match runtime {
        Ok(runtime) => bug::caught(|| runtime.block_on(perform(cli.command))),
        Err(cause) => Ok(Err(Failure::Environment(format!(
            "cannot start the async runtime: {cause}"
        )))),
    };
    exit_code(outcome.unwrap_or_else(|bug| Err(Failure::Bug(bug))))
}

/// The command line, as texts.
fn arguments() -> Vec<String> {
    let all = std::env::args_os().skip(1);
    all.map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// The command line with what environment and configuration file state; else the exit code.
fn parsed() -> Result<Cli, u8> {
    let command = match config::command(&arguments()) {
        Ok(command) => command,
        Err(problems) => return Err(exit_code(Err(problems.into()))),
    };
    let parsed = command.try_get_matches();
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| usage(&error))
}

/// The outcome, unless pgdrill itself had a bug: what it came to is then in the report alone.
fn unless_a_bug(outcome: Verdict, dir: &Path) -> CommandResult {
    match bug::first() {
        None => Ok(outcome),
        Some(bug) => {
            let report = dir.join(REPORT_HTML).display().to_string();
            let hint = "please report it, with the run's directory";
            Err(Failure::Bug(format!(
                "{bug}\n  report: {report}\n  hint: {hint}"
            )))
        }
    }
}

async fn perform(command: Command) -> CommandResult {
    match command {
        Command::Analyze(args) => analyze::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Clean(args) => clean::run(args).await,
        Command::Completions(args) => args.run(),
        Command::Config(args) => config::run(&args, &arguments()),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Images(args) => images::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Man(args) => args.run(),
        Command::Bucket(args) => bucket::run(args).await,
        Command::ObjectStore(args) => object_store::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Promises(args) => promises::run(args).await,
        Command::Publish(args) => publish::run(args).await,
        Command::Record(args) => record::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Schema(args) => schema::run(args).await,
        Command::Serve(args) => serve::run(args).await,
    }
}

/// Shows a person what can be performed, but not as it was meant.
fn warn(warnings: &[Problem]) {
    for warning in warnings {
        terminal::show(&format!("{warning}\n"));
    }
}

fn usage(error: &clap::Error) -> u8 {
    if error.use_stderr() {
        terminal::show(&error.render().ansi().to_string());
        if let Some(origin) = origin(error) {
            terminal::show(&format!("stated by {origin}"));
        }
        return BAD_INPUT;
    }
    terminal::data(&error.render().ansi().to_string());
    0
}

/// Where a wrong value comes from that does not stand on the command line.
fn origin(error: &clap::Error) -> Option<String> {
    let wrong = error.get(ContextKind::InvalidArg)?.to_string();
    config::origin(&arguments(), wrong.split(' ').next()?)
}

fn exit_code(outcome: CommandResult) -> u8 {
    match outcome {
        Ok(Verdict::Pass) => 0,
        Ok(Verdict::Fail) => 1,
        Ok(Verdict::Unknown) => 2,
        Err(failure @ Failure::Environment(_)) => {
            terminal::say(&format!("error: {failure}"));
            2
        }
        Err(failure) => {
            terminal::show(&format!("error: {failure}"));
            match failure {
                Failure::Bug(_) => BUG,
                _bad_input => BAD_INPUT,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_with_and_without_configured_values() {
        Cli::command().debug_assert();
        config::command(&[]).unwrap().debug_assert();
    }
}
