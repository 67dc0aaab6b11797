//! What was seen of rows before they could be harmed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Look, Writers, writers::precedes};
use crate::{event::ImagedTable, row_images::Image};

/// Whose transaction left a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Client,
    /// One from before the clients began.
    Loaded,
    /// Somebody else's: a job of the server's, say, or a part of a transaction that has an id
    /// of its own.
    Other,
}

/// A row as it was last seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub content: u64,
    pub xid: u32,
    pub owner: Owner,
    pub keyed: bool,
    /// Whether something tells which row it is, whatever else it holds.
    pub told_apart: bool,
    /// The workload of the client; of another's rows none.
    pub workload: Option<u8>,
    pub look: u16,
    /// How many rows look like this: more than one only where nothing tells them apart.
    pub count: u32,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub rows: HashMap<u64, Fact>,
    pub workloads: BTreeSet<u8>,
    /// Whether every row of it was looked at.
    pub whole: bool,
    pub others: bool,
    /// Rows that clients deleted from it before any fault.
    pub deleted: u64,
    /// Why it could not be looked at before a step; empty: it was each time.
    pub error: String,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub tables: BTreeMap<String, Table>,
}

impl Facts {
    /// Later looks count more.
    pub fn collect(looks: &[Look<'_>], writers: &Writers<'_>) -> Self {
        let mut facts = Self::default();
        for (place, look) in looks.iter().enumerate() {
            let mut tables: Vec<Option<Table>> = Vec::new();
            for told in &look.record.tables {
                let mut table = facts.tables.remove(&told.name).unwrap_or_default();
                table.whole |= told.whole;
                if table.error.is_empty() && !look.damaged.contains(told.name.as_str()) {
                    table.error.clone_from(&told.error);
                }
                if look.before_faults {
                    table.deleted = table.deleted.max(by_clients(told));
                }
                tables.push(Some(table));
            }
            for image in &look.images {
                if let Some(Some(table)) = tables.get_mut(usize::from(image.table)) {
                    table.see(image, place as u16, look, writers);
                }
            }
            let told = look.record.tables.iter().zip(tables);
            let seen = told.filter_map(|(told, table)| Some((told.name.clone(), table?)));
            facts.tables.extend(seen);
        }
        facts.tables.values_mut().for_each(Table::leave_to_digests);
        // Where none was seen nothing can be missing, or not be as it was.
        facts
            .tables
            .retain(|_, table| !table.rows.is_empty() || !table.error.is_empty());
        facts
    }
}

impl Table {
    /// Where nobody writes, rows without a key are judged by the table's digest.
    fn leave_to_digests(&mut self) {
        if self.workloads.is_empty() && !self.others {
            self.rows.retain(|_, fact| fact.keyed);
            self.whole = false;
        }
    }

    fn see(&mut self, image: &Image, place: u16, look: &Look<'_>, writers: &Writers<'_>) {
        let writer = writers.sent_by(image.xid, look);
        // A server that its client had left holds it as it was then.
        if writer.is_some_and(|writer| !writers.were_at(writer.workload, look)) {
            return;
        }
        let owner = match writer {
            Some(_) => Owner::Client,
            None if is_before(image.xid, look.record.since) => Owner::Loaded,
            None => Owner::Other,
        };
        // What an earlier step wrote or changed is nothing that must be there.
        if owner == Owner::Other && of_a_step(image.xid, &look.record.steps) {
            return;
        }
        let workload = writer.map(|writer| writer.workload);
        self.workloads.extend(workload);
        self.others |= owner == Owner::Other && look.before_faults;
        let fact = Fact {
            content: image.content,
            xid: image.xid,
            owner,
            keyed: image.keyed,
            told_apart: image.identity != image.content,
            workload,
            look: place,
            count: 1,
        };
        match self.rows.get_mut(&image.identity) {
            Some(known) if known.look == place => known.count += 1,
            Some(known) if owner == Owner::Client => *known = fact,
            Some(_) => {}
            None if owner == Owner::Client || look.before_faults => {
                self.rows.insert(image.identity, fact);
            }
            None => {}
        }
    }

    /// The most rows that one client's transaction left.
    pub fn most_by_one(&self) -> u64 {
        let mut counts: HashMap<u32, u64> = HashMap::new();
        for fact in self
            .rows
            .values()
            .filter(|fact| fact.owner == Owner::Client)
        {
            *counts.entry(fact.xid).or_default() += u64::from(fact.count);
        }
        counts.into_values().max().unwrap_or_default()
    }
}

/// Rows that clients deleted. Statistics that were reset do not tell what others deleted.
fn by_clients(told: &ImagedTable) -> u64 {
    let theirs = told.deleted.checked_sub(told.deleted_by_others);
    theirs.unwrap_or(told.deleted)
}

fn of_a_step(xid: u32, steps: &[(u64, u64)]) -> bool {
    let within = |(from, to): &(u64, u64)| {
        u64::from(xid.wrapping_sub(*from as u32)) < to.saturating_sub(*from)
    };
    steps.iter().any(within)
}

/// Whether a transaction is older than another, as PostgreSQL compares them; the permanent
/// ones below 3 are the oldest.
fn is_before(xid: u32, since: u64) -> bool {
    xid < 3 || precedes(xid, since as u32)
}
