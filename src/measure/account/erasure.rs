//! Erasures: the last version of a row, which promises that nothing is there.
//!
//! What was written of the row before is superseded, as by any later version. An erasure
//! whose row is there all the same was undone: by the end of recovery where nothing later
//! survives, and then it is a loss like any other; else by whoever brought the row back.

use std::collections::HashSet;

use super::{Account, Loss, Question, example};
use crate::{
    ledger::{Key, Outcome, Record},
    measure::boundary::{Era, Place},
};

/// What one workload erased.
#[derive(Clone, Debug, Default)]
pub(super) struct Erasures {
    /// Rows that are rightly absent.
    gone: HashSet<Key>,
    /// Acknowledged erasures of rows that are there, and where they lie.
    undone: Vec<(Loss, Place)>,
}

impl Account {
    /// Weighs an erasure; `there`: its row is. A refused one promised nothing.
    pub(super) fn weigh_erasure(
        &mut self,
        question: &Question,
        record: &Record,
        place: Place,
        there: bool,
    ) {
        let era = place.era;
        if record.outcome != Outcome::Fail && !there && era != Era::Discarded {
            self.erasures.gone.insert(record.key);
        }
        if record.outcome != Outcome::Ok {
            return;
        }
        match (there, era) {
            (false, Era::Before | Era::Between | Era::After) => self.tally.kept += 1,
            (true, Era::Between) | (_, Era::Discarded) => self.tally.discarded += 1,
            // Around the fault itself both are legal, on whichever server.
            (true, Era::Before | Era::After) if question.bounds.around(record) => {
                self.tally.kept += 1;
            }
            (true, Era::Before | Era::After) => {
                self.erasures.undone.push((Loss::of(record), place));
            }
        }
    }

    /// Once everything is weighed: no version of an erased row is lost, and what was undone
    /// is resurrected where recovery went past it, or lost. `past_us`: as for holes.
    pub(super) fn settle_erasures(&mut self, past_us: &[u64]) {
        let Erasures { gone, undone } = std::mem::take(&mut self.erasures);
        let parts = self.parts.iter_mut().map(|part| &mut part.lost);
        for losses in parts.chain([&mut self.lost_after]) {
            let all = losses.len();
            losses.retain(|loss| !gone.contains(&loss.key));
            self.tally.kept += (all - losses.len()) as u64;
        }
        for (loss, Place { bound, era }) in undone {
            if era == Era::After || loss.acked_us < past_us[bound] {
                self.tally.resurrected += 1;
                example(&mut self.resurrected, (loss.key, loss.version));
            } else {
                self.parts[bound].lost.push(loss);
            }
        }
    }
}
