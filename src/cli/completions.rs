//! `pgdrill completions SHELL` and `pgdrill man DIR`: the command line, for shells and for `man`.

use std::{io, path::PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, CommandResult, Failure};
use crate::{finding::Verdict, report::terminal};

const PROGRAM: &str = "pgdrill";

/// Print what completes the command line in a shell
#[derive(Debug, clap::Args)]
pub struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> CommandResult {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), PROGRAM, &mut script);
        terminal::data(String::from_utf8_lossy(&script).trim_end());
        Ok(Verdict::Pass)
    }
}

/// Write the manual's pages into a directory, one a command
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The directory, e.g. `/usr/local/share/man/man1`
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub fn run(&self) -> CommandResult {
        let written = self.write();
        written.map_err(|cause| {
            let directory = self.directory.display();
            Failure::BadInput(format!(
                "cannot write the manual into `{directory}`: {cause}\n  hint: a directory that is there"
            ))
        })?;
        Ok(Verdict::Pass)
    }

    fn write(&self) -> io::Result<()> {
        clap_mangen::generate_to(Cli::command(), &self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Vec<String> {
        let command = Cli::command();
        let all = command.get_subcommands().filter(|one| !one.is_hide_set());
        all.map(|one| one.get_name().to_owned()).collect()
    }

    #[test]
    fn every_command_is_completed_in_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in shown() {
                assert!(script.contains(&command), "{shell}: {command}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page_and_a_directory_that_is_not_there_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let man = Man {
            directory: directory.path().to_owned(),
        };
        assert_eq!(man.run().unwrap(), Verdict::Pass);
        for command in shown() {
            let page = directory.path().join(format!("{PROGRAM}-{command}.1"));
            let page = std::fs::read_to_string(page).unwrap();
            assert!(page.contains(".TH pgdrill-"), "{page}");
        }
        let nowhere = Man {
            directory: directory.path().join("nowhere"),
        };
        assert!(matches!(nowhere.run(), Err(Failure::BadInput(_))));
    }
}
