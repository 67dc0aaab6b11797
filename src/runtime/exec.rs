//! One command in a node: what to execute; what came of it is `exec/outcome`.

mod outcome;

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

pub use outcome::{CommandFailed, MOST, Output};
pub(super) use outcome::{Ended, Lines, Place, keep};

/// A command at its deadline is asked to end, and killed so much later.
pub const GRACE: Duration = Duration::from_secs(2);

/// Environment of every command in a node: programs of GNU gettext, PostgreSQL's among them, find
/// no translation, whatever `lc_messages` a server or a role has: what they say is read.
pub const UNTRANSLATED: (&str, &str) = ("LANGUAGE", "C");

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunAs {
    /// The node's unprivileged user, who owns the server.
    #[default]
    Postgres,
    /// The node's administrator (on `local`: the same unprivileged user).
    Root,
}

#[derive(Clone, Debug)]
pub struct Exec {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub stdin: Vec<u8>,
    pub run_as: RunAs,
    /// It is killed after this long.
    pub deadline: Duration,
    /// Exit codes that are no failure; 0 always is none.
    pub allowed: Vec<i32>,
    /// Whether it is part of the runbook (recorded as an event).
    pub recorded: bool,
    /// Receives each line of output (standard output and error) as it comes.
    pub lines: Option<UnboundedSender<String>>,
}

impl Exec {
    /// A recorded command, as the unprivileged user, with a deadline of 10 minutes.
    pub fn new<I, S>(argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            stdin: Vec::new(),
            run_as: RunAs::default(),
            deadline: Duration::from_secs(600),
            allowed: Vec::new(),
            recorded: true,
            lines: None,
        }
    }

    /// A recorded shell command (`sh -c`).
    pub fn shell(command: impl Into<String>) -> Self {
        Self::new(["sh".to_owned(), "-c".to_owned(), command.into()])
    }

    /// Not part of the runbook: the harness's own looking and polling.
    #[must_use]
    pub fn unrecorded(mut self) -> Self {
        self.recorded = false;
        self
    }

    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn envs(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env.extend(variables);
        self
    }

    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = input.into();
        self
    }

    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.run_as = RunAs::Root;
        self
    }

    /// This exit code is no failure either.
    #[must_use]
    pub fn allow(mut self, code: i32) -> Self {
        self.allowed.push(code);
        self
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.argv.push(argument.into());
        self
    }

    pub(super) fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// The command line as one would type it into a shell; `sh -c X` is shown as X.
    pub fn command_line(&self) -> String {
        match self.argv.as_slice() {
            [sh, c, command] if sh == "sh" && c == "-c" => command.clone(),
            words => words
                .iter()
                .map(|word| quoted(word))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// A word as the shell takes it for one.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_pasted_into_a_shell() {
        let exec = Exec::new(["psql", "-c", "select 'x'"]);
        assert_eq!(exec.command_line(), r"psql -c 'select '\''x'\'''");
        assert_eq!(Exec::shell("a | b").command_line(), "a | b");
    }
}
