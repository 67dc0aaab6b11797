//! The file format: what a scenario says, as typed. The JSON Schema and the
//! structural checks come from these types; defaults are filled in by `expand`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    model::Package,
    plan::{CheckKind, Expect, HumanSpans, Objectives, ServerPlan, StrategyPlan, cluster_of},
    step_file::{self, StepFile},
};
use crate::{
    runtime::Machine,
    units::{Bytes, Rate, Time, is_default},
};

/// A drill of backup and recovery, for pgdrill.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "pgdrill scenario")]
pub struct ScenarioFile {
    /// The scenario's name: lower-case letters, digits and hyphens.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// What it is about, for people. The first sentence is shown in lists.
    pub about: String,
    /// Tags to select it by.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Variants: one drill each.
    #[serde(default)]
    pub matrix: MatrixFile,
    /// One second of the drill stands for so many. Divides `archive_timeout`, targets `by` some
    /// time and RPO objectives; not the length of `run`, and never work. Default: 1.
    #[schemars(range(min = 1, max = 86_400))]
    pub scale: Option<u32>,
    /// Servers that exist from the beginning, beside or refining `primary`.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub servers: BTreeMap<String, ServerPlan>,
    /// Nodes beside those of the servers, on which tools run: a backup host.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub nodes: BTreeMap<String, Machine>,
    /// Debian packages that the servers need beside those of the data model, like
    /// `postgresql-{postgres}-pgvector`; `{postgres}` stands for the major.
    #[serde(default)]
    pub packages: Vec<Package>,
    /// The data.
    pub data: DataFile,
    /// Who works with it: name to workload. Default: nobody; the drill then judges what was there
    /// before, and no RPO.
    #[serde(default)]
    pub workloads: BTreeMap<String, WorkloadFile>,
    /// How the system backs up: a strategy's name, a path that ends in `.yaml`, or the
    /// strategy itself.
    pub strategy: StrategyChoice,
    /// What is done, in order. `deadline` (default 10m, of a `run` at least twice its length) and,
    /// where a step acts on a server, `server` (default: that of its workload or database, else
    /// `primary`) stand beside the step's own key.
    #[serde(deserialize_with = "step_file::steps")]
    #[schemars(length(min = 1))]
    pub steps: Vec<StepFile>,
    /// What is demanded: workload to objectives.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub objectives: BTreeMap<String, Objectives>,
    /// Declared constants for what people do, added to the RTO.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub human: HumanSpans,
    /// The checks to make. Default: all that the data model has something for.
    #[schemars(length(min = 1))]
    pub checks: Option<Vec<CheckKind>>,
    /// The verdict that is expected. Default: a pass.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub expect: Expect,
    /// Deadline of the whole drill. Default: 10m more than its runs and the longest RTO or outage
    /// objective take together, at least 30m.
    pub deadline: Option<Time>,
}

impl ScenarioFile {
    /// The cluster that a server is of, which is called as its first server is.
    pub fn cluster_of<'s>(&'s self, server: &'s str) -> &'s str {
        let restores = self.steps.iter().filter_map(|step| step.action.restore());
        cluster_of(&self.servers, restores, server)
    }
}

/// A tag: lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Tag(#[schemars(extend("format" = "name"))] pub String);

/// Variants of a scenario.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MatrixFile {
    /// Major versions of PostgreSQL. Default: 17.
    #[schemars(length(min = 1))]
    pub postgres: Option<Vec<u32>>,
}

/// The data model and how much of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataFile {
    /// A shipped model, or a folder of your own, relative to the scenario: `./our-app`. Default:
    /// `dual-tenant`.
    pub model: Option<String>,
    /// Size of the database, 10MB to 100GB. Default: needed, unless the model holds the same rows
    /// whatever the size.
    pub size: Option<Bytes>,
    /// Several databases of one cluster, in place of `model` and `size`: name to what is in it.
    /// Their models make no role twice.
    #[schemars(extend("minProperties" = 1))]
    pub databases: Option<BTreeMap<String, DatabaseFile>>,
    /// Seed of everything random: data, arrivals, choices. Default: 42.
    pub seed: Option<u64>,
}

/// One of several databases.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DatabaseFile {
    /// A shipped model, or a folder of your own, relative to the scenario. Default: `dual-tenant`.
    pub model: Option<String>,
    /// Its size, 10MB to 100GB. Default: needed, unless the model holds the same rows whatever the
    /// size.
    pub size: Option<Bytes>,
    /// The server that it is on, one of `servers`. Default: `primary`.
    pub server: Option<String>,
}

/// One workload.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkloadFile {
    /// The database that it works in. Default: the only one, or the only one whose model has its
    /// business.
    pub database: Option<String>,
    /// Which business of the data model it runs. Default: the one of the workload's own name.
    pub business: Option<String>,
    /// One statement of your own in place of a business.
    pub custom: Option<CustomFile>,
    /// Number of clients (connections). Default: 2.
    #[schemars(range(min = 1, max = 1000))]
    pub clients: Option<u32>,
    /// Arrivals over all clients, or `max`.
    pub rate: Rate,
}

/// A workload of your own SQL, one transaction each time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CustomFile {
    /// The statement, or a path that ends in `.sql`; `$1` is the key (uuid), `$2` the payload (text).
    pub sql: String,
    /// SQL that makes a table of your own, or a path that ends in `.sql`: executed once, as the
    /// superuser, before anything is observed. Default: `table` is there already.
    pub create: Option<String>,
    /// The table it writes, with its schema.
    #[schemars(extend("format" = "qualified-name"))]
    pub table: String,
    /// The column that holds the key (uuid, or text); NULL in rows that no client wrote. In a table
    /// of the data model it is the model's own key: `request_id` unless its manifest names another.
    pub key: String,
    /// The column that holds the payload (text).
    pub payload: String,
    /// The role it logs in as.
    pub role: String,
}

/// How the system backs up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StrategyChoice {
    /// A shipped strategy's name, or a path that ends in `.yaml`, relative to the scenario.
    Named(String),
    /// The strategy itself.
    Inline(Box<StrategyPlan>),
}
