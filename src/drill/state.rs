//! What a drill holds while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{faults::Faults, people::People, row_images::RowImages, watch::Watch};
use crate::{
    backup::BackupError,
    event::EventKind,
    fault::FaultError,
    history::Recorder,
    meter::Meter,
    model::{Model, ModelError},
    postgres::{Passwords, PgError, Server, ServerError, server::SUPERUSER},
    restore::{salvage::SalvageError, target::Taken},
    runtime::{Layout, Node, Runtime, RuntimeError},
    scenario::plan::{Plan, ServerPlan},
    secret::Secret,
    store::{ClusterStores, Endpoint},
    units::wall_clock,
    workload::{WorkloadError, Workloads, readback::ReadbackError},
};

/// The name of the node that keeps a cluster's stores: with a dot, as no other node's.
pub fn keeper(cluster: &str) -> String {
    format!("{cluster}.stores")
}

/// Why a step, or the set-up, failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A server or its node.
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// An injection.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// Rows could not be brought home.
    #[error(transparent)]
    Salvage(#[from] SalvageError),
    /// The data model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The clients.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// Rows could not be read back.
    #[error(transparent)]
    Readback(#[from] ReadbackError),
    /// Something a step refers to is not there.
    #[error("{0}")]
    Missing(String),
}

impl From<RuntimeError> for StepError {
    fn from(error: RuntimeError) -> Self {
        Self::Server(error.into())
    }
}

impl From<PgError> for StepError {
    fn from(error: PgError) -> Self {
        Self::Server(error.into())
    }
}

/// What a server was made as: one that is restored from its backup is to be the same.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Its limits, and the settings its files began with.
    pub plan: ServerPlan,
    /// Where things lay on its node.
    pub layout: Layout,
}

/// A drill that is being performed.
pub struct Drill {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Where nodes run.
    pub runtime: Runtime,
    /// Where its files go.
    pub dir: PathBuf,
    /// Its history.
    pub recorder: Recorder,
    /// What its time is spent on.
    pub meter: Meter,
    /// Wall time at which the clock read zero.
    pub wall: Timestamp,
    /// Tells this drill's rows from another's.
    pub nonce: u64,
    /// Passwords of every role that logs in.
    pub passwords: Passwords,
    /// Servers that exist.
    pub servers: BTreeMap<String, Server>,
    /// Nodes that are no server's.
    pub nodes: BTreeMap<String, Node>,
    /// How the stores of each cluster that speak S3 are reached.
    pub endpoints: BTreeMap<String, BTreeMap<String, Endpoint>>,
    /// What every server was made as, also one that is lost.
    pub made: BTreeMap<String, Made>,
    /// The clients, once started.
    pub workloads: Option<Workloads>,
    /// Which server each workload talks to.
    pub serving: BTreeMap<String, String>,
    /// Workloads whose writes are revoked, each with the SQL that grants them back.
    pub frozen: BTreeMap<String, String>,
    /// Backups taken.
    pub backups: Vec<Taken>,
    /// Restore points made in each cluster.
    pub points: BTreeMap<String, Vec<(String, u64)>>,
    /// The faults injected.
    pub faults: Faults,
    /// Whether the fault is not yet answered by any step.
    pub unnoticed: bool,
    /// Who is asked where people are timed.
    pub people: Option<People>,
    /// Samples WAL positions and node statistics.
    pub watch: Option<Watch>,
    /// What looks at the clients' rows have found out.
    pub row_images: RowImages,
    /// Log lines already judged, per server: logs are copied once.
    pub logs_kept: BTreeSet<String>,
}

impl Drill {
    /// A drill that has not begun.
    pub fn new(
        plan: Arc<Plan>,
        runtime: Runtime,
        dir: PathBuf,
        recorder: Recorder,
        meter: Meter,
    ) -> Self {
        let nonce = plan.seed ^ wall_clock().as_nanosecond() as u64 | 1;
        Self {
            plan,
            runtime,
            dir,
            recorder,
            meter,
            wall: wall_clock(),
            nonce,
            passwords: Arc::default(),
            servers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            made: BTreeMap::new(),
            workloads: None,
            serving: BTreeMap::new(),
            frozen: BTreeMap::new(),
            backups: Vec::new(),
            points: BTreeMap::new(),
            faults: Faults::default(),
            unnoticed: false,
            people: None,
            watch: None,
            row_images: RowImages::default(),
            logs_kept: BTreeSet::new(),
        }
    }

    /// Records what the time since the last call was spent on.
    pub fn account(&self) {
        self.recorder.record(EventKind::Spent(self.meter.take()));
    }

    /// The data models of a cluster, one a database.
    ///
    /// # Errors
    /// When the files of one are not those of the plan any more.
    pub fn models(&self, cluster: &str) -> Result<Vec<Model>, StepError> {
        let databases = self.plan.databases_of(cluster);
        let models = databases.map(|(name, plan)| Ok(Model::planned(name, plan)?));
        models.collect()
    }

    /// A server of a cluster: its stores are the same for all of it.
    ///
    /// # Errors
    /// When none is there any more.
    pub fn one_of(&self, cluster: &str) -> Result<Server, StepError> {
        let mut servers = self.servers.values();
        let own = servers.rfind(|one| self.plan.cluster_of(&one.name) == cluster);
        own.cloned().ok_or_else(|| {
            StepError::Missing(format!(
                "no server of `{cluster}` is left that reaches its stores"
            ))
        })
    }

    /// The stores of a server's cluster.
    pub fn stores_of(&self, server: &str) -> ClusterStores<'_> {
        let cluster = self.plan.cluster_of(server);
        let stores = ClusterStores::of_directories(&self.plan.strategy.stores);
        ClusterStores {
            endpoints: self.endpoints.get(cluster).unwrap_or(stores.endpoints),
            keeper: self.nodes.get(&keeper(cluster)),
            ..stores
        }
    }

    /// By how much a server's clock is fast.
    pub fn ahead(&self, server: &str) -> SignedDuration {
        let made = self.made.get(server);
        let seconds = made.map_or(0, |made| made.plan.node.clock.seconds_ahead());
        SignedDuration::from_secs(seconds)
    }

    /// The server of this name.
    ///
    /// # Errors
    /// When it does not exist (yet).
    pub fn server(&self, name: &str) -> Result<Server, StepError> {
        self.servers
            .get(name)
            .cloned()
            .ok_or_else(|| StepError::Missing(format!("there is no server `{name}` yet")))
    }

    /// The server of this name, logged in to in this database.
    ///
    /// # Errors
    /// When it does not exist (yet).
    pub fn server_in(&self, name: &str, database: &str) -> Result<Server, StepError> {
        Ok(self.server(name)?.within(database))
    }

    /// A server, logged in to the first of its cluster's databases.
    pub fn server_at_home(&self, name: &str) -> Result<Server, StepError> {
        self.server_in(name, self.plan.home(self.plan.cluster_of(name)))
    }

    /// Makes up a password for each role and keeps it out of the history.
    pub fn make_passwords<'r>(&mut self, roles: impl Iterator<Item = &'r str>) {
        let roles = roles.chain([SUPERUSER]);
        let passwords: BTreeMap<String, Secret> = roles
            .map(|role| (role.to_owned(), Secret::password()))
            .collect();
        passwords
            .values()
            .for_each(|password| self.recorder.redact(password.reveal()));
        self.passwords = Arc::new(passwords);
    }
}

#[cfg(test)]
pub mod testing {
    use std::{path::Path, time::Instant};

    use super::*;
    use crate::{check::testing::lost_server, runtime::testing};

    /// A drill that has not begun, which keeps its history in memory.
    pub fn drill(dir: &Path) -> Drill {
        let (plan, runtime) = (lost_server().plan, testing::local(dir));
        let (recorder, meter) = (Recorder::in_memory(), Meter::new(Instant::now()));
        Drill::new(plan.into(), runtime, dir.into(), recorder, meter)
    }
}
