//! What came of a command: its output as it comes, how it ended, and whether that is a
//! failure.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::Exec;
use crate::{
    event::{CommandRecord, EventKind},
    history::Recorder,
    runtime::RuntimeError,
    units::Time,
};

/// Lines of output kept in events and errors.
const TAIL: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code; 128 + signal when killed.
    pub exit: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn tail(stream: &[u8], count: usize) -> String {
        let text = String::from_utf8_lossy(stream);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// A command that failed, with all one needs to understand it.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.message())]
pub struct CommandFailed {
    pub node: String,
    pub command: String,
    /// Exit code; 128 + signal when killed; -1 when it did not start.
    pub exit: i32,
    /// The deadline, when that is what ended it.
    pub timed_out: Option<Duration>,
    /// The last lines of its output, error stream last.
    pub tail: String,
}

impl CommandFailed {
    /// The line that tells most, where there is room for one only: one that says the disk is
    /// full, since a tool made of several processes goes on to say what else ended of that;
    /// else the last that speaks of an error, else the last.
    fn why(&self) -> Option<&str> {
        let lines = || self.tail.lines().rev();
        let says = |word: &str| lines().find(|line| line.contains(word));
        let error = || lines().find(|line| ["error:", "FATAL:"].iter().any(|e| line.contains(e)));
        says("No space left on device")
            .or_else(error)
            .or_else(|| lines().next())
    }

    fn message(&self) -> String {
        let how = match self.timed_out {
            Some(deadline) => format!("was killed at its deadline of {}", Time(deadline)),
            None => format!("exited with {}", self.exit),
        };
        let mut text = format!("command on `{}` {how}", self.node);
        if let Some(why) = self.why() {
            text.push_str(&format!(": {why}"));
        }
        text.push_str(&format!("\n  $ {}", self.command));
        for line in self.tail.lines() {
            text.push_str("\n  | ");
            text.push_str(line);
        }
        text
    }
}

/// How a command ended, before it is judged.
#[derive(Debug)]
pub(in crate::runtime) struct Ended {
    pub exit: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub timed_out: bool,
}

impl Ended {
    /// It did not even start.
    pub fn not_started(why: String) -> Self {
        Self {
            exit: -1,
            stdout: Vec::new(),
            stderr: why.into_bytes(),
            timed_out: false,
        }
    }
}

/// Where a command ran, for the runbook and for errors.
pub(in crate::runtime) struct Place<'a> {
    pub node: &'a str,
    pub user: &'a str,
    pub recorder: &'a Recorder,
}

impl Place<'_> {
    /// Records a command that ended, and judges it by what it allows.
    pub fn conclude(
        &self,
        exec: &Exec,
        ended: Ended,
        took: Duration,
    ) -> Result<Output, RuntimeError> {
        if exec.recorded {
            self.record(exec, &ended, took);
        }
        let good = ended.exit == 0 || exec.allowed.contains(&ended.exit);
        if ended.timed_out || !good {
            return Err(self.failed(exec, &ended).into());
        }
        Ok(Output {
            exit: ended.exit,
            stdout: ended.stdout,
            stderr: ended.stderr,
            took,
        })
    }

    fn record(&self, exec: &Exec, ended: &Ended, took: Duration) {
        self.recorder.record(EventKind::Command(CommandRecord {
            node: self.node.to_owned(),
            user: self.user.to_owned(),
            command: exec.command_line(),
            exit: ended.exit,
            took_us: took.as_micros() as u64,
            stdout: Output::tail(&ended.stdout, TAIL),
            stderr: Output::tail(&ended.stderr, TAIL),
        }));
    }

    fn failed(&self, exec: &Exec, ended: &Ended) -> CommandFailed {
        let tails = [&ended.stdout, &ended.stderr].map(|stream| Output::tail(stream, TAIL));
        let tails: Vec<String> = tails.into_iter().filter(|tail| !tail.is_empty()).collect();
        CommandFailed {
            node: self.node.to_owned(),
            command: exec.command_line(),
            exit: ended.exit,
            timed_out: ended.timed_out.then_some(exec.deadline),
            tail: tails.join("\n"),
        }
    }
}

/// Of a command's output, and of a file of a node, so many bytes are held in memory at most.
pub const MOST: usize = 64 << 20;

/// Keeps output as it comes; of more than [`MOST`] bytes the newest.
pub(in crate::runtime) fn keep(kept: &mut Vec<u8>, chunk: &[u8]) {
    if kept.len() + chunk.len() > MOST {
        // Half of it, so that a stream without an end is not moved with every chunk.
        kept.drain(..kept.len().saturating_sub(MOST / 2));
    }
    kept.extend_from_slice(chunk);
}

/// Hands on output line by line as it comes.
pub(in crate::runtime) struct Lines {
    partial: Vec<u8>,
    receiver: Option<UnboundedSender<String>>,
}

impl Lines {
    pub fn new(receiver: Option<UnboundedSender<String>>) -> Self {
        Self {
            partial: Vec::new(),
            receiver,
        }
    }

    pub fn push(&mut self, chunk: &[u8]) {
        if self.receiver.is_none() {
            return;
        }
        // Progress meters end their lines with a carriage return.
        for part in chunk.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || part.ends_with(b"\r") {
                self.send();
            }
        }
    }

    fn send(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        self.partial.clear();
        if let (Some(receiver), false) = (&self.receiver, line.is_empty()) {
            // A listener that has gone away must not stop a command.
            let _ = receiver.send(line);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.send();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_shows_its_line_code_and_last_lines() {
        let failed = CommandFailed {
            node: "primary".into(),
            command: "pg_ctl start".into(),
            exit: 1,
            timed_out: None,
            tail: "FATAL: no".into(),
        };
        insta::assert_snapshot!(failed, @"
        command on `primary` exited with 1: FATAL: no
          $ pg_ctl start
          | FATAL: no
        ");
    }

    #[test]
    fn a_full_disk_is_what_is_told_of_a_command_that_says_more() {
        let failed = CommandFailed {
            node: "primary".into(),
            command: "pg_basebackup".into(),
            exit: 1,
            timed_out: None,
            tail: "error: could not write \"1259\": No space left on device\n\
                   error: background process terminated unexpectedly"
                .into(),
        };
        let why = failed.why().unwrap();
        assert!(why.ends_with("No space left on device"), "{why}");
    }

    #[test]
    fn of_endless_output_the_newest_is_kept() {
        let mut kept = Vec::new();
        for number in 0..70 {
            keep(&mut kept, &vec![number; 1 << 20]);
            assert!(kept.len() <= MOST);
        }
        assert!(kept.len() >= MOST / 2);
        assert_eq!(kept.last(), Some(&69));
    }

    #[test]
    fn lines_are_handed_on_whole_and_the_last_one_too() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut lines = Lines::new(Some(sender));
        lines.push(b"on");
        lines.push(b"e\r\ntwo\rthree\nfo");
        drop(lines);
        let mut got = Vec::new();
        while let Ok(line) = receiver.try_recv() {
            got.push(line);
        }
        assert_eq!(got, ["one", "two", "three", "fo"]);
    }
}
