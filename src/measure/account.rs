//! The account of a ledger: what was promised beside what is there.
//!
//! One scan of the ledger against the rows read back. Memory: 24 bytes a present row,
//! 8 bytes an acknowledged transaction, 32 bytes a lost one, 8 bytes a row erased; nothing
//! else grows. Whether a loss is too much belongs to [`super::rpo`] and `check/ledger`.
//!
//! Every transaction is judged by one boundary of its workload, and so by one recovery: losses,
//! holes and rows undone are held against what survives of that recovery alone.
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
mod survivors;

use serde::{Deserialize, Serialize};

use erasure::Erasures;
pub use loss::Loss;
pub use readback::Readback;
use readback::{Explained, Present};
use survivors::Survivors;

use crate::{
    ledger::{Key, Outcome, Record},
    measure::boundary::{Boundaries, Position, Side},
};

/// At most so many examples of each set are kept.
const EXAMPLES: usize = 50;

/// What one workload wants to know of the scan.
#[derive(Clone, Debug)]
pub struct Question {
    pub boundaries: Boundaries,
    /// When the service was ready again, of each recovery; none when it never was.
    pub ready_us: Vec<Option<u64>>,
}

/// A row and its version, for the particulars of a finding.
pub type RowVersion = (Key, u32);

/// The sets of `measures.md`, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Acknowledged, reads included.
    pub ok: u64,
    pub fail: u64,
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

#[derive(Clone, Debug, Default)]
pub struct Account {
    pub tally: Tally,
    /// What became of what lies before each boundary; one part at least.
    pub parts: Vec<Part>,
    /// Losses after the last one.
    pub lost_after: Vec<Loss>,
    /// Examples of damaged rows.
    pub damaged: Vec<RowVersion>,
    /// Examples of resurrected rows.
    pub resurrected: Vec<RowVersion>,
    /// Examples of unexpected rows.
    pub unexpected: Vec<RowVersion>,
    /// Examples of holes.
    pub holes: Vec<RowVersion>,
    /// Acknowledgement of the first write that was sent after the service was ready, of each
    /// recovery.
    pub first_after_ready_us: Vec<Option<u64>>,
    /// Every acknowledgement, sorted: time × 2, plus 1 for a write.
    pub acks: Vec<u64>,
    erasures: Erasures,
}

/// What became of the transactions that one boundary judges.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub lost: Vec<Loss>,
    pub holes: u64,
    /// Last acknowledged write at or before the boundary.
    pub last_before_us: Option<u64>,
    /// Highest WAL position that an acknowledged write read since the boundary before this one.
    pub highest_lsn: u64,
}

/// Balances the ledger against the readback; one account a question, in the plan's order.
pub fn balance(
    questions: &[Question],
    records: impl Iterator<Item = Record>,
    mut readback: Readback,
) -> Vec<Account> {
    let mut accounts: Vec<Account> = questions.iter().map(Account::opened).collect();
    let mut survivors = Survivors::default();
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
        let place = question.boundaries.place(&record);
        let present = readback.rows.get_mut(&record.key);
        let fate = account.reconcile(question, &record, place, present);
        survivors.note(&question.boundaries, place, &record, fate);
    }
    settle(questions, &mut accounts, &readback, &survivors);
    accounts
}

/// What became of one attempt's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The row is there as written.
    Survives,
    /// A later version of it is there.
    Superseded,
    /// Neither, or an erasure.
    Nothing,
}

impl Account {
    fn opened(question: &Question) -> Self {
        Self {
            parts: vec![Part::default(); question.boundaries.all.len().max(1)],
            first_after_ready_us: vec![None; question.ready_us.len()],
            ..Self::default()
        }
    }

    pub fn lost(&self) -> impl Iterator<Item = &Loss> {
        self.parts.iter().flat_map(|part| &part.lost)
    }

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
        self.note_boundaries(question, record);
        let ready = question.ready_us.iter().zip(&mut self.first_after_ready_us);
        for (ready, first) in ready {
            if ready.is_some_and(|ready| record.sent_us >= ready) {
                *first = Some(first.unwrap_or(u64::MAX).min(record.acked_us));
            }
        }
    }

    fn note_boundaries(&mut self, question: &Question, record: &Record) {
        let mut since_us = 0;
        for (boundary, part) in question.boundaries.all.iter().zip(&mut self.parts) {
            if record.acked_us <= boundary.instant_us {
                part.last_before_us = part.last_before_us.max(Some(record.acked_us));
                if record.acked_us > since_us {
                    part.highest_lsn = part.highest_lsn.max(record.lsn);
                }
            }
            since_us = boundary.instant_us;
        }
    }

    fn reconcile(
        &mut self,
        question: &Question,
        record: &Record,
        place: Position,
        present: Option<&mut Present>,
    ) -> Fate {
        if record.deletes() {
            self.reconcile_erasure(question, record, place, present.is_some());
            return Fate::Nothing;
        }
        match present {
            Some(row) if row.version == record.version => {
                let explained = explain(question, record, place, row.digest);
                row.explained = row.explained.max(explained);
                self.tally.kept += u64::from(record.outcome == Outcome::Ok);
                if explained == Explained::ByOk {
                    Fate::Survives
                } else {
                    Fate::Nothing
                }
            }
            Some(row) if row.version > record.version => {
                self.tally.kept += u64::from(record.outcome == Outcome::Ok);
                Fate::Superseded
            }
            Some(_) | None => {
                self.miss(record, place);
                Fate::Nothing
            }
        }
    }

    fn miss(&mut self, record: &Record, place: Position) {
        if record.outcome != Outcome::Ok {
            return;
        }
        let loss = Loss::of(record);
        match place.side {
            Side::Before => self.parts[place.boundary].lost.push(loss),
            Side::After => self.lost_after.push(loss),
            Side::Between | Side::Discarded => self.tally.discarded += 1,
        }
    }
}

fn explain(question: &Question, record: &Record, place: Position, digest: u64) -> Explained {
    let boundary = question.boundaries.all.get(place.boundary);
    let must_be_gone =
        place.side == Side::Discarded && boundary.is_some_and(|one| one.absent_after);
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
    survivors: &Survivors,
) {
    for (key, row) in readback.unexplained() {
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
        let past_us = survivors.past_us(&question.boundaries);
        account.settle_erasures(&past_us);
        account.pass_on(&question.boundaries, survivors, &past_us);
        account.find_holes(&past_us);
        account.tally.lost = account.lost().count() as u64;
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

    /// What the next recovery lost, rather than the one it lies before: by its WAL position it had
    /// survived that one, or nothing that was written since is there.
    fn pass_on(&mut self, boundaries: &Boundaries, survivors: &Survivors, past_us: &[u64]) {
        for (at, pair) in boundaries.all.windows(2).enumerate() {
            let emptied = survivors.none_of(&pair[1]);
            let later = |loss: &Loss| {
                loss.acked_us >= past_us[at] && pair[0].outlived(loss.lsn).unwrap_or(emptied)
            };
            let all = std::mem::take(&mut self.parts[at].lost);
            let (passed, own): (Vec<Loss>, Vec<Loss>) = all.into_iter().partition(later);
            self.parts[at].lost = own;
            self.parts[at + 1].lost.extend(passed);
        }
    }

    /// A loss is a hole when a transaction of the same recovery survives that came the same way and was sent only
    /// after the lost one had been acknowledged: its commit lies later in LSN order for certain,
    /// so recovery went past the lost one. Where production lives on that is what a salvage left
    /// out. `past_us`: of each boundary.
    fn find_holes(&mut self, past_us: &[u64]) {
        for (part, past_us) in self.parts.iter_mut().zip(past_us) {
            for loss in part.lost.iter().filter(|loss| loss.acked_us < *past_us) {
                part.holes += 1;
                example(&mut self.holes, (loss.key, loss.version));
            }
            self.tally.holes += part.holes;
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
