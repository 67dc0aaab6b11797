//! The account of a ledger: what was promised beside what is there.
//!
//! One scan of the ledger against the rows read back. Memory: 24 bytes a present row,
//! 8 bytes an acknowledged transaction, 32 bytes a lost one, 8 bytes a row erased; nothing
//! else grows. Whether a loss is too much belongs to [`super::rpo`] and `check/ledger`.
//!
//! An erasure is a row's last version, and its promise is that the row is absent:
//!
//! | erasure | row absent | row present |
//! |---|---|---|
//! | ok, before the boundary | kept; earlier versions are superseded, never lost | a commit sent later survives: resurrected; none does, so recovery ended before it: lost |
//! | ok, after it, on the server that lives on | the same | resurrected |
//! | ok, around it; answer lost | legal, and the same | legal |
//! | ok, after the boundary on the server given up | discarded; earlier versions are lost | discarded |
//! | refused | earlier versions are lost | as it must be |

mod erasure;
mod loss;
mod readback;

use serde::{Deserialize, Serialize};

use erasure::Erasures;
pub use loss::Loss;
pub use readback::Readback;
use readback::{Explained, Present};

use crate::{
    ledger::{Key, Outcome, Record},
    measure::boundary::{Bounds, Era},
};

/// At most so many examples of each set are kept.
const EXAMPLES: usize = 50;

/// What one workload wants to know of the scan.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its boundary.
    pub bounds: Bounds,
    /// When the service was ready again; none when it never was.
    pub ready_us: Option<u64>,
}

impl Question {
    /// Whether its workload moved to a restored server.
    fn moved(&self) -> bool {
        self.bounds.cut_over_us.is_some()
    }

    /// Up to when a loss can't be laid to how far before the fault a salvage aimed.
    fn home_us(&self) -> u64 {
        self.bounds.aimed_us.unwrap_or(u64::MAX)
    }
}

/// When the last transaction that survives was sent: where production lives on, and on the
/// restored server.
type LastSurvivors = [u64; 2];

/// A row and its version, for the particulars of a finding.
pub type RowVersion = (Key, u32);

/// The sets of `measures.md`, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Acknowledged, reads included.
    pub ok: u64,
    /// Refused.
    pub fail: u64,
    /// Answer lost.
    pub info: u64,
    /// Acknowledged writes that are there, or were overwritten by a later one or erased.
    pub kept: u64,
    /// Acknowledged before the boundary, absent.
    pub lost: u64,
    /// Acknowledged after the boundary on the server that lives on, absent.
    pub lost_after: u64,
    /// Acknowledged after the boundary on the server that was given up, absent as it should be.
    pub discarded: u64,
    /// Answer lost, yet present.
    pub recovered_info: u64,
    /// Present, digest differs.
    pub damaged: u64,
    /// Must not be there, yet present.
    pub resurrected: u64,
    /// Present, never attempted.
    pub unexpected: u64,
    /// Lost, while a later commit survives on the same server, and no salvage aimed before it.
    pub holes: u64,
}

/// The account of one workload.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The sets, counted.
    pub tally: Tally,
    /// Every loss before the boundary.
    pub lost: Vec<Loss>,
    /// Losses after it.
    pub lost_after: Vec<Loss>,
    /// Examples of damaged rows.
    pub damaged: Vec<RowVersion>,
    /// Examples of resurrected rows.
    pub resurrected: Vec<RowVersion>,
    /// Examples of unexpected rows.
    pub unexpected: Vec<RowVersion>,
    /// Examples of holes.
    pub holes: Vec<RowVersion>,
    /// Last acknowledged write at or before the boundary.
    pub last_before_us: Option<u64>,
    /// Highest WAL position an acknowledged write read at or before the boundary.
    pub highest_lsn: u64,
    /// Acknowledgement of the first write that was sent after the service was ready.
    pub first_after_ready_us: Option<u64>,
    /// Every acknowledgement, sorted: time × 2, plus 1 for a write.
    pub acks: Vec<u64>,
    erasures: Erasures,
}

/// Balances the ledger against the readback; one account a question, in the plan's order.
pub fn balance(
    questions: &[Question],
    records: impl Iterator<Item = Record>,
    mut readback: Readback,
) -> Vec<Account> {
    let mut accounts: Vec<Account> = vec![Account::default(); questions.len()];
    let mut last_survivors = LastSurvivors::default();
    for record in records {
        let workload = usize::from(record.workload);
        let Some(question) = questions.get(workload) else {
            continue;
        };
        let account = &mut accounts[workload];
        account.note_times(question, &record);
        if record.key == Key::NONE {
            continue;
        }
        let survives = account.weigh(question, &record, readback.rows.get_mut(&record.key));
        if survives {
            let last = &mut last_survivors[usize::from(question.moved())];
            *last = record.sent_us.max(*last);
        }
    }
    settle(questions, &mut accounts, &readback, last_survivors);
    accounts
}

impl Account {
    /// When the first write was acknowledged; asked once all is balanced.
    pub fn first_write_us(&self) -> Option<u64> {
        let write = self.acks.iter().find(|ack| *ack & 1 == 1);
        write.map(|ack| ack >> 1)
    }

    fn note_times(&mut self, question: &Question, record: &Record) {
        match record.outcome {
            Outcome::Ok => self.tally.ok += 1,
            Outcome::Fail => self.tally.fail += 1,
            Outcome::Info => self.tally.info += 1,
        }
        if record.outcome != Outcome::Ok {
            return;
        }
        let write = record.key != Key::NONE;
        self.acks.push(record.acked_us << 1 | u64::from(write));
        if !write {
            return;
        }
        if question
            .bounds
            .instant_us
            .is_some_and(|at| record.acked_us <= at)
        {
            self.last_before_us = self.last_before_us.max(Some(record.acked_us));
            self.highest_lsn = self.highest_lsn.max(record.lsn);
        }
        if question
            .ready_us
            .is_some_and(|ready| record.sent_us >= ready)
        {
            let first = self.first_after_ready_us.unwrap_or(u64::MAX);
            self.first_after_ready_us = Some(first.min(record.acked_us));
        }
    }

    /// Weighs one attempt; tells whether it is a survivor from before the boundary.
    fn weigh(
        &mut self,
        question: &Question,
        record: &Record,
        present: Option<&mut Present>,
    ) -> bool {
        if record.erases() {
            self.weigh_erasure(question, record, present.is_some());
            return false;
        }
        let era = question.bounds.era(record);
        match present {
            Some(row) if row.version == record.version => {
                let explained = explain(question, record, era, row.digest);
                row.explained = row.explained.max(explained);
                self.tally.kept += u64::from(record.outcome == Outcome::Ok);
                explained == Explained::ByOk && era == Era::Before
            }
            Some(row) if row.version > record.version => {
                self.tally.kept += u64::from(record.outcome == Outcome::Ok);
                false
            }
            Some(_) | None => {
                self.miss(record, era);
                false
            }
        }
    }

    fn miss(&mut self, record: &Record, era: Era) {
        if record.outcome != Outcome::Ok {
            return;
        }
        let loss = Loss::of(record);
        match era {
            Era::Before => self.lost.push(loss),
            Era::After => self.lost_after.push(loss),
            Era::Between | Era::Discarded => self.tally.discarded += 1,
        }
    }
}

fn explain(question: &Question, record: &Record, era: Era, digest: u64) -> Explained {
    let must_be_gone = era == Era::Discarded && question.bounds.absent_after;
    if record.digest != digest {
        return Explained::Damaged;
    }
    match record.outcome {
        Outcome::Fail => Explained::Resurrected,
        Outcome::Ok | Outcome::Info if must_be_gone => Explained::Resurrected,
        Outcome::Info => Explained::ByInfo,
        Outcome::Ok => Explained::ByOk,
    }
}

fn settle(
    questions: &[Question],
    accounts: &mut [Account],
    readback: &Readback,
    last_survivors: LastSurvivors,
) {
    for (key, row) in readback.amiss() {
        if let Some(account) = accounts.get_mut(usize::from(key.workload())) {
            account.settle_row(key, row);
        }
    }
    for row in &readback.twice {
        if let Some(account) = accounts.get_mut(usize::from(row.0.workload())) {
            account.tally.unexpected += 1;
            example(&mut account.unexpected, *row);
        }
    }
    for (account, question) in accounts.iter_mut().zip(questions) {
        let last = last_survivors[usize::from(question.moved())];
        let past_us = last.min(question.home_us());
        account.settle_erasures(past_us);
        account.find_holes(past_us);
        account.tally.lost = account.lost.len() as u64;
        account.tally.lost_after = account.lost_after.len() as u64;
        account.acks.sort_unstable();
    }
}

impl Account {
    fn settle_row(&mut self, key: Key, row: Present) {
        let (count, examples) = match row.explained {
            Explained::ByOk => return,
            Explained::ByInfo => {
                self.tally.recovered_info += 1;
                return;
            }
            Explained::Not => (&mut self.tally.unexpected, &mut self.unexpected),
            Explained::Damaged => (&mut self.tally.damaged, &mut self.damaged),
            Explained::Resurrected => (&mut self.tally.resurrected, &mut self.resurrected),
        };
        *count += 1;
        example(examples, (key, row.version));
    }

    /// A loss is a hole when a transaction survives that was sent only after the lost one
    /// had been acknowledged: its commit lies later in LSN order for certain, so recovery
    /// went past the lost one. Where production lives on that is what a salvage left out.
    fn find_holes(&mut self, before_us: u64) {
        for loss in self.lost.iter().filter(|loss| loss.acked_us < before_us) {
            self.tally.holes += 1;
            example(&mut self.holes, (loss.key, loss.version));
        }
    }
}

fn example(examples: &mut Vec<RowVersion>, row: RowVersion) {
    if examples.len() < EXAMPLES {
        examples.push(row);
    }
}

#[cfg(test)]
#[path = "account/tests.rs"]
mod tests;
