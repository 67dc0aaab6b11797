//! Erasures: the last version of a row, which promises that nothing is there.
//!
//! What was written of the row before is superseded, as by any later version. An erasure
//! whose row is there all the same was undone: by the end of recovery where nothing later
//! survives, and then it is a loss like any other; else by whoever brought the row back.

use std::collections::HashSet;

use super::{Account, Loss, Question, example};
use crate::{
    ledger::{Key, Outcome, Record},
    measure::boundary::{Position, Side},
};

#[derive(Clone, Debug, Default)]
pub(super) struct Erasures {
    /// Rows that are rightly absent.
    gone: HashSet<Key>,
    /// Acknowledged erasures of rows that are there, and where they lie.
    undone: Vec<(Loss, Position)>,
}

impl Account {
    /// Weighs an erasure; `there`: its row is. A refused one promised nothing.
    pub(super) fn reconcile_erasure(
        &mut self,
        question: &Question,
        record: &Record,
        place: Position,
        there: bool,
    ) {
        let side = place.side;
        if record.outcome != Outcome::Fail && !there && side != Side::Discarded {
            self.erasures.gone.insert(record.key);
        }
        if record.outcome != Outcome::Ok {
            return;
        }
        match (there, side) {
            (false, Side::Before | Side::Between | Side::After) => self.tally.kept += 1,
            (true, Side::Between) | (_, Side::Discarded) => self.tally.discarded += 1,
            // Around the fault itself both are legal, on whichever server.
            (true, Side::Before | Side::After) if question.boundaries.around(record) => {
                self.tally.kept += 1;
            }
            (true, Side::Before | Side::After) => {
                self.erasures.undone.push((Loss::of(record), place));
            }
        }
    }

    /// Once everything is reconciled: no version of an erased row is lost, and what was undone
    /// is resurrected where recovery went past it, or lost. `past_us`: as for holes.
    pub(super) fn settle_erasures(&mut self, past_us: &[u64]) {
        let Erasures { gone, undone } = std::mem::take(&mut self.erasures);
        let parts = self.parts.iter_mut().map(|part| &mut part.lost);
        for losses in parts.chain([&mut self.lost_after]) {
            let all = losses.len();
            losses.retain(|loss| !gone.contains(&loss.key));
            self.tally.kept += (all - losses.len()) as u64;
        }
        for (loss, Position { boundary, side }) in undone {
            if side == Side::After || loss.acked_us < past_us[boundary] {
                self.tally.resurrected += 1;
                example(&mut self.resurrected, (loss.key, loss.version));
            } else {
                self.parts[boundary].lost.push(loss);
            }
        }
    }
}
