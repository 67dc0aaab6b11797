//! A judged drill as the reports tell it: a fold over its events.

use std::collections::BTreeMap;

use super::{CommandReport, DrillReport, Judged, StepReport};
use crate::{
    check::{Judgement, expect::Outcome},
    event::{Event, EventKind, StepOutcome},
    finding::Verdict,
    measure::{
        drill_history::{DrillHistory, StepTold},
        overhead,
        rto::spans,
    },
    scenario::plan::{CheckKind, Phase},
};

impl DrillReport {
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
        let story = DrillHistory::new(&judgement.plan, &judgement.events);
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
                self.variant.data_bytes += *bytes;
                self.variant.data_rows += *rows;
            }
            EventKind::Throughput(second) => self.throughput.push(second.clone()),
            EventKind::BackupTaken(backup) => self.backups.push(backup.clone()),
            EventKind::FaultInjected(fault) => self.faults.push(fault.clone()),
            EventKind::Restored(restore) => self.restores.push(restore.clone()),
            EventKind::ObjectStoreServed(served) => self.object_stores.push(served.clone()),
            EventKind::CutOver { workloads, to } => {
                self.cut_overs
                    .push((event.at_us, workloads.clone(), to.clone()));
            }
            EventKind::Note { text } => self.notes.push(text.clone()),
            _other => {}
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

fn step_report(story: &DrillHistory<'_>, told: &StepTold<'_>) -> StepReport {
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
        line: step.line,
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
