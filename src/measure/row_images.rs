//! Row images held against each other: what clients left in every table beside what is there.
//!
//! Looks from before a step are facts, as is whose transaction left a row: the ledger has the
//! transaction's id. After the last step each row of a table that clients write
//!
//! - is as it was last seen, or
//! - was left by a client's transaction that survives and was acknowledged after that look, or
//! - is what there was before a transaction that is lost.
//!
//! Anything else is changed, doubled, or nobody's; a row that was seen, whose transaction
//! survives, and that is gone is missing. Where clients themselves delete rows of a further
//! table nothing is said of those that are gone. Rows that the ledger names by key are the
//! ledger's, but for the columns it does not know. Memory: 40 bytes a row seen. A write whose
//! answer was lost has no id: so many rows more may be there, with ids of before the fault.
//!
//! Between the look and the harm lie some milliseconds, in which nobody looked: what was
//! written then and came home by salvage, which writes rows anew, is nobody's for certain only
//! beyond the number of rows that the clients' transactions of that time can have written.
//!
//! What a client writes within a savepoint, or a PL/pgSQL block with an exception handler, has an
//! id that the ledger does not know, as has what a job of the server's writes. Such a row that was
//! seen is missing when a client's transaction survives that was sent after the look; whether it
//! is changed, and what else is in its table, is not judged.

mod facts;
mod writers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use facts::{Fact, Facts, Owner};
use writers::Writer;
pub use writers::{Era, Eras, Writers};

use crate::{event::ImageRecord, row_images::Image};

/// One look, with the images it took.
#[derive(Debug)]
pub struct Look<'a> {
    pub record: &'a ImageRecord,
    pub images: Vec<Image>,
    pub ended_us: u64,
    /// When the step that followed had ended: what was written until then was not looked at.
    pub until_us: u64,
    /// Whether no fault was injected yet.
    pub before_faults: bool,
    /// When its server had been restored: no later transaction of another server is among its rows.
    pub restored_us: Option<u64>,
    /// What a fault may have left unreadable.
    pub damaged: BTreeSet<&'a str>,
}

/// What else is to be known.
#[derive(Debug, Default)]
pub struct Circumstances<'a> {
    /// Where each workload's clients are at the end, in the plan's order.
    pub servers: Vec<&'a str>,
    pub serving: &'a str,
    /// Tables into which rows were brought home.
    pub salvaged: BTreeSet<&'a str>,
    pub fault_xids: BTreeSet<u32>,
    /// Whether unlogged tables may be empty: a restore or a crash came between.
    pub emptied: bool,
    /// Whether a dump was restored: rows have new ids, and those that were deleted after its
    /// snapshot are there again.
    pub logical: bool,
}

/// What became of the rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// Rows that clients left there, by the last looks.
    pub seen: u64,
    /// Rows that transactions left there which are no client's by their ids.
    pub others: u64,
    pub missing: u64,
    pub changed: u64,
    pub doubled: u64,
    pub unexpected: u64,
    /// Why it could not be read; empty: it was.
    pub error: String,
}

impl Sets {
    /// Whether nothing is unexplained.
    pub fn is_right(&self) -> bool {
        self.missing + self.changed + self.doubled + self.unexpected == 0
    }
}

impl std::ops::AddAssign for Sets {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.others += other.others;
        self.missing += other.missing;
        self.changed += other.changed;
        self.doubled += other.doubled;
        self.unexpected += other.unexpected;
        if self.error.is_empty() {
            self.error = other.error;
        }
    }
}

/// What a present row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Right,
    Changed,
    Unexpected,
    /// Nobody's, or of a transaction whose answer was lost.
    Unanswered,
}

/// Balances the looks from before against those after the last step, by table.
pub fn balance(
    before: &[Look<'_>],
    after: &[Look<'_>],
    writers: &Writers<'_>,
    circumstances: &Circumstances<'_>,
) -> BTreeMap<String, Sets> {
    let facts = Facts::collect(before, writers);
    let mut all: BTreeMap<String, Sets> = BTreeMap::new();
    for look in after {
        let there = look.record.tables.iter().map(|table| &table.name);
        let names: BTreeSet<&String> = facts.tables.keys().chain(there).collect();
        for name in names {
            let judge = Judge {
                name,
                look,
                facts: facts.tables.get(name),
                before,
                writers,
                circumstances,
            };
            if let Some(sets) = judge.reconcile() {
                *all.entry(name.clone()).or_default() += sets;
            }
        }
    }
    all
}

struct Judge<'a> {
    name: &'a str,
    look: &'a Look<'a>,
    facts: Option<&'a facts::Table>,
    before: &'a [Look<'a>],
    writers: &'a Writers<'a>,
    circumstances: &'a Circumstances<'a>,
}

impl Judge<'_> {
    /// None: no client whose place is here wrote it, before or since, and the rows are right.
    fn reconcile(&self) -> Option<Sets> {
        let look = self.look;
        let tables = &look.record.tables;
        let place = tables.iter().position(|table| table.name == self.name);
        let told = place.map(|place| &tables[place]);
        if !self.is_here() {
            return None;
        }
        if let Some(table) = told.filter(|table| !table.error.is_empty()) {
            let error = table.error.clone();
            return self.facts.map(|_| Sets {
                error,
                ..Sets::default()
            });
        }
        let of_it = |image: &&Image| Some(usize::from(image.table)) == place;
        let rows: Vec<&Image> = look.images.iter().filter(of_it).collect();
        let emptied = rows.is_empty() && self.circumstances.emptied;
        if emptied && told.is_some_and(|table| table.unlogged) {
            return None;
        }
        let sets = self.count(&rows);
        let tells = sets.seen + sets.others > 0 || !sets.is_right() || !sets.error.is_empty();
        tells.then_some(sets)
    }

    /// Whether a workload that writes the table is here at the end; what nobody is known to
    /// write belongs to the server that serves.
    fn is_here(&self) -> bool {
        match self.facts.filter(|table| !table.workloads.is_empty()) {
            Some(table) => table.workloads.iter().any(|index| self.lives_here(*index)),
            None => self.look.record.server == self.circumstances.serving,
        }
    }

    fn lives_here(&self, workload: u8) -> bool {
        let server = self.circumstances.servers.get(usize::from(workload));
        server.is_none_or(|server| *server == self.look.record.server)
    }

    /// Whether a fact is one of this server: its client's place is here.
    fn counts(&self, fact: &Fact) -> bool {
        fact.workload
            .is_none_or(|workload| self.lives_here(workload))
    }

    fn ledgered(&self) -> bool {
        let mut tables = self.before.iter().flat_map(|look| &look.record.tables);
        tables.any(|table| table.name == self.name && table.ledgered)
    }

    fn count(&self, rows: &[&Image]) -> Sets {
        let mut sets = Sets {
            seen: self.seen(Owner::Client),
            others: self.seen(Owner::Other),
            error: self
                .facts
                .map_or_else(String::new, |table| table.error.clone()),
            ..Sets::default()
        };
        let mut unanswered = (0, 0);
        let mut there: HashMap<u64, u32> = HashMap::with_capacity(rows.len());
        for image in rows {
            let times = there.entry(image.identity).or_default();
            *times += 1;
            let fact = self.facts.and_then(|table| table.rows.get(&image.identity));
            if *times > fact.map_or(1, |fact| fact.count) {
                sets.doubled += 1;
                continue;
            }
            match self.is(image, fact) {
                Is::Right => {}
                Is::Changed => sets.changed += 1,
                Is::Unexpected => sets.unexpected += 1,
                Is::Unanswered => {
                    unanswered = (unanswered.0 + 1, self.writers.unanswered(image.xid));
                }
            }
        }
        if unanswered.0 > unanswered.1 * self.most() {
            sets.unexpected += unanswered.0;
        }
        let deleted = self.facts.map_or(0, |table| table.deleted);
        if self.circumstances.logical && sets.unexpected <= deleted {
            sets.unexpected = 0;
        }
        sets.missing = self.missing(&there);
        self.grant_the_gap(&mut sets);
        sets
    }

    fn seen(&self, owner: Owner) -> u64 {
        let rows = self.facts.iter().flat_map(|table| table.rows.values());
        let theirs = rows.filter(|fact| fact.owner == owner && self.counts(fact));
        theirs.map(|fact| u64::from(fact.count)).sum()
    }

    fn is(&self, image: &Image, fact: Option<&Fact>) -> Is {
        let Some(fact) = fact else {
            return self.unseen(image);
        };
        let writer = self.writers.surviving(image.xid, self.look);
        let looked_us = self.before[usize::from(fact.look)].record.began_us;
        let later = writer.is_some_and(|writer| writer.acked_us >= looked_us);
        let same = fact.content == image.content;
        match fact.owner {
            _ if same || later || !self.counts(fact) => Is::Right,
            Owner::Other => Is::Right,
            Owner::Client if self.surviving(fact).is_none() => Is::Right,
            Owner::Client | Owner::Loaded => Is::Changed,
        }
    }

    /// A row that was not there, or not looked at, before.
    fn unseen(&self, image: &Image) -> Is {
        let whole = self.facts.is_some_and(|table| table.whole);
        let judged = (image.keyed || whole) && !self.ledgered();
        let open = |table: &facts::Table| table.others || !table.error.is_empty();
        let others = self.facts.is_some_and(open);
        let known = self.writers.committed(image.xid, self.look)
            || self.circumstances.fault_xids.contains(&image.xid);
        let writer = self.writers.sent_by(image.xid, self.look);
        let elsewhere = writer.is_some_and(|writer| !self.lives_here(writer.workload));
        match self.writers.unanswered(image.xid) {
            _ if known || others || elsewhere || !judged => Is::Right,
            0 => Is::Unexpected,
            _ => Is::Unanswered,
        }
    }

    fn missing(&self, there: &HashMap<u64, u32>) -> u64 {
        let Some(table) = self.facts.filter(|_| !self.ledgered()) else {
            return 0;
        };
        let gone = |(identity, fact): (&u64, &Fact)| {
            let times = there.get(identity).copied().unwrap_or_default();
            let must = self.must_be_there(fact, table);
            u64::from(fact.count.saturating_sub(times)) * u64::from(must)
        };
        table.rows.iter().map(gone).sum()
    }

    fn must_be_there(&self, fact: &Fact, table: &facts::Table) -> bool {
        if table.deleted > 0 || !self.counts(fact) {
            return false;
        }
        match fact.owner {
            Owner::Loaded => true,
            Owner::Other => self.outlives(fact),
            Owner::Client => self.surviving(fact).is_some_and(|writer| {
                let looked_us = self.before[usize::from(fact.look)].record.began_us;
                !writer.erased || self.writers.erasures_spare(writer.workload, looked_us)
            }),
        }
    }

    /// Whether a row survives of which it is not known whose transaction left it: all that was
    /// seen does where a later transaction survives. It may have been updated since, by whom is
    /// not known either, so that it must be told by more than what it holds.
    fn outlives(&self, fact: &Fact) -> bool {
        let look = &self.before[usize::from(fact.look)];
        fact.told_apart
            && self.writers.outlive(look.ended_us)
            && self.writers.all_erasures_spare(look.record.began_us)
    }

    fn most(&self) -> u64 {
        self.facts.map_or(1, facts::Table::most_by_one).max(1)
    }

    /// The client's transaction that left a row, if it survives.
    fn surviving(&self, fact: &Fact) -> Option<&Writer> {
        let look = &self.before[usize::from(fact.look)];
        let writer = self.writers.sent_by(fact.xid, look);
        writer.filter(|writer| writer.survives())
    }

    /// Where rows were brought home: what may have been written while nobody looked.
    fn grant_the_gap(&self, sets: &mut Sets) {
        let unread = sets.changed + sets.unexpected;
        if unread == 0 || !self.circumstances.salvaged.contains(self.name) {
            return;
        }
        let windows = self.before.iter();
        let windows = windows.map(|look| look.record.began_us..look.until_us);
        let granted = self.most() * self.writers.surviving_within(&windows.collect::<Vec<_>>());
        if unread <= granted {
            (sets.changed, sets.unexpected) = (0, 0);
        }
    }
}

#[cfg(test)]
#[path = "row_images/tests.rs"]
mod tests;
