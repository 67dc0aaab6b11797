//! What `run.json` holds: one run, its drills, everything the other reports are made of.
//!
//! The fields are documented for readers in `docs/run-json.md`. A field is never removed
//! or given another meaning without a new [`SCHEMA_VERSION`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    check::{Judgement, expect::Outcome, verifiers::Trial},
    event::{
        BackupRecord, CommandRecord, Event, EventKind, FaultRecord, RestoreRecord, StepOutcome,
        Throughput,
    },
    finding::{Finding, Verdict},
    measure::{
        WorkloadMeasures,
        overhead::{self, Overhead},
        rto::{Span, spans},
        story::Story,
    },
    scenario::plan::{CheckKind, Objectives, Phase},
};

/// Version of the format of `run.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// A run: a set of drills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Version of this format.
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
    /// The drills, by name.
    pub drills: Vec<DrillReport>,
}

/// A drill, judged and told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Its identity within the run.
    pub drill: String,
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario is about.
    pub about: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Path of the scenario file as given.
    pub file: String,
    /// The variant and what it ran on.
    pub variant: Variant,
    /// Wall time at which it began (RFC 3339, UTC).
    pub began: String,
    /// Wall time it took, in microseconds.
    pub took_us: u64,
    /// Verdict, outcome, expectation.
    pub judged: Judged,
    /// What of it was the harness's own; none when the history does not account for it.
    pub overhead: Option<Overhead>,
    /// Everything that was judged.
    pub findings: Vec<Finding>,
    /// Checks that were not made, and why.
    pub skipped: BTreeMap<String, String>,
    /// Objectives by workload.
    pub objectives: BTreeMap<String, Objectives>,
    /// The figures by workload, in the order of their names.
    pub measures: Vec<WorkloadMeasures>,
    /// The tools' own verifiers beside the truth.
    pub verifiers: Vec<Trial>,
    /// The steps as performed.
    pub steps: Vec<StepReport>,
    /// What the time was spent on, from beginning to end.
    pub phases: Vec<Span>,
    /// The faults.
    pub faults: Vec<FaultRecord>,
    /// The backups.
    pub backups: Vec<BackupRecord>,
    /// The restores.
    pub restores: Vec<RestoreRecord>,
    /// Cut-overs: when, which workloads, to which server.
    pub cut_overs: Vec<(u64, Vec<String>, String)>,
    /// Throughput by second and workload.
    pub throughput: Vec<Throughput>,
    /// The runbook that was performed.
    pub commands: Vec<CommandReport>,
    /// Notes the drill left.
    pub notes: Vec<String>,
}

/// One variant of the matrix and what it ran on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// PostgreSQL's major version.
    pub postgres: u32,
    /// One second of the drill stands for this many.
    pub scale: u32,
    /// The seed.
    pub seed: u64,
    /// The strategy's name.
    pub strategy: String,
    /// `docker` or `local`; empty when it never came to that.
    pub runtime: String,
    /// The image and its digest; empty on `local`.
    pub image: String,
    /// Tool → version as the tool itself states it.
    pub versions: BTreeMap<String, String>,
    /// Version of pgdrill that performed it.
    pub pgdrill: String,
    /// Bytes of the database after the load.
    pub data_bytes: u64,
    /// Rows loaded.
    pub data_rows: u64,
}

/// Verdict, outcome, expectation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The worst finding.
    pub verdict: Verdict,
    /// The verdict held against the expectation.
    pub outcome: Verdict,
    /// What is not as expected, a line each.
    pub reasons: Vec<String>,
    /// Findings that must fail, and text their message must contain.
    pub expected: BTreeMap<String, String>,
    /// Those of them that failed as they must.
    pub met: Vec<String>,
}

impl Default for Judged {
    fn default() -> Self {
        Self {
            verdict: Verdict::Unknown,
            outcome: Verdict::Unknown,
            reasons: Vec::new(),
            expected: BTreeMap::new(),
            met: Vec::new(),
        }
    }
}

/// A step as performed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its number, from 1.
    pub number: usize,
    /// Its word in a scenario, e.g. `restore`.
    pub word: String,
    /// What it does, in one line.
    pub title: String,
    /// When it began; none: never.
    pub from_us: Option<u64>,
    /// How long it took; none: it did not end.
    pub us: Option<u64>,
    /// `done`, `failed`, `skipped`, or `unfinished`.
    pub outcome: String,
    /// The error of a failed step.
    pub error: String,
}

/// A command of the runbook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandReport {
    /// When it ended, in microseconds of the drill's clock.
    pub at_us: u64,
    /// Number of the step it belongs to, from 1; 0: to none.
    pub step: usize,
    /// The command itself.
    pub command: CommandRecord,
}

impl RunSummary {
    /// Puts a run together.
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
        }
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

    /// Tells a judged drill.
    pub fn of(judgement: Judgement) -> Self {
        let mut report = Self::from_events(&judgement);
        report.skipped = skipped(&judgement);
        let plan = judgement.plan;
        report.drill = plan.drill;
        report.scenario = plan.scenario;
        report.about = plan.about.trim().to_owned();
        report.tags = plan.tags;
        report.file = plan.file;
        report.objectives = plan.objectives;
        report.variant.postgres = plan.postgres;
        report.variant.scale = plan.scale;
        report.variant.seed = plan.seed;
        report.variant.strategy = plan.strategy.name;
        report.judged = judged(judgement.verdict, judgement.outcome, plan.expect.fail);
        report.findings = judgement.findings;
        report.measures = judgement.measures;
        report.verifiers = judgement.trials;
        report
    }

    fn from_events(judgement: &Judgement) -> Self {
        let story = Story {
            plan: &judgement.plan,
            events: &judgement.events,
        };
        let mut report = Self {
            took_us: story.end_us(),
            overhead: overhead::measure(&story),
            phases: spans(&story, 0, story.end_us(), Phase::Steady),
            steps: story
                .steps()
                .iter()
                .map(|step| step_report(&story, step))
                .collect(),
            ..Self::default()
        };
        let mut step = 0;
        for event in story.events {
            report.take(event, &mut step);
        }
        report
    }

    /// Takes what the reports need from one event; `step` is the number of the current one.
    fn take(&mut self, event: &Event, step: &mut usize) {
        match &event.kind {
            EventKind::DrillStarted { wall, pgdrill, .. } => {
                self.began.clone_from(wall);
                self.variant.pgdrill.clone_from(pgdrill);
            }
            EventKind::Environment {
                runtime,
                image,
                versions,
                ..
            } => {
                self.variant.runtime.clone_from(runtime);
                self.variant.image.clone_from(image);
                self.variant.versions.clone_from(versions);
            }
            EventKind::StepBegan { step: index, .. } => *step = index + 1,
            EventKind::StepEnded { .. } => *step = 0,
            EventKind::Command(command) => self.commands.push(CommandReport {
                at_us: event.at_us,
                step: *step,
                command: command.clone(),
            }),
            EventKind::DataLoaded { bytes, rows, .. } => {
                self.variant.data_bytes = *bytes;
                self.variant.data_rows = *rows;
            }
            EventKind::Throughput(second) => self.throughput.push(second.clone()),
            EventKind::BackupTaken(backup) => self.backups.push(backup.clone()),
            EventKind::FaultInjected(fault) => self.faults.push(fault.clone()),
            EventKind::Restored(restore) => self.restores.push(restore.clone()),
            EventKind::CutOver { workloads, to } => {
                self.cut_overs
                    .push((event.at_us, workloads.clone(), to.clone()));
            }
            EventKind::Note { text } => self.notes.push(text.clone()),
            EventKind::PhaseBegan { .. }
            | EventKind::Spent(_)
            | EventKind::Progress { .. }
            | EventKind::ServerReady { .. }
            | EventKind::WorkloadBegan { .. }
            | EventKind::WorkloadEnded(_)
            | EventKind::WalPosition { .. }
            | EventKind::RetentionApplied { .. }
            | EventKind::VerifierSaid { .. }
            | EventKind::Frozen { .. }
            | EventKind::Thawed { .. }
            | EventKind::Salvaged { .. }
            | EventKind::Observed { .. }
            | EventKind::ProbeFailed { .. }
            | EventKind::NodeStats { .. }
            | EventKind::ServerLogRead { .. }
            | EventKind::ServerLog { .. }
            | EventKind::DrillEnded { .. } => {}
        }
    }
}

fn judged(verdict: Verdict, outcome: Outcome, expected: BTreeMap<String, String>) -> Judged {
    Judged {
        verdict,
        outcome: outcome.verdict,
        reasons: outcome.reasons,
        expected,
        met: outcome.expected,
    }
}

fn skipped(judgement: &Judgement) -> BTreeMap<String, String> {
    let chosen = &judgement.plan.checks;
    let left_out = CheckKind::ALL
        .into_iter()
        .filter(|kind| !chosen.contains(kind));
    let left_out = left_out.map(|kind| (kind.name().to_owned(), "not selected".to_owned()));
    let senseless = judgement.not_applicable.iter();
    left_out
        .chain(senseless.map(|(name, why)| ((*name).to_owned(), why.clone())))
        .collect()
}

fn step_report(story: &Story<'_>, told: &crate::measure::story::StepTold<'_>) -> StepReport {
    let step = &story.plan.steps[told.index];
    let (outcome, error) = match told.outcome {
        Some(StepOutcome::Done) => ("done", ""),
        Some(StepOutcome::Failed(why)) => ("failed", why.as_str()),
        Some(StepOutcome::Skipped) => ("skipped", ""),
        None if told.began_us.is_some() => ("unfinished", ""),
        None => ("skipped", ""),
    };
    StepReport {
        number: told.index + 1,
        word: step.action.word().into(),
        title: step.title.clone(),
        from_us: told.began_us,
        us: told
            .ended_us
            .zip(told.began_us)
            .map(|(to, from)| to.saturating_sub(from)),
        outcome: outcome.into(),
        error: error.into(),
    }
}
