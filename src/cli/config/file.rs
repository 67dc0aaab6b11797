//! The configuration file: options of commands, for all runs and by profiles.

use std::{path::Path, sync::Arc};

use clap::{Arg, Command};

use super::commands;
use crate::scenario::{
    problem::{Problem, Problems},
    select,
    yaml::{self, Key, Node, Value},
};

const DEFAULTS: &str = "defaults";
const PROFILES: &str = "profiles";

/// An option that the file states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    command: String,
    option: String,
    pub values: Vec<String>,
    /// `pgdrill.yaml:3`
    pub origin: String,
}

impl Stated {
    pub fn is_of(&self, command: &str, argument: &Arg) -> bool {
        self.command == command && argument.get_long() == Some(&self.option)
    }
}

/// A file that was read, and found to be sound.
#[derive(Debug)]
pub struct ConfigFile {
    path: String,
    defaults: Vec<Stated>,
    profiles: Vec<(String, Vec<Stated>)>,
}

/// A profile is asked for, and there is no file.
pub fn without_file(profile: &str) -> Problems {
    let problem = Problem::nowhere(format!(
        "there is no profile `{profile}`: no configuration file"
    ));
    Problems(vec![
        problem.help("`--config FILE`, or `pgdrill.yaml` here"),
    ])
}

impl ConfigFile {
    /// Reads it; every command and option in it must be one of the command line's.
    ///
    /// # Errors
    /// All that is wrong, each with its place.
    pub fn read(path: &Path, command: &Command) -> Result<Self, Problems> {
        let source = select::read_file(path).map_err(|problem| Problems(vec![problem]))?;
        let source = Arc::new(source);
        let mut problems = Vec::new();
        let placed = |problem: Problem| Problem {
            source: Some(source.clone()),
            ..problem
        };
        let root = yaml::parse(&source.text).map_err(|problem| Problems(vec![placed(problem)]))?;
        let mut reading = Reading {
            path: &source.path,
            command,
            problems: &mut problems,
        };
        let (mut defaults, mut profiles) = (Vec::new(), Vec::new());
        for (key, node) in reading.map(&root, "a map of `defaults` and `profiles`") {
            match key.text.as_str() {
                DEFAULTS => defaults = reading.options(node),
                PROFILES => {
                    for (name, node) in reading.map(node, "profiles by their names") {
                        profiles.push((name.text.clone(), reading.options(node)));
                    }
                }
                _other => reading.unknown("key", key, &[DEFAULTS, PROFILES]),
            }
        }
        let problems = problems.into_iter().map(placed).collect();
        let path = source.path.clone();
        Problems::unless(
            problems,
            Self {
                path,
                defaults,
                profiles,
            },
        )
    }

    /// What counts: the profile's before the defaults.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn values(self, profile: Option<&str>) -> Result<Vec<Stated>, Problems> {
        let Some(asked) = profile else {
            return Ok(self.defaults);
        };
        let names: Vec<&str> = self
            .profiles
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let found = self.profiles.iter().find(|(name, _)| name == asked);
        let (_, own) = found.ok_or_else(|| {
            let what = format!("profile of {}", self.path);
            Problems(vec![Problem::unknown(&what, asked, names)])
        })?;
        Ok(own.iter().cloned().chain(self.defaults).collect())
    }
}

struct Reading<'r> {
    path: &'r str,
    command: &'r Command,
    problems: &'r mut Vec<Problem>,
}

impl Reading<'_> {
    /// The entries of a map; of something else, that it is none.
    fn map<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _other => {
                let problem = Problem::at(node.place, "this is no map");
                self.problems.push(problem.expected(expected));
                &[]
            }
        }
    }

    fn unknown(&mut self, what: &str, key: &Key, known: &[&str]) {
        let problem = Problem::unknown(what, &key.text, known);
        self.problems.push(problem.placed(key.place));
    }

    /// The options of commands: `run: { jobs: 2 }`.
    fn options(&mut self, node: &Node) -> Vec<Stated> {
        let mut all = Vec::new();
        for (name, options) in self.map(node, "commands with their options") {
            let command = commands(self.command).find(|one| one.get_name() == name.text);
            let Some(command) = command else {
                let known: Vec<&str> = commands(self.command).map(Command::get_name).collect();
                self.unknown("command", name, &known);
                continue;
            };
            for (option, value) in self.map(options, "options with their values") {
                all.extend(self.option(command, option, value));
            }
        }
        all
    }

    fn option(&mut self, command: &Command, option: &Key, value: &Node) -> Option<Stated> {
        let arguments = command.get_arguments().filter(|one| !one.is_global_set());
        let longs: Vec<&str> = arguments
            .filter_map(Arg::get_long)
            .filter(|long| *long != "help")
            .collect();
        if !longs.contains(&option.text.as_str()) {
            self.unknown(
                &format!("option of `{}`", command.get_name()),
                option,
                &longs,
            );
            return None;
        }
        let values = match &value.value {
            Value::List(items) => items.iter().map(scalar).collect(),
            _one => scalar(value).map(|value| vec![value]),
        };
        if values.is_none() {
            let problem = Problem::at(value.place, format!("`{}` cannot be this", option.text));
            self.problems
                .push(problem.expected("a value, or a list of values"));
        }
        Some(Stated {
            command: command.get_name().to_owned(),
            option: option.text.clone(),
            values: values?,
            origin: format!("{}:{}", self.path, option.place.line),
        })
    }
}

/// As the command line would have it.
fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Text(value) => Some(value.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn read(text: &str) -> Result<ConfigFile, Problems> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pgdrill.yaml");
        std::fs::write(&file, text).unwrap();
        let mut read = ConfigFile::read(&file, &Cli::command());
        if let Err(problems) = &mut read {
            for problem in &mut problems.0 {
                problem.source = None;
            }
        }
        read
    }

    #[test]
    fn a_profile_counts_before_the_defaults() {
        let text = "defaults:\n  run: { jobs: 2, postgres: [15, 17] }\n\
                    profiles:\n  quarterly:\n    run:\n      jobs: 1\n  empty:\n";
        let values = |profile| {
            let values = read(text).unwrap().values(profile).unwrap().into_iter();
            let told = values.map(|one| {
                let line = one.origin.rsplit(':').next().unwrap_or_default().to_owned();
                format!(
                    "{} {} = {} ({line})",
                    one.command,
                    one.option,
                    one.values.join(",")
                )
            });
            told.collect::<Vec<_>>()
        };
        let defaults = ["run jobs = 2 (2)", "run postgres = 15,17 (2)"];
        assert_eq!(values(None), defaults);
        assert_eq!(values(Some("empty")), defaults);
        let first = [&["run jobs = 1 (6)"], &defaults[..]].concat();
        assert_eq!(values(Some("quarterly")), first);
        let unknown = read(text).unwrap().values(Some("quartely")).unwrap_err();
        let told = unknown.to_string();
        assert!(told.contains("did you mean `quarterly`?"), "{told}");
    }

    #[test]
    fn what_is_no_option_is_refused_at_its_place() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        let all =
            "default: {}\ndefaults:\n  runs: {}\n  run: { job: 2, jobs: { a: 1 }, config: x }\n";
        let all = told(all);
        for mark in [
            "unknown key `default`",
            "unknown command `runs`",
            "unknown option of `run` `job`",
            "did you mean `jobs`?",
            "`jobs` cannot be this",
            "unknown option of `run` `config`",
        ] {
            assert!(all.contains(mark), "{mark}: {all}");
        }
        assert!(told("defaults: [run]\n").contains("this is no map"));
        assert!(told("defaults: {\n").contains("error"));
    }
}
