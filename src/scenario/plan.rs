//! The plan: a validated scenario, one variant of its matrix, with every default
//! filled in and every name resolved. A drill performs it; checks judge against it.
//!
//! Nothing here reads files, knows YAML or places in one: that is `scenario::parse`
//! and `scenario::validate`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Rate, Time};

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
    /// Its tags.
    pub tags: Vec<String>,
    /// Path of the scenario file as given.
    pub file: String,
    /// PostgreSQL's major version.
    pub postgres: u32,
    /// One second of the drill stands for this many (1: not scaled).
    pub scale: u32,
    /// The seed of everything random: data, arrivals, choices.
    pub seed: u64,
    /// Server name → what it is to be. The first backup server is `primary`.
    pub servers: BTreeMap<String, ServerPlan>,
    /// The data.
    pub data: DataPlan,
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

/// A server that exists from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerPlan {
    /// Settings beside the strategy's, name → value.
    pub settings: BTreeMap<String, String>,
    /// Memory limit of its node in bytes; 0: none.
    pub memory: Bytes,
    /// CPU limit of its node in CPUs; 0: none.
    pub cpus: f64,
}

/// The data model and how much of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPlan {
    /// Name of a shipped model, e.g. `dual-tenant`.
    pub model: String,
    /// `pg_database_size` wanted, within 10 %.
    pub size: Bytes,
}

/// One workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadPlan {
    /// Its name; objectives refer to it.
    pub name: String,
    /// Which business it runs.
    pub kind: WorkloadKind,
    /// Number of clients (connections).
    pub clients: u32,
    /// Arrivals over all clients.
    pub rate: Rate,
}

/// Which business a workload runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// The internal OA.
    Oa,
    /// The external agent product.
    Agent,
    /// The user's own SQL.
    Custom(CustomWorkload),
}

/// A workload of the user's own SQL, one transaction a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomWorkload {
    /// The statement; `$1` is the ledger key (uuid), `$2` the payload (text).
    pub sql: String,
    /// The table it writes, schema-qualified.
    pub table: String,
    /// The column that holds the key (uuid).
    pub key: String,
    /// The column that holds the payload (text).
    pub payload: String,
    /// The role it logs in as.
    pub role: String,
}

/// How a system backs up and recovers. Settings and commands may use the
/// placeholders `{store}`, `{archive}`, `{data}` and `{bin}`: paths inside the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyPlan {
    /// Its name.
    pub name: String,
    /// Server settings it demands, placeholders not yet filled in.
    pub settings: BTreeMap<String, String>,
    /// How a running server learns of them.
    pub apply: Apply,
    /// The WAL archive command: what the strategy states, or pgdrill's own safe one.
    pub archive: Archive,
    /// The full backup.
    pub full: FullBackup,
    /// Tables dumped by themselves; empty: none.
    pub tables: Vec<String>,
    /// How the tables are dumped when `tables` is not empty.
    pub retention: Retention,
    /// How recovery is asked for.
    pub recovery: Recovery,
}

/// How a running server learns of changed settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Apply {
    /// Written before the server starts, or followed by a restart.
    #[default]
    Restart,
    /// `ALTER SYSTEM` and `pg_reload_conf()` on the running server.
    Reload,
}

/// What archives WAL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Archive {
    /// pgdrill's script: never overwrites, never leaves a short file, syncs.
    #[default]
    Safe,
    /// No WAL archive at all.
    None,
    /// This `archive_command`, placeholders to be filled in.
    Command(String),
}

/// What takes a full backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FullBackup {
    /// `pg_basebackup` in plain format with these further options.
    PgBasebackup(Vec<String>),
    /// The user's own script, run as the operator. Environment: `PGDRILL_BACKUP` (the
    /// empty directory to fill with a data directory), `PGDRILL_STORE`, `PGDRILL_DATA`,
    /// `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`.
    Command(String),
}

/// What removes old backups and WAL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Full backups are kept this long.
    pub full: Time,
    /// WAL is kept at least this long.
    pub wal: Time,
    /// Table dumps are kept this long.
    pub tables: Time,
    /// What decides.
    pub rule: RetentionRule,
}

/// What decides which backups go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionRule {
    /// Computed so that no kept backup loses WAL it needs, and the newest is never removed.
    #[default]
    Computed,
    /// This shell command, run in the backup storage.
    Command(String),
}

/// How recovery is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// `recovery.signal` (version 12 on) or the `recovery.conf` of older ones.
    pub signal: RecoverySignal,
    /// `restore_command`, placeholders to be filled in.
    pub restore_command: String,
}

/// Which file asks for recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecoverySignal {
    /// `recovery.signal` and settings: version 12 on.
    #[default]
    RecoverySignal,
    /// `recovery.conf`: before version 12; later servers refuse to start with it.
    RecoveryConf,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Line of the scenario file, from 1.
    pub line: usize,
    /// What it does, in one line.
    pub title: String,
    /// It must have ended by then.
    pub deadline: Time,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Take a backup of a server.
    Backup {
        /// The server.
        server: String,
        /// Full, or the strategy's tables.
        kind: BackupKind,
    },
    /// Let the workloads run.
    Run(RunFor),
    /// `CHECKPOINT`.
    Checkpoint {
        /// The server.
        server: String,
    },
    /// `pg_switch_wal()`, then wait until the segment is archived.
    SwitchWal {
        /// The server.
        server: String,
    },
    /// `pg_create_restore_point()`.
    RestorePoint {
        /// The server.
        server: String,
        /// The point's name.
        name: String,
    },
    /// Inject a fault.
    Inject {
        /// The server.
        server: String,
        /// The fault.
        fault: Fault,
    },
    /// Revoke a business's writes.
    Freeze {
        /// The workload.
        workload: String,
        /// The server.
        server: String,
    },
    /// Grant a business's writes back.
    Thaw {
        /// The workload.
        workload: String,
        /// The server.
        server: String,
    },
    /// Restore into a new server.
    Restore {
        /// Name of the server it becomes.
        into: String,
        /// Never to serve clients, archives nothing, removed at the end.
        scratch: bool,
        /// Up to where.
        target: Target,
    },
    /// Bring lost or damaged rows home.
    Salvage {
        /// The scratch server.
        from: String,
        /// The server with the loss.
        into: String,
        /// Tables, schema-qualified; those of `schemas` are added when it runs.
        tables: Vec<String>,
        /// Whole schemas.
        schemas: Vec<String>,
        /// How.
        by: SalvageBy,
    },
    /// `REINDEX`.
    Reindex {
        /// The server.
        server: String,
        /// An index or a table, schema-qualified.
        object: String,
    },
    /// Start a server that is down, in place (crash recovery).
    Start {
        /// The server.
        server: String,
    },
    /// Move workloads to another server.
    CutOver {
        /// The workloads.
        workloads: Vec<String>,
        /// The server.
        to: String,
    },
    /// Make the gate checks: RTO ends no earlier than this.
    Verify {
        /// The server.
        server: String,
    },
    /// Make every backup and WAL file in the store look this much older.
    Age(Time),
    /// Apply the strategy's retention.
    Expire,
    /// Wait for a condition.
    Wait {
        /// The server.
        server: String,
        /// A query that returns one boolean; waited for until true.
        until: String,
    },
    /// Run SQL as the superuser.
    Sql {
        /// The server.
        server: String,
        /// The statements.
        sql: String,
    },
    /// Run a shell command in a server's node as its unprivileged user.
    Command {
        /// The server.
        server: String,
        /// The command, placeholders to be filled in.
        command: String,
    },
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackupKind {
    /// The whole cluster.
    Full,
    /// The strategy's tables.
    Tables,
}

/// How long the workloads run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunFor {
    /// This long.
    Time(Time),
    /// Until so many more transactions were acknowledged, over all workloads.
    Transactions(u64),
}

/// How salvage brings rows home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SalvageBy {
    /// Insert missing rows, replace damaged ones; tables that are gone are created.
    #[default]
    Rows,
    /// Build the whole table beside the damaged one and swap by rename.
    Swap,
}

/// A recovery target in PostgreSQL's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// All WAL there is.
    Latest,
    /// As soon as the backup is consistent.
    Immediate,
    /// A point in time, with zone.
    Time(String),
    /// A WAL position.
    Lsn(String),
    /// Just before this transaction's commit.
    Xid(u64),
    /// A named restore point.
    Name(String),
    /// Just before the fault: the bad statement's own commit LSN, exclusive; for other
    /// faults the server's WAL position just before.
    BeforeFault,
    /// This much time before the fault (divided by the scale).
    BeforeFaultBy(Time),
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// `DROP TABLE … CASCADE`.
    DropTable(String),
    /// `DROP SCHEMA … CASCADE`.
    DropSchema(String),
    /// `DELETE FROM table WHERE predicate`.
    DeleteRows {
        /// The table.
        table: String,
        /// The predicate.
        r#where: String,
    },
    /// `UPDATE table SET set WHERE predicate`.
    UpdateRows {
        /// The table.
        table: String,
        /// The assignments.
        set: String,
        /// The predicate.
        r#where: String,
    },
    /// `TRUNCATE … CASCADE`.
    Truncate(String),
    /// `DROP DATABASE … WITH (FORCE)`.
    DropDatabase(String),
    /// Revoke everything a role may do in a schema.
    RevokeGrants {
        /// The role.
        role: String,
        /// The schema.
        schema: String,
    },
    /// Bytes of an index page on disk.
    DamageIndex(String),
    /// Bytes of a heap page on disk.
    DamageTable(String),
    /// kill -9 of every server process.
    CrashServer,
    /// kill -9, and its storage gone.
    LoseServer,
    /// The WAL archive refuses everything from now on.
    StopArchiving,
}

/// What is demanded of a workload. `None`: not demanded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// Recovery point objective.
    pub rpo: Option<Time>,
    /// Recovery time objective.
    pub rto: Option<Time>,
    /// Longest gap between acknowledged transactions that is still acceptable.
    pub outage: Option<Time>,
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

/// A check. Its name is the first word of its findings' ids.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// Row counts.
    Rows,
    /// Table and large-object digests.
    Digests,
    /// The privilege matrix.
    Permissions,
    /// Tables, columns, constraints, indexes, functions, triggers, policies, extensions, settings.
    Catalog,
    /// Sequences ahead of their columns.
    Sequences,
    /// Logins, refusals and business operations as the app roles.
    Business,
    /// Lost, damaged, resurrected, unexpected, holes.
    Ledger,
    /// Timeline and read-write state.
    Timeline,
    /// `pg_amcheck`.
    Amcheck,
    /// Page checksums.
    Checksums,
    /// Business queries as fast as before.
    Performance,
    /// No unexpected ERROR, FATAL or PANIC in server logs.
    ServerLog,
    /// Nothing archived by a clone, no gap in the archive.
    Archive,
}

impl CheckKind {
    /// Every check there is.
    pub const ALL: [Self; 13] = [
        Self::Rows,
        Self::Digests,
        Self::Permissions,
        Self::Catalog,
        Self::Sequences,
        Self::Business,
        Self::Ledger,
        Self::Timeline,
        Self::Amcheck,
        Self::Checksums,
        Self::Performance,
        Self::ServerLog,
        Self::Archive,
    ];

    /// Its name: the first word of its findings' ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Digests => "digests",
            Self::Permissions => "permissions",
            Self::Catalog => "catalog",
            Self::Sequences => "sequences",
            Self::Business => "business",
            Self::Ledger => "ledger",
            Self::Timeline => "timeline",
            Self::Amcheck => "amcheck",
            Self::Checksums => "checksums",
            Self::Performance => "performance",
            Self::ServerLog => "server-log",
            Self::Archive => "archive",
        }
    }

    /// Whether it must hold at a `verify` step before clients may come back.
    pub fn is_gate(self) -> bool {
        match self {
            Self::Rows
            | Self::Digests
            | Self::Permissions
            | Self::Catalog
            | Self::Sequences
            | Self::Business
            | Self::Timeline
            | Self::Amcheck
            | Self::Checksums => true,
            Self::Ledger | Self::Performance | Self::ServerLog | Self::Archive => false,
        }
    }
}

/// A span of the recovery time. Every instant of a drill belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the first fault: set-up, load, backups, business as usual.
    Steady,
    /// The fault is being injected.
    Inject,
    /// Until somebody notices (timed here; the declared constant is added in the report).
    Detect,
    /// Until somebody decides.
    Decide,
    /// Revoking a business's writes.
    Freeze,
    /// A new node and its directories.
    Provision,
    /// Fetching the backup from the storage.
    Fetch,
    /// Combining or extracting it.
    Combine,
    /// Replay until consistency.
    ReplayToConsistency,
    /// Replay from there to the target.
    ReplayToTarget,
    /// Promotion.
    Promote,
    /// Exporting and importing lost rows.
    Salvage,
    /// `REINDEX`.
    Reindex,
    /// Starting a server in place.
    Start,
    /// The gate checks.
    Verify,
    /// Moving clients, or granting writes back.
    CutOver,
    /// Business as usual after it; RTO ends at the first transaction in it.
    Run,
    /// Anything else a scenario does.
    Other,
}
