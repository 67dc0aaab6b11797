//! The clients' transactions by their ids, and which of them survive.
//!
//! A restored server gives ids out again that transactions had which are lost, and so do two servers
//! that serve side by side: an id counts on its server, from one move or restore to the next.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::Look;
use crate::ledger::{Key, Outcome, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub acked_us: u64,
    took_us: u32,
    pub workload: u8,
    /// Whether what it wrote is there, or was changed or erased by one that survives.
    survives: bool,
    /// Whether its commit is in the WAL that led to the end, whatever became of its row since: then,
    /// or where a row that has its id is there.
    committed: bool,
    /// Whether its row was erased later, and perhaps others with it.
    pub erased: bool,
}

/// Clients of a workload found themselves on another or a restored server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era<'a> {
    pub workload: u8,
    pub since_us: u64,
    pub server: &'a str,
}

/// When ids began to be given out again.
#[derive(Clone, Debug, Default)]
pub struct Eras<'a> {
    /// In order of time; of each workload the first one is where it began.
    pub all: Vec<Era<'a>>,
    /// How what each workload wrote came to the end (`DrillHistory::way_of`).
    pub ways: Vec<usize>,
    /// When the first fault came; none: never.
    pub first_fault_us: Option<u64>,
    /// When the last one had struck: until then clients wrote, and each outage leaves writes whose
    /// answers were lost.
    pub last_fault_us: Option<u64>,
    /// Whether it ended every transaction that was going on: none took its id later.
    pub cut_off: bool,
    /// The first id that the server restored after it gave out; none: nothing was restored.
    pub next_xid: Option<u32>,
    /// When the only server was restored, and how far WAL was replayed; none where there were
    /// several, or where that is not known.
    pub reached: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
pub struct Writers<'a> {
    /// By id and era.
    by_id: HashMap<(u32, u8), Writer>,
    eras: Vec<Era<'a>>,
    /// Writes whose answer was lost, and with it their ids.
    unanswered: u64,
    /// The newest id before the last fault of a transaction that survives.
    newest: u32,
    /// An id that is later than those of all writes whose answers were lost, where one is known.
    next_xid: Option<u32>,
    /// Whether one of those writes may have any id: the fault ended no transaction, and nothing was
    /// sent when they were over.
    any_id: bool,
    /// Transactions acknowledged to each workload, reads among them.
    acknowledged: HashMap<u8, u64>,
    /// When the last one was sent that was acknowledged before the first fault and survives; of
    /// several ways, in the one that has the oldest.
    last_us: Option<u64>,
    first_erasure_us: HashMap<u8, u64>,
}

/// A transaction may wait so long before it takes its id, and its client have given it up: the
/// clients' `statement_timeout`, and a little more.
const LINGERS_US: u64 = 5_000_000;

/// By then the server's statistics tell what was deleted.
const STATISTICS_US: u64 = 2_000_000;

/// Rows that were erased and are not there.
#[derive(Default)]
struct Erased {
    /// By an erasure that survives for certain.
    surviving: HashSet<Key>,
    all: HashSet<Key>,
}

/// Writes that are there: what was acknowledged before one of them was sent survives as well.
#[derive(Default)]
struct Proofs {
    /// When the last one was sent that was acknowledged before the first fault, by way.
    last_us: HashMap<usize, u64>,
    /// When the last insert was sent, by era. What is lost is not inserted again under its key, so
    /// these prove what came before them also after a fault.
    inserted_us: HashMap<u8, u64>,
}

impl Proofs {
    fn add(&mut self, there: &Record, fault_us: u64, eras: &Eras<'_>) {
        if there.acked_us <= fault_us {
            let last_us = self.last_us.entry(eras.way_of(there)).or_default();
            *last_us = there.sent_us.max(*last_us);
        }
        if there.version == 0 {
            let sent_us = self.inserted_us.entry(eras.of(there)).or_default();
            *sent_us = there.sent_us.max(*sent_us);
        }
    }

    fn survived(&self, record: &Record, eras: &Eras<'_>) -> bool {
        let inserted_us = self.inserted_us.get(&eras.of(record)).copied();
        let last_us = self.last_us.get(&eras.way_of(record)).copied();
        let replayed = eras.reached.is_some_and(|(restored_us, lsn)| {
            record.acked_us <= restored_us && (1..=lsn).contains(&record.lsn)
        });
        replayed || inserted_us.max(last_us) > Some(record.acked_us)
    }
}

impl Eras<'_> {
    fn way_of(&self, record: &Record) -> usize {
        let way = self.ways.get(usize::from(record.workload));
        way.copied().unwrap_or_default()
    }

    /// Its place.
    fn of(&self, record: &Record) -> u8 {
        let own = |era: &Era<'_>| era.workload == record.workload && era.since_us <= record.sent_us;
        self.all.iter().rposition(own).unwrap_or_default() as u8
    }

    /// Whether the id was given out but once on the way to the only server that was restored: what is
    /// there with it has been committed by this one. Its place in the WAL may not tell: it is known
    /// from after the commit, when others had written, or the segment been switched.
    fn has_its_id_alone(&self, record: &Record) -> bool {
        let before = |next| record.xid != 0 && precedes(record.xid, next);
        self.reached.is_some() && self.next_xid.is_some_and(before)
    }

    /// Whether nothing came between it and the end that loses transactions.
    fn is_last(&self, record: &Record) -> bool {
        let mut own = self
            .all
            .iter()
            .filter(|era| era.workload == record.workload);
        own.all(|era| era.since_us <= record.sent_us)
    }
}

impl<'a> Writers<'a> {
    /// Reads the ledger. `present` tells version and `xmin` of a row that is there.
    pub fn of<I: Iterator<Item = Record>>(
        ledger: impl Fn() -> I,
        present: impl Fn(Key) -> Option<(u32, u32)>,
        eras: &Eras<'a>,
    ) -> Self {
        let there = |one: &Record| present(one.key).is_some_and(|(last, _)| last >= one.version);
        let is_written = |one: &Record| one.key != Key::NONE && one.outcome != Outcome::Fail;
        let written = || ledger().filter(is_written);
        let fault_us = eras.first_fault_us.unwrap_or(u64::MAX);
        let last_fault_us = eras.last_fault_us.unwrap_or(u64::MAX);
        let mut proofs = Proofs::default();
        let mut writers = Self {
            eras: eras.all.clone(),
            ..Self::default()
        };
        let lingers_us = if eras.cut_off { 0 } else { LINGERS_US };
        let mut lost_us: u64 = 0;
        let mut ways = HashSet::new();
        for record in ledger() {
            ways.insert(eras.way_of(&record));
            match record.outcome {
                Outcome::Ok => *writers.acknowledged.entry(record.workload).or_default() += 1,
                Outcome::Info if record.key != Key::NONE && record.xid == 0 => {
                    lost_us = lost_us
                        .max(record.acked_us)
                        .max(record.sent_us + lingers_us);
                }
                Outcome::Info | Outcome::Fail => {}
            }
            if is_written(&record) && !record.deletes() && there(&record) {
                proofs.add(&record, fault_us, eras);
            }
        }
        let last_us = |way: &usize| proofs.last_us.get(way).copied();
        writers.last_us = ways.iter().map(last_us).min().flatten();
        let mut erased = Erased::default();
        // Ids are given out in order: what was sent when the last transaction whose answer was lost
        // can't have been waiting any more has a later one.
        let mut later: Option<(u64, u32)> = None;
        for record in written() {
            if record.sent_us > lost_us && record.xid != 0 {
                let sent = (record.sent_us, record.xid);
                later = Some(later.map_or(sent, |first| first.min(sent)));
            }
            if !record.deletes() {
                continue;
            }
            let first = writers.first_erasure_us.entry(record.workload);
            let first = first.or_insert(record.acked_us);
            *first = record.acked_us.min(*first);
            if present(record.key).is_none() {
                erased.all.insert(record.key);
                if proofs.survived(&record, eras) || eras.is_last(&record) {
                    erased.surviving.insert(record.key);
                }
            }
        }
        writers.next_xid = eras.next_xid.or(later.map(|(_, xid)| xid));
        let mut lived_on = false;
        for record in written() {
            let gone = erased.surviving.contains(&record.key);
            let writer = Writer {
                acked_us: record.acked_us,
                took_us: record.acked_us.saturating_sub(record.sent_us) as u32,
                workload: record.workload,
                survives: gone || there(&record) && !record.deletes(),
                committed: record.outcome == Outcome::Ok
                    && (proofs.survived(&record, eras) || eras.has_its_id_alone(&record)),
                erased: erased.all.contains(&record.key) && !record.deletes(),
            };
            lived_on |= writer.survives && record.acked_us > last_fault_us;
            if writer.survives && record.acked_us <= last_fault_us {
                writers.newest = newer(writers.newest, record.xid);
            }
            // Of an answer that was lost the row itself may tell, unless a salvage wrote it anew, with
            // a later id.
            let bounded = eras.next_xid.is_none() || record.sent_us <= last_fault_us;
            let anew = |xid| bounded && writers.next_xid.is_some_and(|next| !precedes(xid, next));
            let its_own = |(version, xid): &(u32, u32)| *version == record.version && !anew(*xid);
            let xid = match record.xid {
                0 => present(record.key)
                    .filter(its_own)
                    .map_or(0, |(_, xid)| xid),
                told => told,
            };
            writers.add(xid, eras.of(&record), writer);
        }
        writers.any_id = writers.next_xid.is_none() && lived_on && !eras.cut_off;
        writers
    }

    /// Adds a transaction by its id; 0: it is not known.
    fn add(&mut self, xid: u32, era: u8, writer: Writer) {
        match xid {
            0 => self.unanswered += 1,
            told => {
                self.by_id.insert((told, era), writer);
            }
        }
    }

    pub fn acknowledged(&self, workload: u8) -> u64 {
        self.acknowledged
            .get(&workload)
            .copied()
            .unwrap_or_default()
    }

    /// Whose an id may be on the server of a look, the last first.
    fn all_of(&self, xid: u32, look: &Look<'_>) -> impl Iterator<Item = &Writer> {
        let eras = self.eras.iter().enumerate().rev();
        eras.filter_map(move |(place, era)| {
            let writer = self.by_id.get(&(xid, place as u8))?;
            let came = || {
                look.restored_us
                    .is_some_and(|at_us| writer.sent_us() <= at_us)
            };
            (era.server == look.record.server || came()).then_some(writer)
        })
    }

    /// Whose this id was up to then, by whichever came last.
    pub(super) fn sent_by(&self, xid: u32, look: &Look<'_>) -> Option<&Writer> {
        let mut all = self.all_of(xid, look);
        all.find(|writer| writer.sent_us() <= look.until_us)
    }

    pub(super) fn surviving(&self, xid: u32, look: &Look<'_>) -> Option<&Writer> {
        self.all_of(xid, look).find(|writer| writer.survives)
    }

    /// Whether an id is of a transaction whose commit led to the server of a look.
    pub(super) fn committed(&self, xid: u32, look: &Look<'_>) -> bool {
        let mut all = self.all_of(xid, look);
        all.any(|writer| writer.survives || writer.committed)
    }

    /// Whether clients of a workload were on the server of a look.
    pub(super) fn were_at(&self, workload: u8, look: &Look<'_>) -> bool {
        let own = |era: &&Era<'_>| era.workload == workload && era.since_us <= look.ended_us;
        let era = self.eras.iter().rfind(own);
        era.is_none_or(|era| era.server == look.record.server)
    }

    /// How many writes are known whose answers were lost, where an id may be one of theirs: one
    /// of about the time of the last fault, or before.
    pub(super) fn unanswered(&self, xid: u32) -> u64 {
        let after_newest = self.newest.wrapping_add(self.unanswered as u32 + 1);
        let boundary = self.next_xid.unwrap_or(after_newest);
        let known = (self.newest, self.next_xid) != (0, None);
        match self.any_id || known && precedes(xid, boundary) {
            true => self.unanswered,
            false => 0,
        }
    }

    /// Transactions that survive and were acknowledged within one of these times.
    pub(super) fn surviving_within(&self, windows: &[Range<u64>]) -> u64 {
        let within = |writer: &&Writer| {
            writer.survives
                && windows
                    .iter()
                    .any(|window| window.contains(&writer.acked_us))
        };
        self.by_id.values().filter(within).count() as u64
    }

    /// Whether everything survives that was committed by then, whoever wrote it.
    pub(super) fn outlive(&self, at_us: u64) -> bool {
        self.last_us.is_some_and(|last_us| last_us > at_us)
    }

    /// Whether each workload that erases rows had done so long enough before a look.
    pub(super) fn all_erasures_spare(&self, looked_us: u64) -> bool {
        let mut workloads = self.first_erasure_us.keys();
        workloads.all(|workload| self.erasures_spare(*workload, looked_us))
    }

    /// Whether a workload had erased rows long enough before a look that what went with them
    /// was counted then.
    pub(super) fn erasures_spare(&self, workload: u8, looked_us: u64) -> bool {
        let first = self.first_erasure_us.get(&workload);
        first.is_some_and(|first| first + STATISTICS_US < looked_us)
    }
}

/// The newer of two ids; 0 is none.
fn newer(one: u32, other: u32) -> u32 {
    let is_newer = one == 0 || precedes(one, other);
    if other != 0 && is_newer { other } else { one }
}

/// Whether an id was given out before another, as PostgreSQL compares them: modulo 2^32.
pub(super) fn precedes(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) < 0
}

impl Writer {
    fn sent_us(&self) -> u64 {
        self.acked_us.saturating_sub(u64::from(self.took_us))
    }

    pub(super) fn survives(&self) -> bool {
        self.survives
    }
}
