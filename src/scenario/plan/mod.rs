//! The plan: a validated scenario, one variant of its matrix, with every default
//! filled in and every name resolved. A drill performs it; checks judge against it.
//!
//! What a scenario says as the plan has it (steps, servers, objectives, the strategy) is of one type in
//! both: its JSON Schema is that of the file. Nothing here reads files or knows YAML.

mod check;
mod generator;
mod phase;
mod settings;
mod step;
mod strategy;
mod workload;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::{
    backup::{BackupKind, Nature, TargetAction, TargetTimeline},
    fault::Fault,
};
pub use check::CheckKind;
pub use generator::{BelongsTo, Generator, Length, Numbers};
pub use phase::Phase;
pub use settings::seconds;
pub use step::{
    Action, BackupOf, BackupStep, CutOver, Restore, RunFor, Salvage, SalvageBy, Step, Target,
    TargetType, Wait, cluster_of, is_scratch,
};
pub use strategy::{
    Apply, BackupPlan, Recovery, RecoverySignal, Retention, RetentionRule, StrategyPlan, Wal,
};
pub use workload::{
    Business, LiveColumn, LiveTable, Statement, Tenants, Transaction, Value, WorkloadPlan, Writes,
};

use crate::{
    postgres::server::DATABASE,
    runtime::Machine,
    units::{Bytes, Time, is_default},
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

/// Everything a drill needs to know: what a scenario may leave out is filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub scenario: String,
    /// The drill's identity within a run: scenario and variant, e.g. `oa-table-dropped-pg17`.
    pub drill: String,
    pub about: String,
    pub tags: Vec<String>,
    /// Path of the scenario file as given.
    pub file: String,
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
    pub nodes: BTreeMap<String, Machine>,
    /// The databases that the scenario makes, by name; one at least.
    pub databases: BTreeMap<String, DatabasePlan>,
    pub workloads: BTreeMap<String, WorkloadPlan>,
    pub strategy: StrategyPlan,
    pub steps: Vec<Step>,
    /// Objectives by workload.
    pub objectives: BTreeMap<String, Objectives>,
    pub human: HumanSpans,
    pub checks: Vec<CheckKind>,
    pub expect: Expect,
    /// Deadline of the whole drill.
    pub deadline: Time,
}

impl Plan {
    /// The clusters, by their first servers: those that are nobody's standby.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        self.copies_of(None)
    }

    /// The standbys of a cluster, by name.
    pub fn standbys_of<'s>(&'s self, cluster: &'s str) -> impl Iterator<Item = &'s str> {
        self.copies_of(Some(cluster))
    }

    fn copies_of<'s>(&'s self, primary: Option<&'s str>) -> impl Iterator<Item = &'s str> {
        let servers = self.servers.iter();
        let copies = servers.filter(move |(_, one)| one.standby_of.as_deref() == primary);
        copies.map(|(name, _)| name.as_str())
    }

    /// The cluster that a server or a node is of, which is called as its first server is.
    pub fn cluster_of<'s>(&'s self, server: &'s str) -> &'s str {
        match self.nodes.contains_key(server) {
            true => PRIMARY,
            false => cluster_of(&self.servers, self.restores(), server),
        }
    }

    /// The restores, in order.
    pub fn restores(&self) -> impl Iterator<Item = &Restore> {
        self.steps.iter().filter_map(|step| step.action.restore())
    }

    /// The databases of a cluster, by name.
    pub fn databases_of(&self, cluster: &str) -> impl Iterator<Item = (&str, &DatabasePlan)> {
        let all = self.databases.iter();
        let own = all.filter(move |(_, database)| database.server == cluster);
        own.map(|(name, database)| (name.as_str(), database))
    }

    /// The first of a cluster's databases: the one of a step that names none.
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

    /// The server of a cluster that serves unless clients are cut over: its first, or, where it has
    /// no clients, the one verified last.
    pub fn serves_at_first<'s>(&'s self, cluster: &'s str) -> &'s str {
        let verified = self.steps.iter().rev().find_map(|step| match &step.action {
            Action::Verify(server) if self.cluster_of(server) == cluster => Some(server.as_str()),
            _other => None,
        });
        let verified = verified.filter(|_| !self.has_clients(cluster));
        verified.unwrap_or(cluster)
    }

    /// Whether a workload works in a cluster.
    pub fn has_clients(&self, cluster: &str) -> bool {
        let mut workloads = self.workloads.keys();
        workloads.any(|name| self.cluster_of_workload(name) == cluster)
    }
}

/// A server that exists from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerPlan {
    /// Settings beside the strategy's.
    #[serde(deserialize_with = "settings::read")]
    #[schemars(schema_with = "settings::schema", skip_serializing_if = "is_default")]
    pub settings: BTreeMap<String, String>,
    /// The server that it is a standby of: a copy of it from the beginning, which streams its WAL.
    /// Default: it has data of its own.
    pub standby_of: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub node: Machine,
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

/// What is demanded of a workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Objectives {
    /// Recovery point objective: how much time of acknowledged work may be lost.
    pub rpo: Option<Time>,
    /// How many acknowledged transactions may be lost, however young they are.
    pub lost: Option<u64>,
    /// Recovery time objective: from the fault to the first transaction after verification.
    pub rto: Option<Time>,
    /// Longest gap between acknowledged transactions that is still acceptable.
    pub outage: Option<Time>,
}

impl Objectives {
    /// What is demanded, by the name that a scenario gives it and as it writes it.
    pub fn demands(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<Time>| time.map(|time| time.to_string());
        let all = [
            ("rpo", time(self.rpo)),
            (
                "lost",
                self.lost.map(|transactions| transactions.to_string()),
            ),
            ("rto", time(self.rto)),
            ("outage", time(self.outage)),
        ];
        let made = all.into_iter();
        made.filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Declared constants for what people do; never scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HumanSpans {
    /// Until somebody noticed. Default: 0s.
    #[schemars(skip_serializing_if = "is_default")]
    pub detect: Time,
    /// Until somebody decided. Default: 0s.
    #[schemars(skip_serializing_if = "is_default")]
    pub decide: Time,
}

/// The verdict that is expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Finding to a text that its message must contain: exactly these must fail.
    #[serde(default)]
    pub fail: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::lost_server;

    #[test]
    fn a_standby_is_of_its_primarys_cluster_and_so_is_what_is_restored_of_it() {
        let mut plan = lost_server().plan;
        let standby = ServerPlan {
            standby_of: Some(PRIMARY.into()),
            ..ServerPlan::default()
        };
        plan.servers.insert("standby".into(), standby);
        plan.servers.insert("orders".into(), ServerPlan::default());
        let all =
            |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(all(&mut plan.clusters()), ["orders", PRIMARY]);
        assert_eq!(all(&mut plan.standbys_of(PRIMARY)), ["standby"]);
        let clusters = ["standby", "replacement", "orders"].map(|name| plan.cluster_of(name));
        assert_eq!(clusters, [PRIMARY, PRIMARY, "orders"]);
    }
}
