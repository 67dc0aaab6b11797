//! What survives of the transactions before each boundary: how far its recovery went.
//!
//! What workloads wrote on one server and is now on one other lies in one WAL, so that what survives
//! of one tells of all; of dumps, those of one database.

use std::collections::BTreeMap;

use super::Fate;
use crate::{
    ledger::{Outcome, Record},
    measure::boundary::{Boundaries, Boundary, Position, Side},
};

/// What survives, over all workloads.
#[derive(Debug, Default)]
pub(super) struct Survivors {
    /// When the last one was sent, by recovery and `Boundary::way`.
    last_us: BTreeMap<(usize, usize), u64>,
    /// Of the writes since the boundary before it, by the boundary's source: whether one was
    /// acknowledged, and whether anything is there of one.
    since: BTreeMap<u64, (bool, bool)>,
}

impl Survivors {
    pub fn note(&mut self, boundaries: &Boundaries, place: Position, record: &Record, fate: Fate) {
        if place.side != Side::Before || record.outcome != Outcome::Ok {
            return;
        }
        let Some(boundary) = boundaries.all.get(place.boundary) else {
            return;
        };
        let (acknowledged, kept) = self.since.entry(boundary.source()).or_default();
        *acknowledged = true;
        *kept |= fate != Fate::Nothing;
        if fate == Fate::Survives {
            let last = self
                .last_us
                .entry((boundary.recovery, boundary.way))
                .or_default();
            *last = record.sent_us.max(*last);
        }
    }

    /// Of each boundary: up to when what was acknowledged is known to lie before the end of its
    /// recovery, and can't be laid to how far before the fault a salvage aimed.
    pub fn past_us(&self, boundaries: &Boundaries) -> Vec<u64> {
        let past = |boundary: &Boundary| {
            let last = self.last_us.get(&(boundary.recovery, boundary.way));
            let home_us = boundary.aimed_us.unwrap_or(u64::MAX);
            last.map_or(0, |last| home_us.min(*last))
        };
        boundaries.all.iter().map(past).collect()
    }

    /// Whether writes were acknowledged since the boundary before this one, and nothing is there
    /// of any.
    pub fn none_of(&self, boundary: &Boundary) -> bool {
        self.since.get(&boundary.source()) == Some(&(true, false))
    }
}
