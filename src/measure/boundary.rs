//! Where "before" ends, and on which extent of it a transaction lies.
//!
//! See `measures.md`, Boundary. A workload has a boundary for each fault that draws one, and at
//! least one for each recovery; each ends the stretch of time that began with the one before.
//! Who survived belongs to [`super::account`].

use std::collections::BTreeMap;

use crate::{
    event::{BoundaryKind, EventKind, FaultRecord},
    ledger::{Outcome, Record},
    measure::{drill_history::DrillHistory, recovery::Recovery},
    scenario::plan::Target,
};

/// On which extent of the boundary a transaction lies, and on which server it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Acknowledged before the boundary: absent means lost, and counts towards RPO.
    Before,
    /// Around the boundary or the cut-over: present and absent are both legal.
    Between,
    /// After the boundary, on a server that was given up: absent is right.
    Discarded,
    /// After the boundary on the server that lives on: must be there.
    After,
}

/// Where a transaction lies among a workload's boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The boundary it is judged by: the next one after it, or the last one of all.
    pub boundary: usize,
    pub side: Side,
}

/// The boundaries of one workload, in order of time; empty when the drill draws none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boundaries {
    pub all: Vec<Boundary>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Boundary {
    /// The recovery it belongs to: its position in the drill's.
    pub recovery: usize,
    /// The instant RPO counts back from.
    pub instant_us: u64,
    /// Its WAL position; none when not known.
    pub lsn: Option<u64>,
    /// When the workload moved to the server restored for it; none when production lives on.
    pub cut_over_us: Option<u64>,
    /// How far the WAL of the server it moved to was replayed; none when not known, or when that is
    /// of another branch than the server given up was on.
    pub reached_lsn: Option<u64>,
    /// Where production lives on and a salvage aimed at an instant before the boundary: what was
    /// acknowledged later is lost to that distance; everything older must have come home.
    pub aimed_us: Option<u64>,
    /// How what lies before it came to the end: `DrillHistory::way_of`.
    pub way: usize,
    /// Whether what came after the boundary must be absent (a bad statement, recovered to
    /// before it).
    pub absent_after: bool,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Extent {
    began_us: u64,
    ended_us: u64,
    /// Of a bad statement; 0 when not known. None: before the instant, or after the injection.
    commit_lsn: Option<u64>,
}

/// The latest instants at which bad statements can have committed, by the beginning of their
/// injection: [`statement_instants`].
pub type StatementInstants = BTreeMap<u64, u64>;

impl Boundaries {
    /// The boundaries of a workload: of each fault that draws one on the server that serves it,
    /// and of each move that no such fault led to. A recovery that has neither took nothing from
    /// it: its last fault's instant stands for one.
    pub fn of(
        history: &DrillHistory<'_>,
        recoveries: &[Recovery<'_>],
        workload: &str,
        statements: &StatementInstants,
    ) -> Self {
        let mut boundaries = Self::default();
        let mut serving = history.first_server();
        for event in history.events {
            if let EventKind::FaultInjected(fault) = &event.kind
                && fault.boundary != BoundaryKind::None
                && fault.server == serving
            {
                boundaries
                    .all
                    .push(Boundary::drawn_by(recoveries, fault, statements));
            }
            if let EventKind::CutOver { workloads, to } = &event.kind
                && workloads.iter().any(|name| name == workload)
            {
                boundaries.move_at(history, recoveries, event.at_us, (serving, to));
                serving = to;
            }
        }
        boundaries.harmless(recoveries);
        boundaries.aim(history, recoveries);
        for boundary in &mut boundaries.all {
            boundary.way = history.way_of(workload, boundary.extent.began_us);
        }
        boundaries
    }

    /// Clients moved: away from the server that the last boundary's fault hit and nobody repaired,
    /// or at no fault's behest, and then the server given up is given up here.
    fn move_at(
        &mut self,
        history: &DrillHistory<'_>,
        recoveries: &[Recovery<'_>],
        at_us: u64,
        (from, to): (&str, &str),
    ) {
        let open = |boundary: &&Boundary| {
            let lived_on = || history.lived_on(from, boundary.extent.began_us..at_us);
            boundary.cut_over_us.is_none() && !lived_on()
        };
        if self.all.last().filter(open).is_none() {
            let recovery = position(recoveries, at_us);
            let lsn = recoveries
                .get(recovery)
                .and_then(Recovery::fault)
                .and_then(lsn);
            self.all.push(Boundary::at(recovery, at_us, lsn));
        }
        if let Some(boundary) = self.all.last_mut() {
            boundary.move_to(history, at_us, (from, to));
        }
    }

    fn harmless(&mut self, recoveries: &[Recovery<'_>]) {
        for (index, recovery) in recoveries.iter().enumerate() {
            let has_one = self.all.iter().any(|boundary| boundary.recovery == index);
            if let Some(fault) = recovery.fault().filter(|_| !has_one) {
                self.all
                    .push(Boundary::at(index, fault.began_us, lsn(fault)));
            }
        }
        self.all.sort_by_key(|boundary| boundary.extent.began_us);
    }

    fn aim(&mut self, history: &DrillHistory<'_>, recoveries: &[Recovery<'_>]) {
        for at in 0..self.all.len() {
            let recovery = self.all[at].recovery;
            let lives_on = recoveries
                .get(recovery)
                .filter(|_| !self.moved_in(recovery));
            self.all[at].aimed_us = lives_on.and_then(|one| history.salvage_aimed_us(one));
        }
    }

    /// Where a transaction lies: the latest boundary that it does not lie before decides.
    pub fn place(&self, record: &Record) -> Position {
        let last = self.all.len().saturating_sub(1);
        for (boundary, one) in self.all.iter().enumerate().rev() {
            match one.side(record) {
                Side::Before => {}
                Side::After if boundary < last => {
                    return Position {
                        boundary: boundary + 1,
                        side: Side::Before,
                    };
                }
                side @ (Side::Between | Side::Discarded | Side::After) => {
                    return Position { boundary, side };
                }
            }
        }
        let side = if self.all.is_empty() {
            Side::After
        } else {
            Side::Before
        };
        Position { boundary: 0, side }
    }

    /// Whether the clock and the WAL can't tell on which extent of a boundary it lies.
    pub fn around(&self, record: &Record) -> bool {
        let around = |boundary: &Boundary| boundary.extent.of(record) == Side::Between;
        self.all.iter().any(around)
    }

    pub fn moved_in(&self, recovery: usize) -> bool {
        let mut own = self
            .all
            .iter()
            .filter(|boundary| boundary.recovery == recovery);
        own.any(|boundary| boundary.cut_over_us.is_some())
    }
}

impl Boundary {
    fn drawn_by(
        recoveries: &[Recovery<'_>],
        fault: &FaultRecord,
        statements: &StatementInstants,
    ) -> Self {
        let (began_us, ended_us) = (fault.began_us, fault.ended_us);
        let statement = fault.boundary == BoundaryKind::Statement;
        let instant_us = match statement {
            true => statements.get(&began_us).copied().unwrap_or(ended_us),
            false => began_us,
        };
        Self {
            instant_us,
            extent: Extent {
                began_us,
                ended_us,
                commit_lsn: statement.then_some(fault.commit_lsn.unwrap_or(0)),
            },
            ..Self::at(position(recoveries, began_us), began_us, lsn(fault))
        }
    }

    /// An instant, and nothing lost by it.
    fn at(recovery: usize, at_us: u64, lsn: Option<u64>) -> Self {
        Self {
            recovery,
            instant_us: at_us,
            lsn,
            cut_over_us: None,
            reached_lsn: None,
            aimed_us: None,
            way: 0,
            absent_after: false,
            extent: Extent {
                began_us: at_us,
                ended_us: at_us,
                commit_lsn: None,
            },
        }
    }

    fn move_to(&mut self, history: &DrillHistory<'_>, at_us: u64, (from, server): (&str, &str)) {
        // A restore in place comes after the move.
        let by_us = history.step_end_us(at_us);
        let reached = history.restore_of(server, by_us);
        let recovery = reached
            .filter(|restore| !restore.paused)
            .and_then(|_| history.recovery_of(server, by_us));
        let aside = recovery.is_some_and(|one| history.left_aside((from, at_us), one));
        self.cut_over_us = Some(at_us);
        self.reached_lsn = reached
            .map(|restore| restore.reached_lsn)
            .filter(|lsn| *lsn != 0 && !aside);
        if let Some(commit_lsn) = self.extent.commit_lsn {
            let short = self.reached_lsn.is_some_and(|lsn| lsn < commit_lsn);
            let restoring = history.restoring(server, by_us);
            self.absent_after = aside
                || short
                || restoring.is_some_and(|(_, one)| matches!(one.target, Target::Before { .. }));
        }
    }

    /// Where a transaction lies, as far as this boundary alone can tell.
    fn side(&self, record: &Record) -> Side {
        let extent = self.extent.of(record);
        let Some(cut_over) = self.cut_over_us else {
            // Production lives on: everything acknowledged at any time must be there.
            return if extent == Side::After {
                Side::After
            } else {
                Side::Before
            };
        };
        if record.sent_us >= cut_over {
            return Side::After;
        }
        match extent {
            Side::Before => Side::Before,
            Side::Between => Side::Between,
            Side::Discarded | Side::After if record.acked_us > cut_over => Side::Between,
            Side::Discarded | Side::After => Side::Discarded,
        }
    }

    /// What tells it from other boundaries; one fault's is the same for all workloads.
    pub fn source(&self) -> u64 {
        self.extent.began_us
    }

    /// Whether a transaction had survived the recovery, by its WAL position; none when that
    /// can't be told.
    pub fn outlived(&self, lsn: u64) -> Option<bool> {
        let reached = self.reached_lsn.filter(|_| lsn != 0)?;
        Some(lsn <= reached)
    }
}

impl Extent {
    /// What the clock says for certain comes first; the WAL position decides between.
    fn of(self, record: &Record) -> Side {
        if record.acked_us <= self.began_us {
            Side::Before
        } else if record.sent_us >= self.ended_us {
            Side::After
        } else if record.lsn != 0 && record.lsn <= self.commit_lsn.unwrap_or(0) {
            Side::Before
        } else {
            Side::Between
        }
    }
}

/// The recovery that an instant belongs to; the first one's own set-up counts as its.
fn position(recoveries: &[Recovery<'_>], at_us: u64) -> usize {
    let held = recoveries
        .iter()
        .rposition(|recovery| recovery.holds(at_us));
    held.unwrap_or(0)
}

fn lsn(fault: &FaultRecord) -> Option<u64> {
    Some(fault.commit_lsn.unwrap_or(fault.lsn)).filter(|lsn| *lsn != 0)
}

/// The latest instant at which each bad statement can have committed: the end of its
/// injection, or the first acknowledgement of a transaction that read a WAL position
/// beyond the statement's commit record.
pub fn statement_instants<'f>(
    faults: impl Iterator<Item = &'f FaultRecord>,
    records: impl Iterator<Item = Record>,
) -> StatementInstants {
    let statements = faults.filter(|fault| fault.boundary == BoundaryKind::Statement);
    let mut all: Vec<(&FaultRecord, u64)> = statements.map(|one| (one, one.ended_us)).collect();
    if all.iter().all(|(fault, _)| fault.commit_lsn.is_none()) {
        return by_beginning(&all);
    }
    for record in records.filter(|record| record.outcome == Outcome::Ok) {
        for (fault, instant_us) in &mut all {
            let beyond = fault.commit_lsn.is_some_and(|lsn| record.lsn > lsn);
            if beyond && record.acked_us >= fault.began_us {
                *instant_us = record.acked_us.min(*instant_us);
            }
        }
    }
    by_beginning(&all)
}

fn by_beginning(all: &[(&FaultRecord, u64)]) -> StatementInstants {
    let pairs = all
        .iter()
        .map(|(fault, instant)| (fault.began_us, *instant));
    pairs.collect()
}

#[cfg(test)]
#[path = "boundary/tests.rs"]
mod tests;
