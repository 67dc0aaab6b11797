//! What a data model's `model.yaml` states, as typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    scenario::plan::{Business, CheckKind, Generator, LiveTable},
    units::{Bytes, is_default},
};

/// Rows that a table filled by `share` has at least, whatever the size.
const LEAST: u64 = 20;
/// `pg_database_size` of a database that holds nothing.
const EMPTY: u64 = 8_000_000;

/// A data model for drills.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "pgdrill data model")]
pub struct Manifest {
    /// What it is, in one line.
    pub about: String,
    /// The database it lives in; created where it is another one than `postgres`.
    #[schemars(extend("format" = "database"))]
    pub database: String,
    /// Debian packages that it needs on the server, like `postgresql-{postgres}-pgvector`; `{postgres}`
    /// stands for the major.
    #[serde(default)]
    pub packages: Vec<Package>,
    /// Its SQL files.
    #[serde(default)]
    pub files: Files,
    /// Roles that log in; they are made without a password and given one.
    #[serde(default)]
    pub login_roles: Vec<String>,
    /// Tablespaces that it makes, each in a directory of its name below `:tablespace_dir`.
    #[serde(default)]
    pub tablespaces: Vec<String>,
    /// The businesses whose clients write, by name.
    #[serde(default)]
    pub businesses: BTreeMap<String, Business>,
    /// What is audited. Default: nothing.
    pub audit: Option<Audit>,
    /// `pg_database_size` without a row. Default: 8 MB.
    pub fixed_bytes: Option<u64>,
    /// The tables that are filled.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// What roles must be able to do, and unable, by business.
    #[serde(default)]
    pub checks: BTreeMap<String, Vec<BusinessCheck>>,
}

/// A Debian package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Package(#[schemars(extend("format" = "package"))] pub String);

/// Scripts for `psql`, each in a session as the superuser, with `ON_ERROR_STOP`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Files {
    /// Before the tables are filled: roles, tablespaces, tables.
    #[serde(default)]
    pub before_load: Vec<String>,
    /// Afterwards: indexes, foreign keys, triggers, grants.
    #[serde(default)]
    pub after_load: Vec<String>,
}

/// An audit trail: the log has a row for each change of a row that a client wrote.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    #[schemars(extend("format" = "qualified-name"))]
    pub log: String,
    /// The tables whose changes it tells of: their keys and versions are as the businesses have them.
    #[schemars(length(min = 1))]
    pub tables: Vec<String>,
    /// What its columns are called.
    #[serde(default)]
    #[schemars(skip_serializing_if = "is_default")]
    pub columns: AuditColumns,
}

/// The columns of an audit log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditColumns {
    /// The changed row's table, with its schema. Default: `table_name`.
    #[schemars(skip_serializing_if = "always")]
    pub table: String,
    /// `INSERT`, `UPDATE` or `DELETE`. Default: `action`.
    #[schemars(skip_serializing_if = "always")]
    pub action: String,
    /// The changed row's key. Default: `request_id`.
    #[schemars(skip_serializing_if = "always")]
    pub key: String,
    /// The version that the change made of it. Default: `request_version`.
    #[schemars(skip_serializing_if = "always")]
    pub version: String,
    /// The row as the change left it, in JSON; what is left out of it is not compared. Default:
    /// `new_row`.
    #[schemars(skip_serializing_if = "always")]
    pub row: String,
}

impl Default for AuditColumns {
    fn default() -> Self {
        let [table, action, key, version, row] = [
            "table_name",
            "action",
            "request_id",
            "request_version",
            "new_row",
        ]
        .map(str::to_owned);
        Self {
            table,
            action,
            key,
            version,
            row,
        }
    }
}

/// The schema tells defaults in words.
fn always(_value: &str) -> bool {
    true
}

/// A table that is filled.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Table {
    #[schemars(extend("format" = "qualified-name"))]
    pub name: String,
    /// The rows of a file: CSV with a header where it ends in `.csv`, else the text format of COPY.
    pub file: Option<String>,
    /// How many rows generators make: where the table is a small one.
    pub rows: Option<Growth>,
    /// Its part of the bytes that the small ones leave, where it is a large one.
    #[schemars(range(min = 0, max = 1))]
    pub share: Option<f64>,
    /// Bytes that one more row takes on disk, with its indexes and TOAST. Default: 100.
    #[schemars(range(min = 1))]
    pub row_bytes: Option<f64>,
    /// The columns that generators fill, or the columns of a COPY file.
    #[serde(default)]
    pub columns: Vec<Column>,
}

/// How a small table grows with the wanted size.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Growth {
    /// Rows for each MB wanted. Default: none, it does not grow.
    #[serde(default)]
    pub per_mb: u64,
    /// At least so many.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min: u64,
}

/// A column that is filled.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    pub r#gen: Generator,
}

/// Something that a role must be able, or unable, to do. Run by a fresh login inside a
/// transaction that is rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessCheck {
    pub name: String,
    /// The role that logs in.
    pub role: String,
    /// Whether the business's tenant setting is set, to any loaded tenant. Default: it is not.
    #[serde(default)]
    pub tenant: bool,
    /// Whether it writes. Default: it does not.
    #[serde(default)]
    pub writes: bool,
    /// One or more statements.
    pub sql: String,
    /// What must happen.
    pub expect: Expectation,
}

/// What a business check must come to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Expectation {
    /// The last statement returns at least one row.
    Rows,
    /// It ends with this SQLSTATE.
    Error(#[schemars(extend("format" = "sqlstate"))] String),
}

impl Manifest {
    /// How many rows generators make in each table for a wanted `pg_database_size`. Depends on
    /// nothing else, so whoever knows the plan knows which rows there are.
    pub fn rows(&self, size: Bytes) -> BTreeMap<String, u64> {
        let generated = || self.tables.iter().filter(|table| table.file.is_none());
        let mut left = size.0 as f64 - self.fixed_bytes.unwrap_or(EMPTY) as f64;
        for table in generated() {
            left -= table.rows.map_or(0.0, |growth| growth.rows(size) as f64) * table.row_bytes();
        }
        let share = |table: &Table| left.max(0.0) * table.share.unwrap_or(0.0) / table.row_bytes();
        let rows = |table: &Table| match table.rows {
            Some(growth) => growth.rows(size),
            None => (share(table) as u64).max(LEAST),
        };
        generated()
            .map(|table| (table.name.clone(), rows(table)))
            .collect()
    }

    /// What is not in it and a check needs.
    pub fn lacks(&self, check: CheckKind) -> Option<&'static str> {
        let mut all = self.checks.values().flatten();
        match check {
            CheckKind::Audit if self.audit.is_none() => Some("an `audit` trail"),
            CheckKind::Business if all.next().is_none() => Some("`checks`"),
            CheckKind::Performance if !all.any(BusinessCheck::is_query) => {
                Some("a check that only reads")
            }
            _other => None,
        }
    }

    /// A table of the businesses' clients.
    pub fn live_table(&self, name: &str) -> Option<&LiveTable> {
        let mut tables = self.businesses.values().flat_map(|one| &one.tables);
        tables.find(|table| table.name == name)
    }

    /// Whether the size that is wanted makes any difference.
    pub fn grows(&self) -> bool {
        let grows = |table: &Table| match table.rows {
            Some(rows) => rows.per_mb > 0,
            None => table.share.is_some(),
        };
        let mut tables = self.tables.iter();
        tables.any(|table| table.file.is_none() && grows(table))
    }
}

impl Table {
    pub fn row_bytes(&self) -> f64 {
        self.row_bytes.unwrap_or(100.0)
    }
}

impl BusinessCheck {
    /// Whether it is one that is timed.
    fn is_query(&self) -> bool {
        !self.writes && self.expect == Expectation::Rows
    }
}

impl Growth {
    fn rows(self, size: Bytes) -> u64 {
        (size.0 / 1_000_000 * self.per_mb).max(self.min)
    }
}
