//! Append events, read them again, and know where a drill's files lie.
//!
//! A [`Recorder`] is a cheap handle that anything that acts may hold. Secrets are
//! redacted before an event is written. What events mean does not belong here.

pub mod planned;
mod progress;
mod redaction;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::sync::{SetOnce, mpsc};

pub use progress::{Bytes, Progress};

use crate::event::{Event, EventKind};
use redaction::Secrets;

/// The format in which histories and plans are written, and the only one that is read. A
/// change of what an event, an observation or the plan means, or has, is a new number.
/// 3: faults have names, and errors are expected of each by its name; backups are as tools list them;
/// the plan holds what clients do. 5: steps and strategy of a plan are written as in their files.
/// 6: a verifier's word says of which server's backup it is.
/// 7: what object stores were asked, and how long a sample of the archiver took.
pub const FORMAT: u32 = 7;

/// Names of the files of one drill, below `<run>/drills/<drill>/`.
pub mod files {
    pub const HISTORY: &str = "history.jsonl";
    pub const PLAN: &str = "plan.json";
    /// Every transaction the workloads tried.
    pub const LEDGER: &str = "ledger";
    /// Rows found after the last step; the server's name follows (`workload::readback`).
    pub const READBACK: &str = "readback";
    /// Images of rows; a number and the server's name follow.
    pub const IMAGES: &str = "images";
    pub const LOGS: &str = "logs";
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct HistoryError {
    pub path: PathBuf,
    pub cause: String,
}

impl HistoryError {
    fn new(path: &Path, cause: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }
}

/// Writes the history of one drill. Clones share one file and one clock.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    state: Mutex<State>,
    /// The first failure to write.
    failed: SetOnce<String>,
}

#[derive(Debug)]
struct State {
    seq: u64,
    out: Option<BufWriter<File>>,
    secrets: Secrets,
    listener: Option<mpsc::UnboundedSender<Event>>,
    kept: Vec<Event>,
}

impl Recorder {
    /// Begins a history in `file`; each event is also sent to `listener`.
    pub fn create(
        file: &Path,
        listener: Option<mpsc::UnboundedSender<Event>>,
    ) -> Result<Self, HistoryError> {
        let out = File::create_new(file).map_err(|cause| HistoryError::new(file, cause))?;
        Ok(Self::with(Some(BufWriter::new(out)), listener))
    }

    /// A history that is only kept in memory, for tests and for work outside a drill.
    pub fn in_memory() -> Self {
        Self::with(None, None)
    }

    fn with(out: Option<BufWriter<File>>, listener: Option<mpsc::UnboundedSender<Event>>) -> Self {
        let state = State {
            seq: 0,
            out,
            secrets: Secrets::default(),
            listener,
            kept: Vec::new(),
        };
        Self {
            inner: Arc::new(Inner {
                began: Instant::now(),
                state: Mutex::new(state),
                failed: SetOnce::new(),
            }),
        }
    }

    /// Microseconds since the drill began: the one clock.
    pub fn now_us(&self) -> u64 {
        self.inner.began.elapsed().as_micros() as u64
    }

    /// The instant at which the clock read zero.
    pub fn began(&self) -> Instant {
        self.inner.began
    }

    /// From now on this text is replaced by `***` in every event.
    pub fn redact(&self, secret: &str) {
        self.lock().secrets.add(secret);
    }

    /// A text that is kept elsewhere, with `***` in place of what must not be.
    pub fn redacted(&self, text: &str) -> String {
        self.lock().secrets.hide(text)
    }

    /// Appends an event and flushes it.
    pub fn record(&self, kind: EventKind) {
        let mut state = self.lock();
        let event = Event {
            seq: state.seq,
            at_us: self.now_us(),
            kind,
        };
        let event = state.redacted(event);
        state.seq += 1;
        if let Err(cause) = state.keep(&event) {
            let _ = self.inner.failed.set(cause.to_string());
        }
        if let Some(listener) = &state.listener {
            // A reporter that has gone away must not stop a drill.
            let _ = listener.send(event);
        }
    }

    /// Returns when an event could not be written, with why: the history is then no evidence.
    pub async fn failed(&self) -> &str {
        self.inner.failed.wait().await
    }

    /// The events so far (those of an in-memory history).
    pub fn events(&self) -> Vec<Event> {
        self.lock().kept.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    /// In place of an event that could not be rid of its secrets stands that there was one.
    fn redacted(&self, event: Event) -> Event {
        self.secrets.hidden(&event).unwrap_or(Event {
            kind: EventKind::Withheld,
            ..event
        })
    }

    fn keep(&mut self, event: &Event) -> io::Result<()> {
        let Some(out) = &mut self.out else {
            self.kept.push(event.clone());
            return Ok(());
        };
        serde_json::to_writer(&mut *out, event)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Reads a history from its file. A torn last line (a killed harness) ends it.
///
/// # Errors
/// When the file can't be read, is of another [`FORMAT`], or a line that is not the last is
/// no event.
pub fn read(file: &Path) -> Result<Vec<Event>, HistoryError> {
    check_format(file)?;
    let reader = File::open(file).map_err(|cause| HistoryError::new(file, cause))?;
    let lines: Vec<String> = BufReader::new(reader)
        .lines()
        .collect::<Result<_, _>>()
        .map_err(|cause| HistoryError::new(file, cause))?;
    let mut events = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            Err(_) if number + 1 == lines.len() => break,
            Err(cause) => {
                let cause = format!("line {}: {cause}", number + 1);
                return Err(HistoryError::new(file, cause));
            }
        }
    }
    Ok(events)
}

/// Whether a history is of the format that is read here. One whose first line tells no
/// format because it is no drill's beginning at all is left to [`read`] and to the checks.
pub fn check_format(file: &Path) -> Result<(), HistoryError> {
    let opened = File::open(file).map_err(|cause| HistoryError::new(file, cause))?;
    let mut first = String::new();
    let mut line = BufReader::new(opened.take(LONGEST_BEGINNING));
    line.read_line(&mut first)
        .map_err(|cause| HistoryError::new(file, cause))?;
    let told: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
    let Some(started) = told.pointer("/kind/drill_started") else {
        return Ok(());
    };
    let format = started.get("format").and_then(|it| it.as_u64());
    if format == Some(u64::from(FORMAT)) {
        return Ok(());
    }
    let found = format.unwrap_or(1);
    let cause =
        format!("line 1: a history of format {found}, and this pgdrill reads format {FORMAT}");
    Err(HistoryError::new(file, cause))
}

/// The first event of a history is shorter.
const LONGEST_BEGINNING: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> EventKind {
        EventKind::Note { text: text.into() }
    }

    #[test]
    fn a_history_reads_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(files::HISTORY);
        let recorder = Recorder::create(&file, None).unwrap();
        recorder.record(note("one"));
        recorder.record(note("two"));
        let events = read(&file).unwrap();
        assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(events[1].kind, note("two"));
    }

    #[tokio::test]
    async fn a_history_that_cannot_be_written_is_told() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let recorder = Recorder::with(Some(BufWriter::new(full)), None);
        recorder.record(note("one"));
        assert!(recorder.failed().await.contains("No space left"));
    }

    #[test]
    fn no_event_is_earlier_than_the_one_before_it() {
        let recorder = Recorder::in_memory();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| recorder.record(note("tick"))));
            }
        });
        let events = recorder.events();
        assert_eq!(events.len(), 2000);
        for pair in events.windows(2) {
            assert!(pair[0].at_us <= pair[1].at_us && pair[0].seq < pair[1].seq);
        }
    }

    #[test]
    fn secrets_are_redacted_before_they_are_written() {
        let recorder = Recorder::in_memory();
        recorder.redact("hunter2");
        recorder.record(note("password=hunter2"));
        assert_eq!(recorder.events()[0].kind, note("password=***"));
    }

    #[test]
    fn a_torn_last_line_ends_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(files::HISTORY);
        let recorder = Recorder::create(&file, None).unwrap();
        recorder.record(note("one"));
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("{\"seq\":1,\"at");
        std::fs::write(&file, text).unwrap();
        assert_eq!(read(&file).unwrap().len(), 1);
    }

    #[test]
    fn a_history_of_another_format_is_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(files::HISTORY);
        for (format, told) in [("", 1), ("\"format\":99,", 99)] {
            let line = format!(
                "{{\"seq\":0,\"at_us\":0,\"kind\":{{\"drill_started\":{{{format}\"pgdrill\":\"0.1.0\"}}}}}}\n"
            );
            std::fs::write(&file, line).unwrap();
            let refused = read(&file).unwrap_err().to_string();
            let expected = format!("line 1: a history of format {told}, and this pgdrill reads");
            assert!(refused.contains(&expected), "{refused}");
        }
    }
}
