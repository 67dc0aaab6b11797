//! Writing the ledger: records from the clients to the file, and figures by second.
//!
//! Clients only put a record into a buffer; one thread of its own drains it twenty
//! times a second, appends the records to the ledger in the order of completion, flushes it, and
//! counts. So a slow disk or a busy runtime slows no client, and what a killed harness
//! loses is less than 100 ms old.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use hdrhistogram::Histogram;

use super::client::PATIENCE;
use crate::{
    event::{EventKind, Throughput, WorkloadSummary},
    history::Recorder,
    ledger::{Outcome, Record, Writer},
};

const DRAIN_EVERY: Duration = Duration::from_millis(50);
const SECOND: u64 = 1_000_000;
/// Records that wait to be written, at most: a disk that falls further behind, or hangs, leaves
/// no evidence, and must not fill the memory either.
const WAITING: usize = 1 << 20;
/// Different errors kept by workload; further ones are counted together.
const ERRORS: usize = 50;

/// What clients share with the thread that writes the ledger.
#[derive(Debug)]
pub struct Buffer {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    acknowledged: AtomicU64,
    /// By workload: what its clients met, and how often.
    errors: Vec<Mutex<BTreeMap<String, u64>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<Record>,
    closed: bool,
    /// More came than may wait.
    overflown: bool,
}

#[derive(Debug)]
pub struct LedgerWriter {
    thread: JoinHandle<std::io::Result<Vec<WorkloadSummary>>>,
}

impl Buffer {
    pub fn new(workloads: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            acknowledged: AtomicU64::new(0),
            errors: (0..workloads).map(|_| Mutex::default()).collect(),
        })
    }

    pub fn put(&self, record: Record) {
        if record.outcome == Outcome::Ok {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        let mut waiting = self.waiting();
        match waiting.records.len() < WAITING {
            true => waiting.records.push(record),
            false => waiting.overflown = true,
        }
    }

    pub fn error(&self, workload: u8, text: &str) {
        let mut errors = lock(&self.errors[usize::from(workload)]);
        let room = errors.len() < ERRORS || errors.contains_key(text);
        let text = if room { text } else { "other errors" };
        *errors.entry(text.to_owned()).or_default() += 1;
    }

    /// Transactions acknowledged so far, over all workloads, reads among them.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// No more records will come.
    pub fn close(&self) {
        self.waiting().closed = true;
        self.wake.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    /// Waits for the next turn; takes what waits, and whether it was the last.
    fn take(&self, into: &mut Vec<Record>) -> bool {
        let waiting = self.waiting();
        let waited = self
            .wake
            .wait_timeout_while(waiting, DRAIN_EVERY, |waiting| !waiting.closed);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.records, into);
        waiting.closed
    }
}

impl LedgerWriter {
    /// Begins the ledger and the thread that writes it.
    pub fn start(
        buffer: Arc<Buffer>,
        names: Vec<String>,
        ledger: &Path,
        recorder: Recorder,
    ) -> std::io::Result<Self> {
        let writer = Writer::create(ledger)?;
        let from_us = recorder.now_us();
        let figures = names.into_iter().map(|name| Figures::new(name, from_us));
        let figures = figures.collect();
        let thread = std::thread::Builder::new().name("ledger".into());
        let thread = thread.spawn(move || write(&buffer, writer, figures, &recorder))?;
        Ok(Self { thread })
    }

    /// Waits for the last record to be written; the buffer must be closed.
    ///
    /// # Errors
    /// When the ledger could not be written: it is then no evidence.
    pub fn finish(self) -> std::io::Result<Vec<WorkloadSummary>> {
        let joined = self.thread.join();
        joined.unwrap_or_else(|_| Err(std::io::Error::other("the ledger's thread panicked")))
    }
}

fn write(
    buffer: &Arc<Buffer>,
    mut writer: Writer,
    mut figures: Vec<Figures>,
    recorder: &Recorder,
) -> std::io::Result<Vec<WorkloadSummary>> {
    let mut records = Vec::new();
    let mut last = false;
    let mut written = Ok(());
    while !last {
        // What is acknowledged before this instant is in the buffer, but for a client that
        // stands between its clock and the buffer.
        let now_us = recorder.now_us();
        // Without clients nobody is left to close it: the drill was dropped.
        last = buffer.take(&mut records) || Arc::strong_count(buffer) == 1;
        for record in records.drain(..) {
            if written.is_ok() {
                written = writer.append(&record);
            }
            figures[usize::from(record.workload)].count(&record, recorder);
        }
        written = written.and_then(|()| writer.flush());
        for figures in &mut figures {
            figures.show_seconds_before(now_us, recorder);
        }
    }
    written?;
    if buffer.waiting().overflown {
        let why = format!("more than {WAITING} records waited to be written");
        return Err(std::io::Error::other(why));
    }
    let ends = figures.into_iter().zip(&buffer.errors);
    let ended = ends.map(|(figures, errors)| figures.end(lock(errors).clone()));
    Ok(ended.collect())
}

/// Counts and latencies of one workload.
#[derive(Debug)]
struct Figures {
    name: String,
    second: Window,
    whole: Window,
    from_us: u64,
}

#[derive(Debug)]
struct Window {
    counts: [u64; 3],
    latency: Histogram<u64>,
}

impl Figures {
    fn new(name: String, from_us: u64) -> Self {
        Self {
            name,
            second: Window::new(),
            whole: Window::new(),
            from_us,
        }
    }

    fn count(&mut self, record: &Record, recorder: &Recorder) {
        self.show_seconds_before(record.acked_us, recorder);
        self.second.count(record);
        self.whole.count(record);
    }

    /// Shows every second that has ended by then.
    fn show_seconds_before(&mut self, us: u64, recorder: &Recorder) {
        while self.from_us + SECOND <= us {
            let [ok, fail, info] = self.second.counts;
            recorder.record(EventKind::Throughput(Throughput {
                workload: self.name.clone(),
                from_us: self.from_us,
                ok,
                fail,
                info,
                p95_us: self.second.latency.value_at_quantile(0.95),
            }));
            self.from_us += SECOND;
            self.second.clear();
        }
    }

    fn end(self, errors: BTreeMap<String, u64>) -> WorkloadSummary {
        let [ok, fail, info] = self.whole.counts;
        let latency = &self.whole.latency;
        WorkloadSummary {
            workload: self.name,
            ok,
            fail,
            info,
            p50_us: latency.value_at_quantile(0.5),
            p95_us: latency.value_at_quantile(0.95),
            p99_us: latency.value_at_quantile(0.99),
            max_us: latency.max(),
            errors,
        }
    }
}

impl Window {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, 3600 * SECOND, 3);
        Self {
            counts: [0; 3],
            latency: latency.expect("bounds and digits are good"),
        }
    }

    /// Latency counts for what was acknowledged, and for what was given up or never answered:
    /// it took at least that long. A refusal is quick and would only flatter.
    fn count(&mut self, record: &Record) {
        match record.outcome {
            Outcome::Ok => self.counts[0] += 1,
            Outcome::Fail => self.counts[1] += 1,
            Outcome::Info => self.counts[2] += 1,
        }
        let latency = record.acked_us.saturating_sub(record.intended_us);
        if record.outcome == Outcome::Ok || latency >= PATIENCE.as_micros() as u64 {
            self.latency.saturating_record(latency.max(1));
        }
    }

    fn clear(&mut self) {
        self.counts = [0; 3];
        self.latency.reset();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(outcome: Outcome, acked_us: u64) -> Record {
        Record {
            key: crate::ledger::Key::NONE,
            version: 0,
            outcome,
            workload: 0,
            tenant: 0,
            digest: 0,
            intended_us: 1_000,
            sent_us: 1_000,
            acked_us,
            lsn: 0,
            xid: 0,
        }
    }

    #[test]
    fn a_ledger_that_falls_behind_is_no_evidence() {
        let buffer = Buffer::new(1);
        (0..=WAITING).for_each(|_| buffer.put(one(Outcome::Ok, 1_100)));
        buffer.close();
        let dir = tempfile::tempdir().unwrap();
        let (file, recorder) = (dir.path().join("ledger"), Recorder::in_memory());
        let writer = LedgerWriter::start(buffer, vec!["oa".into()], &file, recorder);
        let error = writer.unwrap().finish().unwrap_err().to_string();
        assert!(error.contains("waited to be written"), "{error}");
    }

    #[test]
    fn what_was_given_up_is_no_fast_transaction() {
        let mut window = Window::new();
        window.count(&one(Outcome::Ok, 3_000));
        window.count(&one(Outcome::Fail, 1_100));
        assert_eq!((window.latency.len(), window.latency.max()), (1, 2_000));
        window.count(&one(Outcome::Fail, 6_001_000));
        window.count(&one(Outcome::Info, 9_001_000));
        assert_eq!(window.latency.len(), 3);
        assert!(window.latency.max() >= 9_000_000);
    }
}
