//! One client: keeps its arrivals, lives through outages, follows its endpoint.
//!
//! A transaction that can't begin when it is meant to begins as soon as it can, and its
//! latency counts from the intended start. One that could not be sent for [`PATIENCE`],
//! in an outage or behind slower ones, is given up: recorded as `fail` without a key,
//! because nothing was ever tried. So an outage is visible, the backlog bounded, and no
//! arrival is silently skipped.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use rand::RngExt;
use tokio::{sync::watch, time::sleep};

use super::{
    arrivals::Arrivals,
    ledger_writer::Buffer,
    outcome::classify,
    script::{Memory, Script, Transaction},
    wire::{Answer, Trouble, Wire},
};
use crate::{
    history::Recorder,
    ledger::{Key, Outcome, Record},
    postgres::Access,
};

/// How long a transaction waits to be sent.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Longest pause between two tries to get through.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Client {
    pub script: Arc<Script>,
    pub memory: Memory,
    pub arrivals: Arrivals,
    pub place: watch::Receiver<Access>,
    /// Whether its application is shut down.
    pub halted: watch::Receiver<bool>,
    pub stop: watch::Receiver<bool>,
    pub buffer: Arc<Buffer>,
    pub recorder: Recorder,
    /// Its connection; none: not yet, or not any more.
    pub wire: Option<Wire>,
    /// How long it rests when it does not get through.
    pub pause: Duration,
}

impl Client {
    /// Runs until told to stop; a transaction under way is ended first.
    pub async fn run(mut self) {
        while self.turn().await.is_continue() {}
    }

    /// One arrival: waited for, connected for, performed.
    async fn turn(&mut self) -> ControlFlow<()> {
        let due_us = self.arrivals.due_us(self.recorder.now_us());
        let early = due_us.saturating_sub(self.recorder.now_us());
        if early > 0 {
            let mut halted = self.halted.clone();
            let waiting = async {
                tokio::select! {
                    () = sleep(Duration::from_micros(early)) => {}
                    _ = halted.wait_for(|halted| *halted) => {}
                }
            };
            stoppable(&mut self.stop, waiting).await?;
        }
        if self.was_halted().await? {
            return ControlFlow::Continue(());
        }
        if *self.stop.borrow() {
            return ControlFlow::Break(());
        }
        let connected = self.connected().await?;
        if self.gave_up_late() || !connected {
            return ControlFlow::Continue(());
        }
        let now_us = self.recorder.now_us();
        let intended_us = self.arrivals.due_us(now_us);
        self.arrivals.advance();
        let outcome = self.perform(intended_us).await;
        if outcome == Outcome::Ok {
            self.pause = SHORTEST_PAUSE;
        } else if self.arrivals.is_closed() {
            // Nothing else slows a closed loop that is refused at once.
            self.rest().await?;
        }
        ControlFlow::Continue(())
    }

    /// Whether its application was shut down: then it had no connection until it was started again.
    async fn was_halted(&mut self) -> ControlFlow<(), bool> {
        if !*self.halted.borrow() {
            return ControlFlow::Continue(false);
        }
        self.wire = None;
        let mut halted = self.halted.clone();
        let started = async { drop(halted.wait_for(|halted| !*halted).await) };
        stoppable(&mut self.stop, started).await?;
        ControlFlow::Continue(true)
    }

    /// Whether there is a connection to where the endpoint is now; tries once to get one.
    async fn connected(&mut self) -> ControlFlow<(), bool> {
        let moved = self.place.has_changed().unwrap_or(false);
        if moved || self.wire.as_mut().is_some_and(Wire::is_dead) {
            self.wire = None;
        }
        if self.wire.is_some() {
            return ControlFlow::Continue(true);
        }
        let place = self.place.borrow_and_update().clone();
        let connecting = Wire::connect(&place, self.script.statements.clone());
        let mut endpoint = self.place.clone();
        let connected = tokio::select! {
            connected = connecting => connected,
            _ = endpoint.changed() => return ControlFlow::Continue(false),
            _ = self.stop.wait_for(|stop| *stop) => return ControlFlow::Break(()),
        };
        match connected {
            Ok(wire) => self.wire = Some(wire),
            Err(trouble) => {
                self.note("connect", &trouble);
                self.rest().await?;
            }
        }
        ControlFlow::Continue(self.wire.is_some())
    }

    /// Exponential back-off with jitter, ended early by a move or a stop.
    async fn rest(&mut self) -> ControlFlow<()> {
        let pause = self.pause.mul_f64(self.memory.rng.random_range(0.5..=1.0));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let mut endpoint = self.place.clone();
        let resting = async {
            tokio::select! {
                () = sleep(pause) => {}
                _ = endpoint.changed() => {}
            }
        };
        stoppable(&mut self.stop, resting).await
    }

    /// Records the arrivals whose patience is over; whether there were any.
    fn gave_up_late(&mut self) -> bool {
        if self.arrivals.is_closed() {
            return false;
        }
        let now_us = self.recorder.now_us();
        let patience = PATIENCE.as_micros() as u64;
        let mut late = Vec::new();
        while self.arrivals.due_us(now_us) + patience <= now_us {
            late.push(self.arrivals.due_us(now_us));
            self.arrivals.advance();
        }
        for intended_us in &late {
            self.give_up(*intended_us, now_us);
        }
        !late.is_empty()
    }

    fn give_up(&self, intended_us: u64, now_us: u64) {
        let text = format!("given up: not sent within {} s", PATIENCE.as_secs());
        self.error(&text);
        let none = Transaction::none();
        let times = [intended_us, now_us, now_us];
        self.record(&none, Outcome::Fail, times, &Answer::default());
    }

    async fn perform(&mut self, intended_us: u64) -> Outcome {
        let transaction = self.script.next(&mut self.memory);
        let sent_us = self.recorder.now_us();
        let Some(wire) = &mut self.wire else {
            return Outcome::Fail;
        };
        let writes = transaction.key != Key::NONE;
        let answer = tokio::select! {
            answer = wire.transact(&transaction.calls, writes) => answer,
            _ = self.place.changed() => {
                // Seen by the receiver now; what matters is that the connection goes.
                abandoned()
            }
        };
        let acked_us = self.recorder.now_us();
        let outcome = self.conclude(&answer);
        self.memory.learn(&transaction, outcome);
        let times = [intended_us, sent_us, acked_us];
        self.record(&transaction, outcome, times, &answer);
        outcome
    }

    /// The outcome of an answer; drops a connection that is of no more use.
    fn conclude(&mut self, answer: &Answer) -> Outcome {
        if let Some(trouble) = &answer.error {
            self.note("", trouble);
        }
        if !answer.usable {
            self.wire = None;
        }
        let sqlstate = answer.error.as_ref().and_then(|e| e.sqlstate.as_deref());
        let outcome = classify(answer.reached, sqlstate);
        if outcome == Outcome::Ok && answer.row_gone {
            // Committed, but the row that was to be changed is not there, or not in the
            // version it was left in: this version was not written.
            self.error("the client's own row is gone");
            return Outcome::Fail;
        }
        outcome
    }

    fn note(&self, doing: &str, trouble: &Trouble) {
        let parts = [
            doing,
            trouble.sqlstate.as_deref().unwrap_or(""),
            &trouble.message,
        ];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.error(&parts.join(" "));
    }

    fn error(&self, text: &str) {
        self.buffer.error(self.script.workload, text);
    }

    fn record(
        &self,
        transaction: &Transaction,
        outcome: Outcome,
        times: [u64; 3],
        answer: &Answer,
    ) {
        let [intended_us, sent_us, acked_us] = times;
        self.buffer.put(Record {
            key: transaction.key,
            version: transaction.version,
            outcome,
            workload: self.script.workload,
            tenant: transaction.tenant,
            digest: transaction.digest,
            intended_us,
            sent_us,
            acked_us,
            lsn: answer.lsn,
            xid: answer.xid,
        });
    }
}

/// A transaction that the endpoint's move cut short.
fn abandoned() -> Answer {
    Answer {
        error: Some(Trouble {
            sqlstate: None,
            message: "abandoned: the endpoint moved".into(),
        }),
        ..Answer::default()
    }
}

/// Waits for something unless told to stop before.
async fn stoppable(
    stop: &mut watch::Receiver<bool>,
    waiting: impl Future<Output = ()>,
) -> ControlFlow<()> {
    tokio::select! {
        () = waiting => ControlFlow::Continue(()),
        _ = stop.wait_for(|stop| *stop) => ControlFlow::Break(()),
    }
}
