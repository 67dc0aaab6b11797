//! What `run.json` holds: one run, its drills, everything the other reports are made of.
//!
//! How a drill becomes its part of it is `run/drill`. The fields are documented for readers in `docs/run-json.md`. A field is never removed
//! or given another meaning without a new [`SCHEMA_VERSION`].

mod drill;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::write::RUN_JSON;
use crate::{
    check::verifiers::Trial,
    event::{
        BackupRecord, CommandRecord, FaultRecord, ObjectStoreRecord, RestoreRecord, Throughput,
    },
    finding::{Finding, Verdict},
    history::planned::Skipped,
    measure::{WorkloadMeasures, overhead::Overhead, rto::Span},
    scenario::plan::Objectives,
};

pub const SCHEMA_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub schema_version: u32,
    /// The run's identity: the name of its directory.
    pub run: String,
    /// Wall time at which the first drill began (RFC 3339, UTC); empty when none did.
    pub began: String,
    /// Version of pgdrill that judged it.
    pub pgdrill: String,
    /// The worst verdict of all drills, as judged.
    pub verdict: Verdict,
    /// The worst outcome of all drills, against what their scenarios expect. The exit code
    /// goes by this.
    pub outcome: Verdict,
    pub drills: Vec<DrillReport>,
    /// Drills that were selected and could not be performed where the run was: no verdict counts them.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Its identity within the run.
    pub drill: String,
    pub scenario: String,
    pub about: String,
    pub tags: Vec<String>,
    /// Path of the scenario file as given.
    pub file: String,
    pub variant: Variant,
    /// Wall time at which it began (RFC 3339, UTC).
    pub began: String,
    pub took_us: u64,
    pub judged: Judged,
    /// What of it was the harness's own; none when the history does not account for it.
    pub overhead: Option<Overhead>,
    pub findings: Vec<Finding>,
    /// Checks that were not made, and why.
    pub skipped: BTreeMap<String, String>,
    pub objectives: BTreeMap<String, Objectives>,
    /// The figures by workload, in the order of their names.
    pub measures: Vec<WorkloadMeasures>,
    pub verifiers: Vec<Trial>,
    pub steps: Vec<StepReport>,
    /// What the time was spent on, from beginning to end.
    pub phases: Vec<Span>,
    pub faults: Vec<FaultRecord>,
    pub backups: Vec<BackupRecord>,
    pub restores: Vec<RestoreRecord>,
    pub object_stores: Vec<ObjectStoreRecord>,
    /// Cut-overs: when, which workloads, to which server.
    pub cut_overs: Vec<(u64, Vec<String>, String)>,
    pub throughput: Vec<Throughput>,
    pub commands: Vec<CommandReport>,
    pub notes: Vec<String>,
}

/// One variant of the matrix and what it ran on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    pub postgres: u32,
    /// One second of the drill stands for this many.
    pub scale: u32,
    pub seed: u64,
    pub strategy: String,
    /// `docker` or `local`; empty when it never came to that.
    pub runtime: String,
    /// The image and its digest; empty on `local`.
    pub image: String,
    /// Tool → version as the tool itself states it.
    pub versions: BTreeMap<String, String>,
    /// Version of pgdrill that performed it.
    pub pgdrill: String,
    pub data_bytes: u64,
    pub data_rows: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub verdict: Verdict,
    pub outcome: Verdict,
    /// What is not as expected, a line each.
    pub reasons: Vec<String>,
    /// Findings that must fail, and text their message must contain.
    pub expected: BTreeMap<String, String>,
    /// Those of them that failed as they must.
    pub met: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its number, from 1.
    pub number: usize,
    /// Line of the scenario file, from 1.
    #[serde(default)]
    pub line: usize,
    /// Its word in a scenario, e.g. `restore`.
    pub word: String,
    pub title: String,
    pub from_us: Option<u64>,
    pub us: Option<u64>,
    /// `done`, `failed`, `skipped`, or `unfinished`.
    pub outcome: String,
    pub error: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandReport {
    /// When it ended, in microseconds of the drill's clock.
    pub at_us: u64,
    /// Number of the step it belongs to, from 1; 0: to none.
    pub step: usize,
    pub command: CommandRecord,
}

impl RunSummary {
    /// The one in a run's directory.
    ///
    /// # Errors
    /// When it can't be read, or is of another schema.
    pub fn read(run: &Path) -> Result<Self, String> {
        let text = std::fs::read(run.join(RUN_JSON)).map_err(|cause| cause.to_string())?;
        let summary: Self = serde_json::from_slice(&text).map_err(|cause| cause.to_string())?;
        match summary.schema_version {
            SCHEMA_VERSION => Ok(summary),
            other => Err(format!("`schema_version` {other}, not {SCHEMA_VERSION}")),
        }
    }

    pub fn new(run: impl Into<String>, drills: Vec<DrillReport>) -> Self {
        let began = drills
            .iter()
            .map(|drill| &drill.began)
            .filter(|began| !began.is_empty());
        Self {
            schema_version: SCHEMA_VERSION,
            run: run.into(),
            began: began.min().cloned().unwrap_or_default(),
            pgdrill: env!("CARGO_PKG_VERSION").into(),
            verdict: Verdict::worst(drills.iter().map(|drill| drill.judged.verdict)),
            outcome: Verdict::worst(drills.iter().map(|drill| drill.judged.outcome)),
            drills,
            skipped: Vec::new(),
        }
    }

    /// How many drills came out so: `2 pass, 1 fail`, in this order, and how many were skipped.
    pub(super) fn tally(&self, order: [Verdict; 3]) -> String {
        let outcomes = || self.drills.iter().map(|drill| drill.judged.outcome);
        let counted = order.map(|verdict| {
            let n = outcomes().filter(|outcome| *outcome == verdict).count();
            (n > 0).then(|| format!("{n} {}", verdict.word()))
        });
        let skipped = self.skipped.len();
        let skipped = (skipped > 0).then(|| format!("{skipped} skipped"));
        let counted: Vec<String> = counted.into_iter().flatten().chain(skipped).collect();
        counted.join(", ")
    }
}

impl DrillReport {
    /// A drill whose directory can't be judged.
    pub fn unreadable(drill: impl Into<String>, why: &str) -> Self {
        let drill = drill.into();
        let finding = Finding::unknown("evidence", why);
        Self {
            scenario: drill.clone(),
            drill,
            judged: Judged {
                reasons: vec![format!("evidence: {why}")],
                ..Judged::default()
            },
            findings: vec![finding],
            ..Self::default()
        }
    }
}
