//! What `model.yaml` states, and how many rows each table gets for a wanted size.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::units::Bytes;

/// A model's manifest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, the folder's.
    pub name: String,
    /// What it is, in one line.
    pub about: String,
    /// The database it lives in.
    pub database: String,
    /// Its SQL files, in order.
    pub files: Files,
    /// Roles that log in; they are made without a password.
    pub login_roles: Vec<String>,
    /// Tablespaces it makes.
    pub tablespaces: Vec<String>,
    /// Materialised views.
    pub materialized_views: Vec<String>,
    /// Number of large objects.
    pub large_objects: u32,
    /// The table whose rows are the tenants.
    pub tenants: String,
    /// The businesses, by name.
    pub businesses: BTreeMap<String, Business>,
    /// What is audited; none where nothing is.
    #[serde(default)]
    pub audit: Option<Audit>,
    /// `pg_database_size` of the model without a row.
    pub fixed_bytes: u64,
    /// The tables that are filled, in the order of their foreign keys.
    pub tables: Vec<Table>,
    /// Business checks, by business.
    pub business: BTreeMap<String, Vec<BusinessCheck>>,
}

/// SQL files, each one simple-query batch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Roles, tablespaces, tables.
    pub before_load: Vec<String>,
    /// Indexes, foreign keys, security.
    pub after_load: Vec<String>,
}

/// One business in the database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Business {
    pub schema: String,
    /// The role its application logs in as.
    pub app_role: String,
    /// The group role whose membership is the right to write.
    pub writer_role: String,
    /// The setting that names the tenant; none where there are no tenants.
    #[serde(default)]
    pub tenant_setting: Option<String>,
}

/// An audit trail: the log names each change by `table_name`, `request_id` and
/// `request_version`, and repeats the row in `new_row`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub log: String,
    /// The tables whose changes it tells of.
    pub tables: Vec<String>,
}

/// A table that is filled.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Schema-qualified name.
    pub name: String,
    /// Rows, where the table is a small one.
    #[serde(default)]
    pub rows: Option<Growth>,
    /// Its part of the bytes that the small ones leave, where it is a large one.
    #[serde(default)]
    pub share: f64,
    /// Bytes that one more row takes on disk, with its indexes and TOAST.
    pub row_bytes: f64,
    /// Columns in COPY order.
    pub columns: Vec<Column>,
}

/// How a small table grows with the wanted size.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Rows for each 10^6 bytes wanted.
    pub per_mb: u64,
    /// At least so many.
    pub min: u64,
}

/// A column that is filled.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    /// What is in it.
    pub r#gen: Generator,
}

/// What a column is filled with. Lengths are in bytes, both ends in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Generator {
    /// 1, 2, 3, …
    Serial,
    /// A whole number of 4 bytes.
    Int {
        /// Smallest.
        min: i32,
        /// Largest.
        max: i32,
    },
    /// Any whole number of 8 bytes.
    Bigint,
    /// A row of another table, uniform.
    Ref {
        table: String,
    },
    /// Any tenant, uniform.
    Tenant,
    /// The tenant that belongs to an earlier column's number.
    TenantOf {
        column: String,
    },
    /// Words in many scripts.
    Text {
        /// Shortest.
        min: usize,
        /// Longest.
        max: usize,
    },
    /// A person's name.
    Name,
    /// An address, another one in each row.
    Email,
    /// 64 hexadecimal digits.
    Hash,
    /// A random UUID.
    Uuid,
    /// Bytes that do not compress.
    Bytes {
        /// Shortest.
        min: usize,
        /// Longest.
        max: usize,
    },
    /// An object.
    Jsonb {
        /// Shortest, as text.
        min: usize,
        /// Longest, as text.
        max: usize,
    },
    /// Between 0 and 10000.
    Numeric {
        /// Digits after the point, at most 4.
        scale: u16,
    },
    /// Uniform over the days before the month of the load ([`Model::month`](super::Model::month)).
    Timestamptz {
        /// So many days.
        days: u32,
    },
    /// True in so many of a hundred rows.
    Bool {
        /// The percentage.
        percent: u32,
    },
    /// One of these, uniform; as text or as an enum's label.
    Enum {
        values: Vec<String>,
    },
    /// Texts of one word.
    TextArray {
        /// Elements.
        n: usize,
    },
    /// Whole numbers.
    IntArray {
        /// Elements.
        n: usize,
    },
    Null,
}

/// Something that a role must be able, or unable, to do. Run by a fresh login inside a
/// transaction that is rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusinessCheck {
    pub name: String,
    /// The role that logs in.
    pub role: String,
    /// Whether the business's tenant setting is set, to any loaded tenant.
    pub tenant: bool,
    /// Whether it writes.
    #[serde(default)]
    pub writes: bool,
    /// One simple-query batch.
    pub sql: String,
    /// What must happen.
    pub expect: Expectation,
}

/// What a business check must come to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Expectation {
    /// The last statement returns at least one row.
    Rows,
    /// The batch ends with this SQLSTATE.
    Error(String),
}

impl Manifest {
    /// How many rows each table gets for a wanted `pg_database_size`. Depends on nothing
    /// else, so whoever knows the plan knows which rows there are.
    pub fn rows(&self, size: Bytes) -> BTreeMap<&str, u64> {
        let mut left = size.0 as f64 - self.fixed_bytes as f64;
        for table in &self.tables {
            left -= table.rows.map_or(0.0, |growth| growth.rows(size) as f64) * table.row_bytes;
        }
        let rows = |table: &Table| match table.rows {
            Some(growth) => growth.rows(size),
            None => ((left.max(0.0) * table.share / table.row_bytes) as u64).max(LEAST),
        };
        let all = self.tables.iter();
        all.map(|table| (table.name.as_str(), rows(table)))
            .collect()
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// Rows that a table has at least, whatever the size: large objects hang on the first documents.
const LEAST: u64 = 20;

impl Growth {
    fn rows(self, size: Bytes) -> u64 {
        (size.0 / 1_000_000 * self.per_mb).max(self.min)
    }
}
