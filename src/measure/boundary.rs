//! Where "before" ends, and on which side of it a transaction lies.
//!
//! See `measures.md`, Boundary. Who survived belongs to [`super::account`].

use crate::{
    event::{Boundary, FaultRecord},
    ledger::{Outcome, Record},
    measure::story::Story,
};

/// On which side of the boundary a transaction lies, and on which server it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Acknowledged before the boundary: absent means lost, and counts towards RPO.
    Before,
    /// Around the boundary or the cut-over: present and absent are both legal.
    Between,
    /// After the boundary, on a server that was given up: absent is right.
    Discarded,
    /// After the boundary on the server that lives on: must be there.
    After,
}

/// The boundary of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// The instant RPO counts back from; none when the drill draws no boundary.
    pub instant_us: Option<u64>,
    /// Its WAL position; none when not known.
    pub lsn: Option<u64>,
    /// When the workload moved to the restored server; none when production lives on.
    pub cut_over_us: Option<u64>,
    /// Where production lives on and a salvage aimed at an instant before the boundary: what was
    /// acknowledged later is lost to that distance; everything older must have come home.
    pub aimed_us: Option<u64>,
    /// Whether what came after the boundary must be absent (a bad statement, recovered to
    /// before it).
    pub absent_after: bool,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    /// No boundary at all.
    Nothing,
    /// An instant: before it, or after the end of the injection.
    Instant { began_us: u64, ended_us: u64 },
    /// A statement's commit.
    Statement {
        began_us: u64,
        ended_us: u64,
        commit_lsn: u64,
    },
}

impl Bounds {
    /// The boundary of a workload; `statement_us` as [`statement_instant`] found it.
    pub fn of(story: &Story<'_>, workload: &str, statement_us: Option<u64>) -> Self {
        let cut_over_us = story.cut_over_of(workload).map(|cut| cut.at_us);
        let fault = story.fault();
        let side = side(fault, cut_over_us);
        let statement = matches!(side, Side::Statement { .. });
        Self {
            instant_us: instant(side, statement_us),
            lsn: fault
                .map(|fault| fault.commit_lsn.unwrap_or(fault.lsn))
                .filter(|lsn| *lsn != 0),
            cut_over_us,
            aimed_us: story.salvage_aimed_us().filter(|_| cut_over_us.is_none()),
            absent_after: statement && story.recovered_before_fault(workload),
            side,
        }
    }

    /// A boundary put together by hand.
    #[cfg(test)]
    pub(super) fn by_hand(
        began_us: u64,
        ended_us: u64,
        commit_lsn: Option<u64>,
        cut_over_us: Option<u64>,
    ) -> Self {
        let side = match commit_lsn {
            None => Side::Instant { began_us, ended_us },
            Some(commit_lsn) => Side::Statement {
                began_us,
                ended_us,
                commit_lsn,
            },
        };
        Self {
            instant_us: Some(began_us),
            lsn: commit_lsn,
            cut_over_us,
            aimed_us: None,
            absent_after: commit_lsn.is_some(),
            side,
        }
    }

    /// Where a transaction lies.
    pub fn era(&self, record: &Record) -> Era {
        let side = self.side.of(record);
        let Some(cut_over) = self.cut_over_us else {
            // Production lives on: everything acknowledged at any time must be there.
            return if side == Era::After {
                Era::After
            } else {
                Era::Before
            };
        };
        if record.sent_us >= cut_over {
            return Era::After;
        }
        match side {
            Era::Before => Era::Before,
            Era::Between => Era::Between,
            Era::Discarded | Era::After if record.acked_us > cut_over => Era::Between,
            Era::Discarded | Era::After => Era::Discarded,
        }
    }
}

impl Bounds {
    /// Whether the clock and the WAL can't tell on which side of the boundary it lies.
    pub fn around(&self, record: &Record) -> bool {
        self.side.of(record) == Era::Between
    }
}

impl Side {
    /// What the clock says for certain comes first; the WAL position decides between.
    fn of(self, record: &Record) -> Era {
        let (began_us, ended_us, commit_lsn) = match self {
            Self::Nothing => return Era::After,
            Self::Instant { began_us, ended_us } => (began_us, ended_us, 0),
            Self::Statement {
                began_us,
                ended_us,
                commit_lsn,
            } => (began_us, ended_us, commit_lsn),
        };
        if record.acked_us <= began_us {
            Era::Before
        } else if record.sent_us >= ended_us {
            Era::After
        } else if record.lsn != 0 && record.lsn <= commit_lsn {
            Era::Before
        } else {
            Era::Between
        }
    }
}

fn side(fault: Option<&FaultRecord>, cut_over_us: Option<u64>) -> Side {
    let at = |began_us, ended_us| Side::Instant { began_us, ended_us };
    match (fault, cut_over_us) {
        (Some(fault), _) if fault.boundary == Boundary::Statement => Side::Statement {
            began_us: fault.began_us,
            ended_us: fault.ended_us,
            commit_lsn: fault.commit_lsn.unwrap_or(0),
        },
        (Some(fault), _) if fault.boundary == Boundary::Instant => {
            at(fault.began_us, fault.ended_us)
        }
        // Nothing is lost by the fault itself: a server given up is given up at the cut-over.
        (_, Some(cut)) => at(cut, cut),
        (Some(fault), None) => at(fault.began_us, fault.began_us),
        (None, None) => Side::Nothing,
    }
}

fn instant(side: Side, statement_us: Option<u64>) -> Option<u64> {
    match side {
        Side::Nothing => None,
        Side::Instant { began_us, .. } => Some(began_us),
        Side::Statement { ended_us, .. } => Some(statement_us.unwrap_or(ended_us)),
    }
}

/// The latest instant at which a bad statement can have committed: the end of its
/// injection, or the first acknowledgement of a transaction that read a WAL position
/// beyond the statement's commit record.
pub fn statement_instant(
    fault: Option<&FaultRecord>,
    records: impl Iterator<Item = Record>,
) -> Option<u64> {
    let fault = fault.filter(|fault| fault.boundary == Boundary::Statement)?;
    let Some(commit_lsn) = fault.commit_lsn else {
        return Some(fault.ended_us);
    };
    let beyond = records
        .filter(|record| record.outcome == Outcome::Ok && record.lsn > commit_lsn)
        .map(|record| record.acked_us)
        .filter(|acked| *acked >= fault.began_us);
    Some(beyond.min().unwrap_or(u64::MAX).min(fault.ended_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{OA, insert};

    /// A statement that committed at LSN 500 between 1000 and 1100, a cut-over at 2000.
    fn bounds() -> Bounds {
        Bounds::by_hand(1_000, 1_100, Some(500), Some(2_000))
    }

    fn at(sent_us: u64, acked_us: u64, lsn: u64) -> Record {
        Record {
            sent_us,
            ..insert(OA, 1, acked_us, lsn)
        }
    }

    #[test]
    fn the_clock_decides_where_it_can_and_the_wal_between() {
        let era = |sent, acked, lsn| bounds().era(&at(sent, acked, lsn));
        assert_eq!(era(900, 1_000, 0), Era::Before);
        assert_eq!(era(990, 1_050, 500), Era::Before);
        assert_eq!(era(990, 1_050, 501), Era::Between);
        assert_eq!(era(990, 1_050, 0), Era::Between);
        assert_eq!(era(1_100, 1_150, 0), Era::Discarded);
        assert_eq!(era(1_990, 2_010, 0), Era::Between);
        assert_eq!(era(2_000, 2_010, 300), Era::After);
    }

    #[test]
    fn where_production_lives_on_nothing_is_discarded() {
        let bounds = Bounds {
            cut_over_us: None,
            ..bounds()
        };
        assert_eq!(bounds.era(&at(990, 1_050, 0)), Era::Before);
        assert_eq!(bounds.era(&at(1_100, 1_150, 0)), Era::After);
    }

    #[test]
    fn the_first_commit_beyond_the_statement_bounds_its_instant() {
        let tale = crate::check::testing::salvage();
        let story = Story {
            plan: &tale.plan,
            events: &tale.events,
        };
        let fault = story.fault().unwrap();
        let beyond = |acked| at(fault.began_us, acked, fault.commit_lsn.unwrap() + 8);
        let instant = |acked| statement_instant(Some(fault), [beyond(acked)].into_iter());
        assert_eq!(instant(fault.began_us + 9), Some(fault.began_us + 9));
        assert_eq!(instant(fault.ended_us + 9), Some(fault.ended_us));
        assert_eq!(instant(fault.began_us - 9), Some(fault.ended_us));
    }
}
