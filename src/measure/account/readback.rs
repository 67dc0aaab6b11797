//! The rows found after the restore, each with how well the ledger explains it.

use std::collections::HashMap;

use super::RowVersion;
use crate::ledger::{Key, Record};

/// How well the attempts explain a present row; the best one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Explained {
    Not,
    Damaged,
    Resurrected,
    ByInfo,
    ByOk,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Present {
    pub version: u32,
    pub explained: Explained,
    pub digest: u64,
    pub xid: u32,
}

/// The rows found after the restore, and those found twice.
#[derive(Debug, Default)]
pub struct Readback {
    pub(super) rows: HashMap<Key, Present>,
    pub(super) twice: Vec<RowVersion>,
}

impl Readback {
    pub fn collect(records: impl Iterator<Item = Record>) -> Self {
        let mut readback = Self::default();
        for record in records {
            let present = Present {
                version: record.version,
                explained: Explained::Not,
                digest: record.digest,
                xid: record.xid,
            };
            if readback.rows.insert(record.key, present).is_some() {
                readback.twice.push((record.key, record.version));
            }
        }
        readback
    }

    /// Version and `xmin` of a row; none when it is not there.
    pub fn version_and_xid(&self, key: Key) -> Option<(u32, u32)> {
        let row = self.rows.get(&key)?;
        Some((row.version, row.xid))
    }

    /// Rows that no acknowledgement explains, by key: the same readback names the same
    /// examples each time it is judged.
    pub(super) fn unexplained(&self) -> Vec<(Key, Present)> {
        let rows = self.rows.iter().map(|(key, row)| (*key, *row));
        let mut unexplained: Vec<_> = rows
            .filter(|(_, row)| row.explained != Explained::ByOk)
            .collect();
        unexplained.sort_unstable_by_key(|(key, _)| *key);
        unexplained
    }

    /// Adds the rows of another server, for the workloads that live there.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.twice.extend(other.twice);
    }

    /// Leaves out the rows of workloads that live elsewhere.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(u8) -> bool) -> Self {
        self.rows.retain(|key, _| keep(key.workload()));
        self.twice.retain(|(key, _)| keep(key.workload()));
        self
    }
}
