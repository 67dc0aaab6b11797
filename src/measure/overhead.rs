//! The harness's own time: what of a drill passed neither inside tools nor inside
//! servers nor in declared waits.
//!
//! Counted against the harness: its hashing, judging of what it sees, recording, polling
//! pauses and everything nobody accounted for. Making reports comes after the drill.

use serde::{Deserialize, Serialize};

use crate::{event::EventKind, measure::drill_history::DrillHistory};

/// What the time of a drill was spent on, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overhead {
    /// The harness's own: the drill's length without `outside_us`.
    pub own_us: u64,
    /// Inside tools, the engine, servers and declared waits: their union.
    pub outside_us: u64,
    /// Inside tools and the engine. Overlaps with the next two.
    pub tools_us: u64,
    pub servers_us: u64,
    pub waits_us: u64,
    pub stretches: Vec<Stretch>,
}

/// Set-up, one step, or what comes after the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Number of the step, from 1; 0: before the first or after the last one.
    pub step: usize,
    pub from_us: u64,
    pub us: u64,
    pub own_us: u64,
}

impl Overhead {
    /// The harness's own time as a share of the drill, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.own_us as f64 / (self.own_us + self.outside_us).max(1) as f64
    }
}

/// Measures a drill; none when its history does not account for its time.
pub fn measure(history: &DrillHistory<'_>) -> Option<Overhead> {
    let mut sum = Overhead::default();
    let mut step = 0;
    for event in history.events {
        if let EventKind::StepBegan { step: index, .. } = &event.kind {
            step = index + 1;
        } else if let EventKind::StepEnded { .. } = &event.kind {
            step = 0;
        } else if let EventKind::Spent(spent) = &event.kind {
            sum.outside_us += spent.outside_us;
            sum.tools_us += spent.tools_us;
            sum.servers_us += spent.servers_us;
            sum.waits_us += spent.waits_us;
            sum.stretches.push(Stretch {
                step,
                from_us: spent.from_us,
                us: spent.to_us - spent.from_us,
                own_us: spent.own_us(),
            });
        }
    }
    sum.own_us = history.end_us().saturating_sub(sum.outside_us);
    (!sum.stretches.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::testing::{SECOND, salvage},
        meter::Spent,
    };

    fn spent(from_us: u64, to_us: u64, outside_us: u64) -> EventKind {
        EventKind::Spent(Spent {
            from_us,
            to_us,
            tools_us: outside_us,
            outside_us,
            ..Spent::default()
        })
    }

    #[test]
    fn what_nobody_accounted_for_is_the_harness_own() {
        let mut fixture = salvage();
        fixture.tell(SECOND, spent(0, SECOND, SECOND));
        fixture.tell(5 * SECOND, spent(SECOND, 5 * SECOND, 3 * SECOND));
        let fixture = fixture.in_order();
        let history = DrillHistory::new(&fixture.plan, &fixture.events);
        let overhead = measure(&history).unwrap();
        assert_eq!(overhead.outside_us, 4 * SECOND);
        assert_eq!(overhead.own_us, history.end_us() - 4 * SECOND);
        let stretches = overhead.stretches.iter().map(|one| (one.step, one.own_us));
        assert_eq!(stretches.collect::<Vec<_>>(), [(0, 0), (2, SECOND)]);
    }

    #[test]
    fn a_history_that_accounts_for_nothing_has_no_figure() {
        let fixture = salvage();
        assert_eq!(
            measure(&DrillHistory::new(&fixture.plan, &fixture.events)),
            None
        );
    }
}
