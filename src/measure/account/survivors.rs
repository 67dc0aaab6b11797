//! What survives of the transactions before each boundary: how far its recovery went.
//!
//! Workloads that a recovery treats alike (production lives on, or all moved) lie in one WAL, so
//! that what survives of one tells of all.

use std::collections::BTreeMap;

use super::Fate;
use crate::{
    ledger::{Outcome, Record},
    measure::boundary::{Bound, Bounds, Era, Place},
};

/// What survives, over all workloads.
#[derive(Debug, Default)]
pub(super) struct Survivors {
    /// When the last one was sent, by recovery and whether the workload moved in it.
    last_us: BTreeMap<(usize, bool), u64>,
    /// Of the writes since the boundary before it, by the boundary's source: whether one was
    /// acknowledged, and whether anything is there of one.
    since: BTreeMap<u64, (bool, bool)>,
}

impl Survivors {
    pub fn note(&mut self, bounds: &Bounds, place: Place, record: &Record, fate: Fate) {
        if place.era != Era::Before || record.outcome != Outcome::Ok {
            return;
        }
        let Some(bound) = bounds.all.get(place.bound) else {
            return;
        };
        let (acknowledged, kept) = self.since.entry(bound.source()).or_default();
        *acknowledged = true;
        *kept |= fate != Fate::Nothing;
        if fate == Fate::Survives {
            let moved = bounds.moved_in(bound.recovery);
            let last = self.last_us.entry((bound.recovery, moved)).or_default();
            *last = record.sent_us.max(*last);
        }
    }

    /// Of each boundary: up to when what was acknowledged is known to lie before the end of its
    /// recovery, and can't be laid to how far before the fault a salvage aimed.
    pub fn past_us(&self, bounds: &Bounds) -> Vec<u64> {
        let past = |bound: &Bound| {
            let moved = bounds.moved_in(bound.recovery);
            let last = self.last_us.get(&(bound.recovery, moved));
            let home_us = bound.aimed_us.unwrap_or(u64::MAX);
            last.map_or(0, |last| home_us.min(*last))
        };
        bounds.all.iter().map(past).collect()
    }

    /// Whether writes were acknowledged since the boundary before this one, and nothing is there
    /// of any.
    pub fn none_of(&self, bound: &Bound) -> bool {
        self.since.get(&bound.source()) == Some(&(true, false))
    }
}
