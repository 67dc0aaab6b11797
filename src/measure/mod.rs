//! Figures of a drill: what was lost, how long it took, what clients saw.
//!
//! Pure functions over the plan, the history, the ledger and the readback, exactly as
//! `measures.md` defines them. Whether a figure is good enough belongs to `check/`.

pub mod account;
pub mod boundary;
pub mod clusters;
pub mod drill_history;
pub mod outage;
pub mod overhead;
pub mod projected;
pub mod recovery;
pub mod resources;
pub mod row_images;
pub mod rpo;
pub mod rto;
pub mod throughput;
pub mod view;

use serde::{Deserialize, Serialize};

/// How bad a time is: one that misses what is demanded is worse than one not measured, and that
/// worse than any other, of which the longer is worse. In microseconds.
fn rank(measured_us: Option<u64>, demanded_us: Option<u64>) -> (u8, u64) {
    match measured_us {
        Some(us) if demanded_us.is_some_and(|demanded| us > demanded) => (2, us),
        None => (1, 0),
        Some(us) => (0, us),
    }
}

/// The figures of one workload in one recovery of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryMeasures {
    /// What was recovered from, e.g. `lose-server of primary`.
    pub after: String,
    pub rpo: rpo::Rpo,
    /// Lost, while a later commit survives that recovery.
    pub holes: u64,
    pub rto: rto::Rto,
}

/// The figures of one workload. Times in microseconds of the drill, not scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadMeasures {
    pub workload: String,
    /// What was lost, by the worst of the recoveries.
    pub rpo: rpo::Rpo,
    /// How long until business again, by the worst of the recoveries.
    pub rto: rto::Rto,
    /// Each recovery by itself, in order; empty where the drill has one at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<RecoveryMeasures>,
    pub outage: outage::Outage,
    /// What could have been lost at a worse moment.
    pub projected: projected::Projected,
    pub throughput: throughput::ThroughputFigures,
    /// What the ledger says beside the readback.
    pub ledger: account::Tally,
}
