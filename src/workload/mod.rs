//! Live clients of the businesses: transactions at a given rate, and the ledger of what
//! the servers answered.
//!
//! `script` says what a client does, `rows` what it writes, `arrivals` when, `wire` how, `client`
//! what it makes of trouble; `ledger_writer` writes it down. Judging the ledger (`check/`) and
//! filling the database (`model/`) do not belong here.

mod arrivals;
mod client;
mod ledger_writer;
pub mod outcome;
mod own_tables;
pub mod readback;
mod rows;
mod script;
mod wire;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use rand_chacha::ChaCha12Rng;
use tokio::{sync::watch, task::JoinSet};

pub use own_tables::create as create_own_tables;

use crate::{
    event::{EventKind, WorkloadSummary},
    history::Recorder,
    ledger::{CLIENTS, Key},
    model,
    postgres::Access,
    scenario::plan::{Plan, WorkloadPlan},
    secret::Secret,
    units::Rate,
};
use arrivals::Arrivals;
use client::Client;
use ledger_writer::{Buffer, LedgerWriter};
use script::{Memory, Script};

/// Clients have a transaction's deadline, and a little, to end.
const END: Duration = Duration::from_secs(wire::DEADLINE.as_secs() + 2);

/// All workloads of a drill, running. Start them once a drill: keys would repeat.
#[derive(Debug)]
pub struct Workloads {
    /// By workload: where its clients go, and as whom. They notice a move and follow.
    places: BTreeMap<String, watch::Sender<Access>>,
    /// By workload: whether its application is shut down.
    halted: BTreeMap<String, watch::Sender<bool>>,
    buffer: Arc<Buffer>,
    writer: LedgerWriter,
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
    recorder: Recorder,
}

/// Why workloads could not be started, or their ledger not be written.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error("workload `{workload}`: {cause}")]
    Business { workload: String, cause: String },
    #[error("workload `{workload}`: no password was given for role `{role}`")]
    NoPassword { workload: String, role: String },
    /// A table that its clients write, or the SQL that makes it.
    #[error("workload `{workload}`: {cause}")]
    Table { workload: String, cause: String },
    #[error("{0} (hint: at most 64 workloads and {CLIENTS} clients of each)")]
    TooMany(String),
    #[error("ledger: {0}")]
    Ledger(#[from] std::io::Error),
    /// A client panicked: what it did last stands nowhere.
    #[error("a bug in pgdrill: a client ended in the middle")]
    Crashed,
}

impl Workloads {
    /// Starts every workload of the plan, each against the server that `place` says (host and port;
    /// it logs in to its own database as its own role). Must be called within a tokio runtime.
    pub fn start(
        plan: &Plan,
        place: impl Fn(&str) -> Access,
        passwords: &BTreeMap<String, Secret>,
        recorder: &Recorder,
        ledger_file: &Path,
        nonce: u64,
    ) -> Result<Self, WorkloadError> {
        fits(plan)?;
        let names: Vec<String> = plan.workloads.keys().cloned().collect();
        let prepared = prepare(plan, passwords, nonce)?;
        let buffer = Buffer::new(names.len());
        let writer = LedgerWriter::start(buffer.clone(), names, ledger_file, recorder.clone())?;
        let mut workloads = Self {
            places: BTreeMap::new(),
            halted: BTreeMap::new(),
            buffer,
            writer,
            clients: JoinSet::new(),
            stop: watch::Sender::new(false),
            recorder: recorder.clone(),
        };
        for ((name, workload), (script, password)) in plan.workloads.iter().zip(prepared) {
            let access = place(name).within(&workload.database);
            let access = access.as_role(&script.role, &password);
            workloads.begin(name, workload, script, access);
        }
        Ok(workloads)
    }

    fn begin(&mut self, name: &str, workload: &WorkloadPlan, script: Script, access: Access) {
        let script = Arc::new(script);
        let (place, halted) = (watch::Sender::new(access), watch::Sender::new(false));
        for number in 0..workload.clients as u16 {
            let client = Client {
                memory: Memory::new(number, stream(&script, number, 1)),
                arrivals: self.arrivals(workload, &script, number),
                script: script.clone(),
                place: place.subscribe(),
                halted: halted.subscribe(),
                stop: self.stop.subscribe(),
                buffer: self.buffer.clone(),
                recorder: self.recorder.clone(),
                wire: None,
                pause: client::SHORTEST_PAUSE,
            };
            self.clients.spawn(client.run());
        }
        self.recorder.record(EventKind::WorkloadBegan {
            workload: name.to_owned(),
            clients: workload.clients,
        });
        self.places.insert(name.to_owned(), place);
        self.halted.insert(name.to_owned(), halted);
    }

    fn arrivals(&self, workload: &WorkloadPlan, script: &Script, client: u16) -> Arrivals {
        let rng = stream(script, client, 2);
        let share = f64::from(workload.clients.max(1));
        match workload.rate {
            Rate::PerSecond(rate) => {
                Arrivals::open(rng, rate / share, script.bursts, self.recorder.now_us())
            }
            Rate::Max => Arrivals::closed(rng),
        }
    }

    /// Sends a workload's clients to their database on another server: they drop their connections
    /// at once, even in the middle of a transaction (whose outcome is then `info`).
    pub fn move_to(&self, workload: &str, server: &Access) {
        if let Some(place) = self.places.get(workload) {
            place.send_modify(|own| {
                own.host.clone_from(&server.host);
                own.port = server.port;
            });
        }
    }

    /// Shuts a workload's application down, or starts it again: its clients end the transactions that
    /// they are in and close their connections. What is due meanwhile waits, or is given up.
    pub fn halt(&self, workload: &str, halted: bool) {
        if let Some(own) = self.halted.get(workload) {
            own.send_replace(halted);
        }
    }

    /// Transactions acknowledged so far, over all workloads, reads among them.
    pub fn acknowledged(&self) -> u64 {
        self.buffer.acknowledged()
    }

    /// Ends all clients after the transactions they are in, closes the ledger and records
    /// `WorkloadEnded`. Takes no longer than a transaction's deadline and a little.
    ///
    /// # Errors
    /// When the ledger could not be written, or a client crashed: it is then no evidence.
    pub async fn stop(mut self) -> Result<Vec<WorkloadSummary>, WorkloadError> {
        self.stop.send_replace(true);
        let mut crashed = false;
        let ended = async {
            while let Some(ended) = self.clients.join_next().await {
                crashed |= ended.is_err();
            }
        };
        if tokio::time::timeout(END, ended).await.is_err() {
            self.clients.shutdown().await;
        }
        self.buffer.close();
        let writer = self.writer;
        let finished = tokio::task::spawn_blocking(move || writer.finish()).await;
        let summaries = finished.map_err(std::io::Error::other)??;
        if crashed {
            return Err(WorkloadError::Crashed);
        }
        for summary in &summaries {
            let ended = EventKind::WorkloadEnded(summary.clone());
            self.recorder.record(ended);
        }
        Ok(summaries)
    }
}

/// Each workload's script and its role's password, in the plan's order.
fn prepare(
    plan: &Plan,
    passwords: &BTreeMap<String, Secret>,
    nonce: u64,
) -> Result<Vec<(Script, Secret)>, WorkloadError> {
    let names = plan.workloads.keys().enumerate();
    let prepared = names.map(|(index, name)| {
        let script = Script::new(plan, name, index as u8, nonce)?;
        let password = passwords.get(&script.role).cloned();
        let password = password.ok_or_else(|| WorkloadError::NoPassword {
            workload: name.clone(),
            role: script.role.clone(),
        })?;
        Ok((script, password))
    });
    prepared.collect()
}

/// Whether keys can count the plan's workloads and clients.
fn fits(plan: &Plan) -> Result<(), WorkloadError> {
    if plan.workloads.len() > 64 {
        let text = format!("the plan has {} workloads", plan.workloads.len());
        return Err(WorkloadError::TooMany(text));
    }
    let crowd = plan
        .workloads
        .iter()
        .find(|(_, w)| w.clients > u32::from(CLIENTS));
    crowd.map_or(Ok(()), |(name, w)| {
        let text = format!("workload `{name}` has {} clients", w.clients);
        Err(WorkloadError::TooMany(text))
    })
}

/// A random stream of one client, for one purpose.
fn stream(script: &Script, client: u16, purpose: u64) -> ChaCha12Rng {
    let key = Key::new(script.workload, 0, client, 0).0;
    model::stream([script.source.seed, key, purpose])
}
