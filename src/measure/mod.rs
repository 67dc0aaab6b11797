//! Figures of a drill: what was lost, how long it took, what clients saw.
//!
//! Pure functions over the plan, the history, the ledger and the readback, exactly as
//! `measures.md` defines them. Whether a figure is good enough belongs to `check/`.

pub mod account;
pub mod boundary;
pub mod images;
pub mod outage;
pub mod overhead;
pub mod projected;
pub mod resources;
pub mod rpo;
pub mod rto;
pub mod story;
pub mod throughput;
pub mod view;

use serde::{Deserialize, Serialize};

/// The figures of one workload. Times in microseconds of the drill, not scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadMeasures {
    /// Its name.
    pub workload: String,
    /// What was lost.
    pub rpo: rpo::Rpo,
    /// How long until business again.
    pub rto: rto::Rto,
    /// What clients saw.
    pub outage: outage::Outage,
    /// What could have been lost at a worse moment.
    pub projected: projected::Projected,
    /// How many transactions, how fast.
    pub throughput: throughput::ThroughputFigures,
    /// What the ledger says beside the readback.
    pub ledger: account::Tally,
}
