//! Hand-written histories for tests: a plan, its events, a ledger and a readback.
//!
//! Two are whole: `salvage` (a table dropped, brought home through a scratch
//! server) and `lost_server` (everything lost, restored elsewhere, cut over). Tests bend
//! one thing in them and look at what turns red.
#![allow(
    dead_code,
    missing_docs,
    unused_imports,
    reason = "each test target uses another part"
)]

use pgdrill::{
    event::{Event, StepOutcome},
    ledger::Record,
    measure::drill_history::DrillHistory,
    row_images::Image,
    scenario::plan::Plan,
    units::Time,
};
/// What almost every test of a check speaks of.
pub use pgdrill::{
    event::{EventKind, Moment, NodeStats, Revoked, VerifierSaid, WalPosition},
    finding::Verdict,
    observation::Observation,
};

mod asserting;
mod lost_server;
mod lost_twice;
mod observed;
mod plan;
mod recording;
mod row_images;
mod salvage;
mod traffic;
mod two_clusters;
mod writing;

pub use asserting::{expect, finding, users};
pub use lost_server::{REPLACEMENT, lost_server, oa_alone_moved};
pub use lost_twice::{lost_twice, restored_in_place};
pub use observed::segment;
pub use recording::backup;
pub use salvage::salvage;
pub use traffic::{AGENT, OA, insert};
pub use two_clusters::{ORDERS, one_of_two_lost, orders_alone_lost};

pub const SECOND: u64 = 1_000_000;
/// Where the WAL stands at the fault.
pub const FAULT_LSN: u64 = 0x300_0000;

/// A drill that never happened.
#[derive(Clone, Debug)]
pub struct HistoryFixture {
    pub plan: Plan,
    pub events: Vec<Event>,
    pub ledger: Vec<Record>,
    pub readback: Vec<Record>,
    /// Files of row images.
    pub images: Vec<(String, Vec<Image>)>,
}

pub fn seconds(text: &str) -> Time {
    text.parse().unwrap()
}

impl HistoryFixture {
    /// Its history, to be asked.
    pub fn history(&self) -> DrillHistory<'_> {
        DrillHistory::new(&self.plan, &self.events)
    }

    /// Nothing has been told yet.
    fn of(plan: Plan) -> Self {
        Self {
            plan,
            events: vec![],
            ledger: vec![],
            readback: vec![],
            images: vec![],
        }
    }

    /// Adds an event.
    pub fn tell(&mut self, at_us: u64, kind: EventKind) {
        self.events.push(Event {
            seq: 0,
            at_us,
            kind,
        });
    }

    /// Puts the events in order of time and numbers them.
    pub fn in_order(mut self) -> Self {
        self.events.sort_by_key(|event| event.at_us);
        for (seq, event) in self.events.iter_mut().enumerate() {
            event.seq = seq as u64;
        }
        self
    }

    /// Bends every observation of a moment.
    pub fn bend(mut self, moment: Moment, bend: impl Fn(&mut Observation)) -> Self {
        for event in &mut self.events {
            if let EventKind::Observed {
                moment: at,
                observation,
                ..
            } = &mut event.kind
                && *at == moment
            {
                bend(observation);
            }
        }
        self
    }

    /// The freeze took this away.
    pub fn revoking(mut self, what: Revoked) -> Self {
        for event in &mut self.events {
            if let EventKind::Frozen { revoked, .. } = &mut event.kind {
                revoked.clone_from(&what);
            }
        }
        self
    }

    /// Leaves out events.
    pub fn without(mut self, gone: impl Fn(&EventKind) -> bool) -> Self {
        self.events.retain(|event| !gone(&event.kind));
        self.in_order()
    }

    /// Nothing of this kind was seen at that moment.
    pub fn unseen(self, when: Moment, gone: impl Fn(&Observation) -> bool) -> Self {
        self.without(|kind| {
            matches!(kind, EventKind::Observed { moment, observation, .. } if *moment == when && gone(observation))
        })
    }

    /// Adds an event and puts it in order.
    pub fn with(mut self, at_us: u64, kind: EventKind) -> Self {
        self.tell(at_us, kind);
        self.in_order()
    }

    /// A step failed: everything after it is skipped, the clients end, and nothing is
    /// observed any more.
    pub fn failing_at(self, word: usize, why: &str) -> Self {
        let ended = |event: &Event| matches!(&event.kind, EventKind::StepEnded { step, .. } if *step == word);
        let at = self
            .events
            .iter()
            .find(|event| ended(event))
            .map_or(0, |event| event.at_us);
        let mut fixture = self;
        for event in &mut fixture.events {
            if matches!(event.kind, EventKind::WorkloadEnded(_)) {
                event.at_us = at + SECOND / 2;
            }
        }
        fixture
            .events
            .retain(|event| event.at_us < at || matches!(event.kind, EventKind::WorkloadEnded(_)));
        fixture.tell(
            at,
            EventKind::StepEnded {
                step: word,
                outcome: StepOutcome::Failed(why.into()),
            },
        );
        fixture.tell(
            at + SECOND,
            EventKind::DrillEnded {
                completed: false,
                reason: "a step failed".into(),
                leaked: vec![],
                unanswered: String::new(),
            },
        );
        fixture.in_order()
    }
}
