//! The plan: a validated scenario, one variant of its matrix, with every default
//! filled in and every name resolved. A drill performs it; checks judge against it.
//!
//! Nothing here reads files, knows YAML or places in one: that is `scenario::parse`
//! and `scenario::validate`.

mod check;
mod generator;
mod phase;
mod settings;
mod step;
mod strategy;
mod workload;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::fault::Fault;
pub use check::CheckKind;
pub use generator::{BelongsTo, Generator, Length, Numbers};
pub use phase::Phase;
pub use settings::OVERRIDDEN;
pub use step::{Action, BackupKind, Nature, RunFor, SalvageBy, Step, Target};
pub use strategy::{
    Apply, BackupPlan, Recovery, RecoverySignal, Retention, RetentionRule, StrategyPlan,
    TargetAction, Wal,
};
pub use workload::{
    Business, LiveColumn, LiveTable, Statement, Tenants, Transaction, Value, WorkloadPlan, Writes,
};

use crate::{
    postgres::server::DATABASE,
    runtime::{Clock, Limits},
    units::{Bytes, Time},
};

/// The server that every scenario begins with; its steady state is what counts.
pub const PRIMARY: &str = "primary";

/// The column that holds the ledger key unless a table says otherwise; NULL in loaded rows.
pub const REQUEST_ID: &str = "request_id";

/// Stands between an object and its database where several are told of.
const IN_DATABASE: &str = " in database ";

/// The name of an object that is told by [`Plan::told`], without its database.
pub fn untold(told: &str) -> &str {
    told.split_once(IN_DATABASE).map_or(told, |(name, _)| name)
}

/// Position of a step in the plan, from 0. People are shown `index + 1`.
pub type StepIndex = usize;

/// Everything a drill needs to know. No `Option` for what a scenario may leave out:
/// the defaults are filled in here and nowhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// The drill's identity within a run: scenario and variant, e.g. `oa-table-dropped-pg17`.
    pub drill: String,
    /// What the scenario is about.
    pub about: String,
    pub tags: Vec<String>,
    /// Path of the scenario file as given.
    pub file: String,
    /// PostgreSQL's major version.
    pub postgres: u32,
    /// Debian packages that the servers need beside, sorted.
    pub packages: Vec<String>,
    /// One second of the drill stands for this many (1: not scaled).
    pub scale: u32,
    /// The seed of everything random: data, arrivals, choices.
    pub seed: u64,
    /// Server name → what it is to be; [`PRIMARY`] is one of them.
    pub servers: BTreeMap<String, ServerPlan>,
    /// The nodes beside them, on which tools run.
    pub nodes: BTreeMap<String, NodePlan>,
    /// The databases that the scenario makes, by name; one at least.
    pub databases: BTreeMap<String, DatabasePlan>,
    /// The workloads, by name.
    pub workloads: BTreeMap<String, WorkloadPlan>,
    /// How the system backs up.
    pub strategy: StrategyPlan,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Objectives by workload.
    pub objectives: BTreeMap<String, Objectives>,
    /// Constants for the human spans of the RTO.
    pub human: HumanSpans,
    /// The checks to make.
    pub checks: Vec<CheckKind>,
    /// Verdict expected.
    pub expect: Expect,
    /// Deadline of the whole drill.
    pub deadline: Time,
}

impl Plan {
    /// What of it only containers can do (`docker`), in words; none: any runtime performs it.
    pub fn needs_containers(&self) -> Option<String> {
        let servers = self.servers.iter().map(|(name, one)| (name, &one.node));
        let mut nodes = servers.chain(&self.nodes);
        let limited = nodes.find(|(_, node)| node.limits != Limits::default());
        let limited = limited.map(|(name, _)| format!("`{name}` has limits of memory or CPUs"));
        let mut stores = self.strategy.stores.iter();
        let sized = stores.find(|(_, store)| store.size().0 > 0);
        limited.or_else(|| sized.map(|(name, _)| format!("the store `{name}` has a size")))
    }

    /// The clusters, by their first servers: those that are nobody's standby.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let first = |(_, server): &(&String, &ServerPlan)| server.standby_of.is_none();
        let servers = self.servers.iter().filter(first);
        servers.map(|(name, _)| name.as_str())
    }

    /// The standbys of a cluster, by name.
    pub fn standbys_of(&self, cluster: &str) -> impl Iterator<Item = &str> {
        let of = move |(_, server): &(&String, &ServerPlan)| {
            server.standby_of.as_deref() == Some(cluster)
        };
        let servers = self.servers.iter().filter(of);
        servers.map(|(name, _)| name.as_str())
    }

    /// The cluster that a server or a node is of, which is called as its first server is: itself
    /// where it is there from the beginning and nobody's standby, else the one that it copies or
    /// whose backup it is restored from.
    pub fn cluster_of<'s>(&'s self, server: &'s str) -> &'s str {
        if self.nodes.contains_key(server) {
            return PRIMARY;
        }
        if let Some(of) = self
            .servers
            .get(server)
            .and_then(|one| one.standby_of.as_deref())
        {
            return of;
        }
        let restored = self.steps.iter().find_map(|step| match &step.action {
            Action::Restore { into, of, .. } if into == server => Some(of.as_str()),
            _other => None,
        });
        match restored {
            Some(of) if !self.servers.contains_key(server) => of,
            _ => server,
        }
    }

    /// The databases of a cluster, by name.
    pub fn databases_of(&self, cluster: &str) -> impl Iterator<Item = (&str, &DatabasePlan)> {
        let all = self.databases.iter();
        let own = all.filter(move |(_, database)| database.server == cluster);
        own.map(|(name, database)| (name.as_str(), database))
    }

    /// The first of a cluster's databases: where the superuser logs in when no database is meant.
    pub fn home(&self, cluster: &str) -> &str {
        let first = self.databases_of(cluster).next();
        first.map_or(DATABASE, |(name, _)| name)
    }

    /// Whether no data model of a cluster has something for a check.
    pub fn lacks(&self, cluster: &str, check: CheckKind) -> bool {
        self.databases_of(cluster)
            .all(|(_, database)| database.lacks.contains(&check))
    }

    /// The cluster that a workload works in, which is the server that it begins on.
    pub fn cluster_of_workload(&self, workload: &str) -> &str {
        let workload = self.workloads.get(workload);
        let database = workload.and_then(|workload| self.databases.get(&workload.database));
        database.map_or(PRIMARY, |database| &database.server)
    }

    /// What an object is called in findings: by its name, and with its database unless that is the
    /// only one of the scenario.
    pub fn told(&self, name: &str, database: &str) -> String {
        match self.databases.len() == 1 && self.databases.contains_key(database) {
            true => name.to_owned(),
            false => format!("{name}{IN_DATABASE}{database}"),
        }
    }

    /// The tables of a database that clients write and the ledger tells of.
    pub fn live_tables(&self, database: &str) -> impl Iterator<Item = &LiveTable> {
        let workloads = self.workloads.values();
        let here = workloads.filter(move |workload| workload.database == database);
        here.flat_map(|workload| &workload.business.tables)
    }

    /// The tables of a database whose column that holds the key is another than [`REQUEST_ID`],
    /// each with it. Names are as SQL writes them.
    pub fn own_keys(&self, database: &str) -> BTreeMap<&str, &str> {
        self.live_tables(database)
            .filter(|table| table.key != REQUEST_ID)
            .map(|table| (table.name.as_str(), table.key.as_str()))
            .collect()
    }

    /// The server that serves unless clients are cut over: the primary, or, where there are no
    /// clients, the one verified last.
    pub fn serves_at_first(&self) -> &str {
        let verified = self.steps.iter().rev().find_map(|step| match &step.action {
            Action::Verify { server } => Some(server.as_str()),
            _other => None,
        });
        match verified {
            Some(server) if self.workloads.is_empty() => server,
            _ => PRIMARY,
        }
    }
}

/// A server that exists from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerPlan {
    /// Settings beside the strategy's, name → value.
    pub settings: BTreeMap<String, String>,
    /// The server whose WAL it streams from the beginning; none: it is a cluster's first.
    pub standby_of: Option<String>,
    /// What it runs on.
    pub node: NodePlan,
}

/// A node: that of a server, or one that only tools run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    pub limits: Limits,
    pub clock: Clock,
    /// Whether it may open connections to what is outside of the drill.
    pub reach_out: bool,
}

/// A database: its data model and how much of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabasePlan {
    /// Name of a shipped model, e.g. `dual-tenant`, or the path of a folder.
    pub model: String,
    /// Hash of the model's files.
    pub identity: String,
    /// The server that it is on at the beginning.
    pub server: String,
    /// The checks that its model has nothing for.
    pub lacks: Vec<CheckKind>,
    /// `pg_database_size` wanted, within 10 %; 0: as large as the model's files make it.
    pub size: Bytes,
    /// Rows that generators load, by table.
    pub rows: BTreeMap<String, u64>,
}

/// What is demanded of a workload. `None`: not demanded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// Recovery point objective.
    pub rpo: Option<Time>,
    /// Acknowledged transactions that may be lost, however young they are.
    #[serde(default)]
    pub lost: Option<u64>,
    /// Recovery time objective.
    pub rto: Option<Time>,
    /// Longest gap between acknowledged transactions that is still acceptable.
    pub outage: Option<Time>,
}

impl Objectives {
    /// What is demanded, by the name that a scenario gives it and as it writes it.
    pub fn demands(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("rpo", self.rpo.map(|time| time.to_string())),
            (
                "lost",
                self.lost.map(|transactions| transactions.to_string()),
            ),
            ("rto", self.rto.map(|time| time.to_string())),
            ("outage", self.outage.map(|time| time.to_string())),
        ];
        let made = all.into_iter();
        made.filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Declared constants for what people do (nightly drills); never scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HumanSpans {
    /// Until somebody noticed.
    pub detect: Time,
    /// Until somebody decided.
    pub decide: Time,
}

/// What the verdict must be for the scenario to pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// Finding → text its message must contain; empty: everything must pass.
    pub fail: BTreeMap<String, String>,
}
