//! The loop that performs a plan: set up, do each step, look once more, remove everything.
//!
//! A drill tells what happens by appending events and judges nothing. Whatever goes
//! wrong ends up in its history; only a history that can't be begun is an error.

mod backup;
mod business;
mod closing;
mod expected_errors;
mod faults;
pub mod nodes;
pub mod people;
mod restore;
mod row_images;
mod salvage;
mod server_log;
mod set_up;
mod state;
mod step;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    bug,
    event::{Event, EventKind, StepOutcome},
    history::{FORMAT, HistoryError, Recorder, files},
    meter::Meter,
    runtime::{Runtime, RuntimeError},
    scenario::plan::{Phase, Plan, Step},
};
use people::People;
use state::{Drill, StepError};

/// Performs a plan and leaves its history in `dir`. `people` are asked where a drill times them.
///
/// # Errors
/// When the history can't be begun; nothing was created then.
pub async fn perform(
    plan: Arc<Plan>,
    runtime: Runtime,
    dir: PathBuf,
    listener: Option<mpsc::UnboundedSender<Event>>,
    people: Option<People>,
    cancel: CancellationToken,
) -> Result<(), HistoryError> {
    let recorder = begin(&plan, &dir, listener)?;
    let meter = Meter::new(recorder.began());
    let mut drill = Drill::new(plan, runtime, dir, recorder, meter.clone());
    drill.people = people;
    meter
        .over(Box::pin(from_begin_to_end(drill, &cancel)))
        .await;
    Ok(())
}

async fn from_begin_to_end(mut drill: Drill, cancel: &CancellationToken) {
    let deadline = drill.plan.deadline;
    let (runtime, recorder) = (drill.runtime.clone(), drill.recorder.clone());
    let doing = async {
        let done = bug::caught_in(Box::pin(doing(&mut drill))).await;
        done.unwrap_or_else(Err)
    };
    let whole = tokio::time::timeout(deadline.0, doing);
    let reason = tokio::select! {
        biased;
        () = cancel.cancelled() => "cancelled".to_owned(),
        outcome = whole => match outcome {
            Ok(Ok(())) => String::new(),
            Ok(Err(why)) => why,
            Err(_) => format!("the drill's deadline of {deadline} passed"),
        },
        error = runtime.gone() => error.to_string(),
        cause = recorder.failed() => format!("the history can't be written: {cause}"),
    };
    drill.close(reason).await;
}

fn begin(
    plan: &Plan,
    dir: &Path,
    listener: Option<mpsc::UnboundedSender<Event>>,
) -> Result<Recorder, HistoryError> {
    let error = |cause: std::io::Error| HistoryError {
        path: dir.to_owned(),
        cause: cause.to_string(),
    };
    std::fs::create_dir_all(dir.join(files::LOGS)).map_err(error)?;
    let text = serde_json::to_string_pretty(plan).map_err(|cause| error(cause.into()))?;
    std::fs::write(dir.join(files::PLAN), text).map_err(error)?;
    let recorder = Recorder::create(&dir.join(files::HISTORY), listener)?;
    recorder.record(EventKind::DrillStarted {
        format: FORMAT,
        scenario: plan.scenario.clone(),
        drill: plan.drill.clone(),
        wall: crate::units::wall_clock().to_string(),
        pgdrill: env!("CARGO_PKG_VERSION").into(),
    });
    recorder.record(EventKind::PhaseBegan {
        phase: Phase::Steady,
    });
    Ok(recorder)
}

/// Everything between the first event and the clean-up.
///
/// # Errors
/// Why the end was not reached.
async fn doing(drill: &mut Drill) -> Result<(), String> {
    let answers = drill.runtime.answers().await;
    answers.map_err(|error| error.to_string())?;
    if let Err(error) = drill.set_up().await {
        return Err(drill.explained(&error).await);
    }
    drill.account();
    let failed = steps(drill).await.map_err(|error| error.to_string())?;
    drill.stop_workloads().await?;
    drill.verify_again().await;
    match failed {
        None => {
            drill.look_after().await;
            drill.account();
            Ok(())
        }
        Some(step) => Err(format!("step {} failed", step + 1)),
    }
}

/// Performs the steps in order; after a failure the others are skipped. Returns the
/// index of the one that failed.
///
/// # Errors
/// When a step failed and the runtime no longer answers: nothing is said of the step then.
async fn steps(drill: &mut Drill) -> Result<Option<usize>, RuntimeError> {
    let mut failed = None;
    let plan = Arc::clone(&drill.plan);
    for (index, step) in plan.steps.iter().enumerate() {
        drill.recorder.record(EventKind::StepBegan {
            step: index,
            title: step.title.clone(),
        });
        let outcome = if failed.is_some() {
            StepOutcome::Skipped
        } else {
            match within_deadline(drill, step).await {
                Ok(()) => StepOutcome::Done,
                Err(error) => StepOutcome::Failed(drill.explained(&error).await),
            }
        };
        if matches!(outcome, StepOutcome::Failed(_)) {
            drill.runtime.answers().await?;
            failed = Some(index);
        }
        drill.account();
        drill.recorder.record(EventKind::StepEnded {
            step: index,
            outcome,
        });
    }
    Ok(failed)
}

/// How much longer than its deadline a step may take to tell what it waited for, and what it last saw.
const TO_TELL: Duration = Duration::from_secs(1);

/// Performs a step, once people have answered the fault that it answers: they may take
/// longer than its deadline.
async fn within_deadline(drill: &mut Drill, step: &Step) -> Result<(), StepError> {
    if drill.answers_fault(&step.action) {
        drill.wait_for_people().await?;
    }
    let performed = tokio::time::timeout(step.deadline.0 + TO_TELL, drill.perform(step));
    performed.await.unwrap_or_else(|_| {
        let deadline = step.deadline;
        Err(StepError::Missing(format!(
            "did not end within its deadline of {deadline}"
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::testing::salvage,
        history,
        runtime::testing::{self, BUG},
        scenario::{model::Model, plan::PRIMARY},
    };

    #[tokio::test]
    async fn a_bug_of_the_harness_ends_the_drill_with_its_end_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = testing::local(dir.path());
        let (mut plan, cancel) = (salvage().plan, CancellationToken::new());
        plan.postgres = testing::MAJOR;
        let primary = plan.servers.get_mut(PRIMARY).unwrap();
        primary.settings.insert("cluster_name".into(), BUG.into());
        for database in plan.databases.values_mut() {
            database.identity = Model::open(&database.model).unwrap().identity;
        }
        let place = dir.path().to_owned();
        let performed = perform(plan.into(), runtime, place, None, None, cancel).await;
        performed.unwrap();
        let events = history::read(&dir.path().join(files::HISTORY)).unwrap();
        let Some(EventKind::DrillEnded {
            completed, reason, ..
        }) = events.last().map(|event| &event.kind)
        else {
            panic!("{:?}", events.last());
        };
        assert!(
            !completed && reason.contains("a bug in pgdrill"),
            "{reason}"
        );
        assert!(reason.ends_with(BUG), "{reason}");
    }
}
