//! Telling while it happens: a line a drill with its current step and its time so far, and
//! a bar while something long is loaded, backed up or restored. Where standard error is no terminal:
//! a plain line a step.

use std::{
    collections::HashMap,
    io::IsTerminal,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::say;
use crate::{
    event::{Event, EventKind, StepOutcome},
    measure::rpo::time,
    scenario::plan::Plan,
    units::Bytes,
};

/// The live telling of one run. May be shared by drills that run at the same time.
#[derive(Debug)]
pub struct Live {
    lines: Mutex<HashMap<String, Line>>,
    screen: Option<MultiProgress>,
}

#[derive(Debug)]
struct Line {
    steps: usize,
    /// The current step, as shown.
    step: String,
    bar: Option<ProgressBar>,
}

impl Live {
    pub fn new(drills: &[Plan]) -> Self {
        let screen = std::io::stderr().is_terminal().then(MultiProgress::new);
        let width = drills
            .iter()
            .map(|plan| plan.drill.chars().count())
            .max()
            .unwrap_or(0);
        let line = |plan: &Plan| Line {
            steps: plan.steps.len(),
            step: "waiting".into(),
            bar: screen
                .as_ref()
                .map(|screen| bar(screen, &plan.drill, width)),
        };
        let lines = drills
            .iter()
            .map(|plan| (plan.drill.clone(), line(plan)))
            .collect();
        Self {
            lines: Mutex::new(lines),
            screen,
        }
    }

    /// Says something without disturbing the bars.
    pub fn say(&self, text: &str) {
        match &self.screen {
            // A terminal that has gone away must not stop a drill.
            Some(screen) => screen.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// A drill is not performed: its line goes.
    pub fn skip(&self, drill: &str, why: &str) {
        let line = self.lock().remove(drill);
        if let Some(bar) = line.and_then(|line| line.bar) {
            bar.finish_and_clear();
        }
        self.say(&format!("{drill}: skipped: {why}"));
    }

    pub fn event(&self, drill: &str, event: &Event) {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(drill) else {
            return;
        };
        if let EventKind::Progress { work, done, total } = &event.kind {
            line.progress(work, *done, *total);
            return;
        }
        if let (EventKind::DrillStarted { .. }, Some(bar)) = (&event.kind, &line.bar) {
            begin(bar);
        }
        if let Some(text) = line.news(event) {
            line.step.clone_from(&text);
            match &line.bar {
                Some(bar) => show_text(bar, text),
                None => say(&format!("{drill}: {:>7} {text}", time(event.at_us))),
            }
        }
        if let (EventKind::Observed { server, .. }, Some(bar)) = (&event.kind, &line.bar) {
            show_text(bar, format!("{} · looking at {server}", line.step));
        }
        if let (EventKind::DrillEnded { .. }, Some(bar)) = (&event.kind, &line.bar) {
            bar.disable_steady_tick();
        }
    }

    /// Takes the bars away; what the run came to is printed by [`super::summary`].
    pub fn finish(&self) {
        for bar in self.lock().values().filter_map(|line| line.bar.as_ref()) {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// What a person wants to hear of an event; none: nothing.
    fn news(&self, event: &Event) -> Option<String> {
        match &event.kind {
            EventKind::DrillStarted { .. } => Some("set-up".into()),
            EventKind::Environment {
                runtime, postgres, ..
            } => Some(format!("PostgreSQL {postgres} on {runtime}")),
            EventKind::StepBegan { step, title } => {
                Some(format!("{}/{} {title}", step + 1, self.steps))
            }
            EventKind::StepEnded { step, outcome } => match outcome {
                StepOutcome::Failed(why) => {
                    let first = why.lines().next().unwrap_or_default();
                    Some(format!("{}/{} failed: {first}", step + 1, self.steps))
                }
                StepOutcome::Done | StepOutcome::Skipped => None,
            },
            EventKind::DataLoaded {
                bytes,
                rows,
                took_us,
                ..
            } => Some(format!(
                "loaded {rows} rows, {} in {}",
                Bytes(*bytes),
                time(*took_us)
            )),
            EventKind::FaultInjected(fault) => Some(format!(
                "{} on {}: {}",
                fault.fault, fault.target, fault.evidence
            )),
            EventKind::DrillEnded {
                completed: true, ..
            } => Some("ended, judging".into()),
            EventKind::DrillEnded { reason, .. } => Some(format!("ended early: {reason}")),
            EventKind::Note { text } => Some(text.clone()),
            _other => None,
        }
    }

    /// Long work: a bar where the end is known, bytes where it is not; nothing in a log.
    fn progress(&self, work: &str, done: u64, total: u64) {
        let Some(bar) = &self.bar else {
            return;
        };
        if done == total {
            show_text(bar, self.step.clone());
            return;
        }
        if total == 0 {
            show_text(bar, format!("{} · {work} {}", self.step, Bytes(done)));
            return;
        }
        bar.set_style(style(
            "{prefix} {spinner} {elapsed:>4} [{bar:20}] {wide_msg}",
        ));
        bar.set_length(total);
        bar.set_position(done.min(total));
        bar.set_message(format!("{work} {} of {}", Bytes(done), Bytes(total)));
    }
}

fn bar(screen: &MultiProgress, drill: &str, width: usize) -> ProgressBar {
    let bar = screen.add(ProgressBar::no_length());
    bar.set_prefix(format!("{drill:<width$}"));
    // Where the text of one that has begun stands.
    bar.set_style(style("{prefix}        {wide_msg}"));
    bar.set_message("waiting");
    bar
}

/// Its time runs from now on.
fn begin(bar: &ProgressBar) {
    bar.reset_elapsed();
    bar.enable_steady_tick(Duration::from_millis(120));
}

fn show_text(bar: &ProgressBar, text: String) {
    bar.set_style(style("{prefix} {spinner} {elapsed:>4} {wide_msg}"));
    bar.set_message(text);
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
