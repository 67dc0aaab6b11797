//! The rows of a run: what `run.json` and the histories of its drills tell, table by table. Fields
//! are the tables' columns.

mod backups;
mod recoveries;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use backups::{BackupPolicyRow, BackupRow};
pub use recoveries::RecoveryRow;

use crate::{
    check::read_plan,
    event::Event,
    finding::Verdict,
    history::{self, files},
    measure::WorkloadMeasures,
    report::{DRILLS, DrillReport, RunSummary, write::RUN_JSON},
    scenario::plan::Plan,
};

#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}\n  hint: `pgdrill analyze {}` judges a run again, by the pgdrill that performed it or one of its format", .path.display(), .run.display())]
pub struct HistoriesError {
    run: PathBuf,
    path: PathBuf,
    cause: String,
}

/// What is published of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histories {
    pub drills: Vec<DrillRow>,
    pub policies: Vec<BackupPolicyRow>,
    pub backups: Vec<BackupRow>,
    pub recoveries: Vec<RecoveryRow>,
}

/// Which drill a row is of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfDrill {
    pub run: String,
    pub drill: String,
    pub scenario: String,
}

/// A row of `drills`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrillRow {
    #[serde(flatten)]
    pub of: OfDrill,
    pub strategy: String,
    pub postgres: u32,
    pub scale: u32,
    pub verdict: Verdict,
    pub outcome: Verdict,
    /// None: its records could not be read.
    pub began: Option<Timestamp>,
    pub duration_seconds: f64,
}

/// How a backup or a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Success,
    Failed,
    /// The history ends before.
    Unknown,
}

/// A drill whose records were read.
struct Told<'a> {
    of: &'a OfDrill,
    plan: &'a Plan,
    events: &'a [Event],
    measures: &'a [WorkloadMeasures],
    began: Timestamp,
}

impl Told<'_> {
    /// An instant of the drill's clock as wall time.
    fn wall(&self, at_us: u64) -> Timestamp {
        let since = SignedDuration::from_micros(at_us.cast_signed());
        self.began.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}

/// Of microseconds.
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

impl Histories {
    /// Reads a run's directory.
    ///
    /// # Errors
    /// When `run.json`, or a drill's records that were judged for it, can't be read.
    pub fn read(run: &Path) -> Result<Self, HistoriesError> {
        let failed = |path: PathBuf, cause: String| {
            let run = run.to_owned();
            HistoriesError { run, path, cause }
        };
        let json = run.join(RUN_JSON);
        let summary = RunSummary::read(run).map_err(|cause| failed(json, cause))?;
        let mut all = Self::default();
        for report in &summary.drills {
            let row = DrillRow::of(&summary.run, report);
            if let Some(began) = row.began {
                let drill = run.join(DRILLS).join(&report.drill);
                let events = history::read(&drill.join(files::HISTORY));
                let events = events.map_err(|error| failed(error.path, error.cause))?;
                let plan = read_plan(&drill.join(files::PLAN));
                let plan = plan.map_err(|error| failed(error.path, error.cause))?;
                all.add(&Told {
                    of: &row.of,
                    plan: &plan,
                    events: &events,
                    measures: &report.measures,
                    began,
                });
            }
            all.drills.push(row);
        }
        Ok(all)
    }

    fn add(&mut self, told: &Told<'_>) {
        self.policies.extend(backups::policies(told));
        self.backups.extend(backups::backups(told));
        self.recoveries.extend(recoveries::recoveries(told));
    }
}

impl DrillRow {
    fn of(run: &str, report: &DrillReport) -> Self {
        Self {
            of: OfDrill {
                run: run.to_owned(),
                drill: report.drill.clone(),
                scenario: report.scenario.clone(),
            },
            strategy: report.variant.strategy.clone(),
            postgres: report.variant.postgres,
            scale: report.variant.scale,
            verdict: report.judged.verdict,
            outcome: report.judged.outcome,
            began: report.began.parse().ok(),
            duration_seconds: seconds(report.took_us),
        }
    }
}
