//! Options beside the command line: of the environment, and of a configuration file with profiles.
//!
//! What counts, in this order: the command line, the environment, the file's profile, the file's
//! `defaults`, pgdrill's own default. Only options are known here, by the names that the command line
//! gives them; what they mean is their commands' business.

mod file;

use std::{env, path::PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::{Cli, CommandResult, Failure};
use crate::{finding::Verdict, report::terminal, scenario::problem::Problems};

pub use file::{ConfigFile, Stated};

/// Names the file.
const FILE: &str = "PGDRILL_CONFIG";
/// Names the profile.
const PROFILE: &str = "PGDRILL_PROFILE";
/// The file of a project, and the one of a user, below the directory for configuration.
const OF_PROJECT: &str = "pgdrill.yaml";
const OF_USER: &str = "pgdrill/config.yaml";

/// Options that read a variable of their own, since it may hold a secret.
const OF_THEIR_OWN: [(&str, &str); 2] = [("run", "publish"), ("publish", "to")];

/// Show the options of every command with their values and where these come from
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The command line with the values of environment and file as defaults.
///
/// # Errors
/// When the file can't be read, or states what is no command, option or profile.
pub fn command(arguments: &[String]) -> Result<Command, Problems> {
    let mut command = Cli::command();
    // Programs in nodes are told all that they need by who starts them.
    let inner = command.get_subcommands().filter(|one| one.is_hide_set());
    let inner: Vec<&str> = inner.map(Command::get_name).collect();
    if arguments
        .first()
        .is_some_and(|first| inner.contains(&first.as_str()))
    {
        return Ok(command);
    }
    let stated = stated(arguments)?;
    let names: Vec<String> = commands(&command)
        .map(|one| one.get_name().to_owned())
        .collect();
    for name in names {
        let of_file = stated.clone();
        command = command.mut_subcommand(&name, |one| {
            let of = name.clone();
            one.mut_args(move |argument| with_values(&of, argument, &of_file))
        });
    }
    Ok(command)
}

/// What the file states, in the profile that is asked for.
fn stated(arguments: &[String]) -> Result<Vec<Stated>, Problems> {
    let of = |option: &str, variable: &str| {
        value_of(arguments, option).or_else(|| env::var(variable).ok())
    };
    let profile = of("--profile", PROFILE);
    let asked = of("--config", FILE).map(PathBuf::from);
    let Some(path) = asked.or_else(usual) else {
        return match profile {
            None => Ok(Vec::new()),
            Some(profile) => Err(file::without_file(&profile)),
        };
    };
    let file = ConfigFile::read(&path, &Cli::command())?;
    file.values(profile.as_deref())
}

/// The value of an option that is needed before the command line can be read as a whole.
fn value_of(arguments: &[String], option: &str) -> Option<String> {
    let mut all = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = all.next() {
        match argument.strip_prefix(option) {
            Some("") => return all.next().cloned(),
            Some(rest) if rest.starts_with('=') => return Some(rest[1..].to_owned()),
            _another => {}
        }
    }
    None
}

/// The file where one is looked for unasked.
fn usual() -> Option<PathBuf> {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let of_user = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    let places = [
        Some(PathBuf::from(OF_PROJECT)),
        of_user.map(|dir| dir.join(OF_USER)),
    ];
    places.into_iter().flatten().find(|place| place.is_file())
}

/// The commands that are shown to people.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|one| !one.is_hide_set() && one.get_name() != "help")
}

/// An option's variable: `PGDRILL_RUN_PG_BIN`; none of what is no option, or has one of its own.
fn variable(command: &str, argument: &Arg) -> Option<String> {
    let long = argument
        .get_long()
        .filter(|long| !["help", "version"].contains(long))?;
    let own = OF_THEIR_OWN.contains(&(command, long)) || argument.is_global_set();
    let name = format!("PGDRILL_{command}_{long}")
        .to_uppercase()
        .replace('-', "_");
    (!own).then_some(name)
}

fn with_values(command: &str, argument: Arg, stated: &[Stated]) -> Arg {
    let argument = match variable(command, &argument) {
        Some(name) => argument.env(name).hide_env_values(true),
        None => argument,
    };
    let own = stated.iter().find(|one| one.is_of(command, &argument));
    match own {
        None => argument,
        Some(own) if argument.get_action().takes_values() => {
            argument.default_values(own.values.clone()).required(false)
        }
        Some(own) => argument.default_value(own.values.concat()),
    }
}

/// Where a value comes from that the command line does not state; none: it is stated there.
pub fn origin(arguments: &[String], option: &str) -> Option<String> {
    let stated_there = |argument: &String| {
        argument
            .strip_prefix(option)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    if arguments.iter().any(stated_there) {
        return None;
    }
    let all = all(arguments).ok()?;
    let command = arguments
        .iter()
        .find(|one| all.iter().any(|known| known.command == **one))?;
    let own = all
        .into_iter()
        .find(|one| one.command == *command && one.option == option)?;
    (own.origin != OWN).then_some(own.origin)
}

/// Of a default that is pgdrill's own.
const OWN: &str = "default";

/// An option, what it is and why.
struct Effective {
    command: String,
    option: String,
    value: String,
    origin: String,
}

fn all(arguments: &[String]) -> Result<Vec<Effective>, Problems> {
    let (stated, command) = (stated(arguments)?, Cli::command());
    let of_command = |one: &Command| {
        let options = one
            .get_arguments()
            .filter(|argument| argument.get_long().is_some());
        let (name, stated) = (one.get_name().to_owned(), &stated);
        let effective = options.filter_map(|option| effective(&name, option, stated));
        effective.collect::<Vec<_>>()
    };
    Ok(commands(&command).flat_map(of_command).collect())
}

fn effective(command: &str, option: &Arg, stated: &[Stated]) -> Option<Effective> {
    let variable = variable(command, option)?;
    let of_file = stated.iter().find(|one| one.is_of(command, option));
    let (value, origin) = match (env::var(&variable), of_file) {
        (Ok(value), _) => (value, variable),
        (Err(_), Some(own)) => (own.values.join(","), own.origin.clone()),
        (Err(_), None) => {
            let values = option.get_default_values().iter();
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            let unset = match option.get_action() {
                ArgAction::SetTrue => "false",
                _ => "–",
            };
            let shown = if values.is_empty() {
                unset.to_owned()
            } else {
                values.join(",")
            };
            (shown, OWN.to_owned())
        }
    };
    Some(Effective {
        command: command.to_owned(),
        option: format!("--{}", option.get_long()?),
        value,
        origin,
    })
}

/// Prints them all.
pub fn run(_args: &Args, arguments: &[String]) -> CommandResult {
    let all = all(arguments).map_err(Failure::from)?;
    for one in all {
        let option = format!("{} {}", one.command, one.option);
        terminal::data(&format!("{option:<26} {:<24} {}", one.value, one.origin));
    }
    Ok(Verdict::Pass)
}
