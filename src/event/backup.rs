//! What events tell of backups, restores and recoveries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    backup::{BackupKind, Nature},
    object_store::Tally,
    store::{Held, named_at},
    wal::{SegmentPosition, SegmentSize},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// Its name in the strategy.
    pub backup: String,
    pub server: String,
    pub began_us: u64,
    pub listed: Listed,
}

/// A backup as its tool lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name among those of its tool.
    pub label: String,
    /// The store it lies in.
    pub store: String,
    /// The tool, as a strategy names it.
    pub tool: String,
    pub kind: BackupKind,
    pub nature: Nature,
    /// Label of the backup that it builds on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Where recovery from it begins; none of a logical one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_lsn: Option<u64>,
    /// Where it is consistent, as far as its tool says so; none of a logical one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_lsn: Option<u64>,
    /// Of a logical one: everything committed before this position is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_lsn: Option<u64>,
    /// The timeline it began on; none of a logical one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Name of the first segment of the WAL that it needs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_segment: String,
    /// The databases it holds, where it does not hold them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// The tables it holds, where it holds nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// In the backup storage; of one that builds on others, with these.
    pub bytes: u64,
    /// By the clock of its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// By the clock of its host; where a tool keeps no catalog, when its files were changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What its files come to, as the store says; none: it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// What went wrong with it and did not keep it from being one, as its tool says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub warning: String,
}

impl Listed {
    /// What it is called where several stores are told of.
    pub fn name(&self) -> String {
        named_at(&self.store, &self.label)
    }

    pub fn in_store(self, store: &str) -> Self {
        let store = store.to_owned();
        Self { store, ..self }
    }

    /// Whether it holds a whole cluster, and not some tables of it.
    pub fn is_whole(&self) -> bool {
        self.tables.is_empty()
    }

    /// The position by which everything in it had been committed at the latest.
    pub fn reaches_lsn(&self) -> Option<u64> {
        self.stop_lsn.or(self.snapshot_lsn)
    }
}

/// A restore that ended in a running server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreRecord {
    pub server: String,
    /// Label of the backup it began from; empty of a standby that was promoted.
    pub backup: String,
    /// The store that was in.
    pub store: String,
    #[serde(default)]
    pub nature: Nature,
    /// Whether the server's data were there before, and were replaced.
    #[serde(default)]
    pub in_place: bool,
    /// The recovery target as given to the server, e.g. `recovery_target_lsn = 0/3000148`.
    pub target: String,
    /// Whether it is a scratch server, never to serve clients.
    pub scratch: bool,
    pub timeline: u32,
    /// The first transaction id that it gives out itself: what came before is recovered.
    pub next_xid: u64,
    /// LSN of the last record replayed, as the server's log states it; 0 when it does not.
    pub reached_lsn: u64,
    /// Commit time of the last transaction replayed, as the server's log states it.
    pub reached_time: String,
    /// Whether its tool wrote what recovery needs into the server's configuration.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    /// Whether it waits at its target for somebody to promote it, and is read-only until then.
    #[serde(default)]
    pub paused: bool,
    /// Bytes fetched from the backup storage.
    pub bytes: u64,
}

/// Where a recovery ended, and what the archive held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryRecord {
    pub server: String,
    /// Files of the WAL archive when recovery began: name → bytes.
    pub archive: BTreeMap<String, u64>,
    /// The timelines that lead to the server's, each with the LSN at which it was left, as the
    /// history file of the server's has them: the last one is the end of recovery.
    pub left: Vec<(u32, u64)>,
    /// What follows in the archive's segment amid which recovery ended; none when it ended with
    /// a segment, or in one that the archive does not hold as PostgreSQL wrote it.
    pub follows: Option<Follows>,
    /// The last lines of the server's log before redo ended.
    pub log: Vec<String>,
}

/// Bytes that follow the end of recovery in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// Length of the record that begins there, as its first bytes have it; 0 where there is none.
    pub record: u32,
    /// Position of the last later page whose header says that it is in its place.
    pub page: Option<u64>,
}

impl RecoveryRecord {
    /// The LSN at which recovery ended: the last timeline it followed was left there.
    pub fn ended_lsn(&self) -> Option<u64> {
        self.left.last().map(|(_, lsn)| *lsn)
    }

    /// The archive's file of a segment on the newest of the timelines recovered, and its size;
    /// none when the archive holds none as PostgreSQL names it.
    pub fn file(&self, number: u64, size: SegmentSize) -> Option<(&str, u64)> {
        let timelines = self.left.iter().rev().map(|(timeline, _)| *timeline);
        let mut names = timelines.map(|timeline| SegmentPosition { timeline, number }.name(size));
        let (name, bytes) = names.find_map(|name| self.archive.get_key_value(&name))?;
        Some((name, *bytes))
    }
}

/// What was asked of a store that speaks S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStoreRecord {
    /// The cluster whose store it is, by its first server.
    pub cluster: String,
    pub store: String,
    pub tally: Tally,
}
