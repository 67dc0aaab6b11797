//! Telling: what a drill did and what was found, to people and to machines.
//!
//! Reports are folds over events and findings. Nothing here acts or judges.

pub mod annotations;
pub(crate) mod brief;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod run;
pub mod terminal;
pub mod write;

pub use run::{DrillReport, RunSummary};
pub use write::{DRILLS, write_run};
