//! What can be seen of a server by asking it: its state, settings, logins and operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One business operation, permitted or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessResult {
    pub name: String,
    pub role: String,
    /// What must happen: `rows`, `no rows` or an SQLSTATE.
    pub expected: String,
    /// What happened, in the same words.
    pub got: String,
    /// Whether it writes.
    pub writes: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// `pg_is_in_recovery()`.
    pub in_recovery: bool,
    /// `transaction_read_only` of a fresh session.
    pub read_only: bool,
    pub timeline: u32,
    /// `server_version_num`.
    pub version: u32,
    pub system_identifier: u64,
    /// Sum of `checksum_failures` over all databases; none when checksums are off.
    pub checksum_failures: Option<u64>,
    pub archive_mode: String,
    /// `pg_stat_archiver.archived_count`.
    pub archived: u64,
    /// `archive_timeout` in force, in seconds; none when it was not asked for.
    #[serde(default)]
    pub archive_timeout: Option<u64>,
}

/// A server's settings, names in lower case. Values that may hold a password are digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsState {
    /// What a new session of the superuser gets (`pg_settings`).
    pub in_force: BTreeMap<String, Setting>,
    /// The last line of each in the configuration files (`pg_file_settings`); of a line that can't
    /// be read, its number.
    pub files: BTreeMap<String, FileSetting>,
    /// `role database name=value` (`pg_db_role_setting`).
    pub of_roles: Vec<String>,
    /// Files of its data directory that make its next start a recovery, or none at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_start: Vec<String>,
    /// Placeholder → path: where things lie on its node.
    pub places: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its value, in its own unit.
    pub value: String,
    /// Where it comes from, e.g. `configuration file` or `command line`.
    pub source: String,
    /// Whether another value waits for a restart.
    pub pending_restart: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSetting {
    /// Its value, as written.
    pub value: String,
    pub file: String,
    /// Whether it can be applied without a restart.
    pub applied: bool,
    pub error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessState {
    /// The rules of `pg_hba.conf`, in their order.
    pub rules: Vec<String>,
    /// The mappings of `pg_ident.conf`, in their order.
    pub mappings: Vec<String>,
    /// Role that may log in → what a wrong password ended with: an SQLSTATE or
    /// [`LET_IN`](Self::LET_IN).
    pub wrong_password: BTreeMap<String, String>,
}

impl AccessState {
    pub const LET_IN: &str = "let in";
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryTiming {
    pub name: String,
    pub runs: u32,
    /// Median, in microseconds.
    pub p50_us: u64,
    pub p95_us: u64,
}
