//! What one client knows.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::Transaction;
use crate::ledger::{Key, Outcome, Record};

/// A client remembers so many of its own rows that it may change.
const REMEMBERED: usize = 64;

#[derive(Debug)]
pub struct Memory {
    pub client: u16,
    pub rng: ChaCha12Rng,
    /// Rows inserted so far, by table.
    pub(super) numbers: Vec<u64>,
    known: Vec<KnownRow>,
}

/// A row that the client inserted, its state known.
#[derive(Clone, Copy, Debug)]
pub struct KnownRow {
    pub key: Key,
    pub version: u32,
}

impl Memory {
    pub fn new(client: u16, rng: ChaCha12Rng) -> Self {
        Self {
            client,
            rng,
            numbers: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Takes out one of its own rows of a table; it comes back by [`Memory::learn`] when
    /// the change is acknowledged, and never when its state is no longer known.
    pub(super) fn take(&mut self, table: u8, older_than: u32) -> Option<KnownRow> {
        let fits = |row: &KnownRow| row.key.table() == table && row.version < older_than;
        let first = self.rng.random_range(0..REMEMBERED);
        let count = self.known.len();
        let mut places = (0..count).map(|at| (at + first) % count);
        let at = places.find(|at| fits(&self.known[*at]))?;
        Some(self.known.swap_remove(at))
    }

    /// Remembers a row that may be changed later.
    pub fn learn(&mut self, transaction: &Transaction, outcome: Outcome) {
        let nothing = transaction.key == Key::NONE || transaction.digest == Record::TOMBSTONE;
        if nothing || outcome != Outcome::Ok {
            return;
        }
        if self.known.len() == REMEMBERED {
            let forgotten = self.rng.random_range(0..REMEMBERED);
            self.known.swap_remove(forgotten);
        }
        self.known.push(KnownRow {
            key: transaction.key,
            version: transaction.version,
        });
    }
}
