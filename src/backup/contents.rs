//! What lies in a directory that is to be a backup, as its own files tell it, plain or in tars.
//! Whether that is a backup is for `judge` to say.

use std::collections::BTreeMap;

use super::{BackupError, chain::Start, data_directory::TARS};
use crate::{
    postgres::lsn,
    runtime::{Exec, Node},
};

/// Prints what a directory holds: facts, a line each.
const READ: &str = include_str!("contents/read.sh");

mod judge;
#[cfg(test)]
mod tests;

pub use judge::Found;

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    entries: u64,
    control: Option<BTreeMap<String, String>>,
    label: Option<BTreeMap<String, String>>,
    spaces: BTreeMap<u32, Space>,
    mapped: Vec<u32>,
}

/// An entry of `pg_tblspc`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Space {
    /// Whether its files lie in the backup storage.
    stored: bool,
    /// Whether there are files of a tablespace.
    filled: bool,
    /// Where it is.
    place: String,
}

impl Contents {
    /// Reads a directory of a store.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn read(node: &Node, store: &str, directory: &str) -> Result<Self, BackupError> {
        let exec = Exec::new(["sh", "-s"])
            .stdin([TARS, READ].concat())
            .env("DIRECTORY", directory)
            .env("STORE", store)
            .env("CONTROLDATA", node.layout().program("pg_controldata"))
            .unrecorded();
        Ok(Self::parse(&node.exec(exec).await?.text()))
    }

    fn parse(text: &str) -> Self {
        let mut contents = Self::default();
        for line in text.lines() {
            contents.take(line);
        }
        contents
    }

    fn take(&mut self, line: &str) {
        let Some((what, rest)) = line.split_once(' ') else {
            return;
        };
        let (name, value) = rest.split_once(": ").unwrap_or((rest, ""));
        let pair = (name.trim().to_owned(), value.trim().to_owned());
        match what {
            "entries" => self.entries = rest.trim().parse().unwrap_or_default(),
            "control" => self.control.get_or_insert_default().extend([pair]),
            "label" => self.label.get_or_insert_default().extend([pair]),
            "map" => self.mapped.extend(
                rest.split(' ')
                    .next()
                    .and_then(|oid| oid.parse::<u32>().ok()),
            ),
            "space" => self.spaces.extend(space(rest)),
            _other => {}
        }
    }

    /// Where the backup begins that it builds on, as its label says; none of a full one.
    fn builds_on(&self) -> Option<Start> {
        let label = self.label.as_ref()?;
        Some(Start {
            lsn: lsn::parse(label.get("INCREMENTAL FROM LSN")?)?,
            timeline: label.get("INCREMENTAL FROM TLI")?.parse().ok()?,
        })
    }

    /// When the backup began, as its label says it in the server's `log_timezone`.
    pub fn start_time(&self) -> Option<&str> {
        let told = self.label.as_ref()?.get("START TIME")?;
        let (time, _zone) = told.rsplit_once(' ')?;
        let digits = |c: char| c.is_ascii_digit() || "-: ".contains(c);
        time.chars().all(digits).then_some(time)
    }
}

/// `16389 stored filled /path`
fn space(text: &str) -> Option<(u32, Space)> {
    let mut words = text.splitn(4, ' ');
    let oid = words.next()?.parse().ok()?;
    let space = Space {
        stored: words.next()? == "stored",
        filled: words.next()? == "filled",
        place: words.next()?.to_owned(),
    };
    Some((oid, space))
}
