//! What can be seen of a database's content: rows, audit trails, large objects, sequences.

use serde::{Deserialize, Serialize};

fn not_any(count: &u64) -> bool {
    *count == 0
}

/// Rows of one table that no workload wrote: those without a key, or all where no column holds one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    pub rows: u64,
    /// Order-independent digest: sum of the rows' xxh3-128 modulo 2^128, 32 hexadecimal digits;
    /// [`NOT_POPULATED`](Self::NOT_POPULATED) of a materialised view that holds no data yet.
    pub digest: String,
    /// Rows that a workload wrote; judged through the ledger.
    pub live_rows: u64,
    /// Rows without a key that the fault's own transaction left: entries of triggers, say, or
    /// what it made of rows that were there.
    #[serde(default, skip_serializing_if = "not_any")]
    pub by_fault: u64,
    /// Whether it, or each of its partitions, is unlogged: empty after a crash or a restore, by
    /// design.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlogged: bool,
    /// The server's error when the table could not be read to its end: nothing else is then
    /// known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl TableState {
    /// In place of the digest of a materialised view made `WITH NO DATA`, which is none the
    /// worse for it: a restore brings it back as it was.
    pub const NOT_POPULATED: &str = "not populated";
}

/// An audit trail beside the changes it tells of: versions of rows that clients wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditState {
    /// How many have one entry, as it should be; a row deleted since, and told as deleted, too.
    pub right: u64,
    pub missing: Changes,
    /// Those that an entry tells of, and that are not there.
    pub unfounded: Changes,
    pub repeated: Changes,
    /// Those whose entry tells another row than there is.
    pub different: Changes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub count: u64,
    /// The first of them, at most 10,000.
    pub first: Vec<Change>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub table: String,
    /// What its key column holds.
    pub request_id: String,
    /// The version, from 0.
    pub version: u32,
    /// The ledger's key; none when no client of this drill has it.
    #[serde(default)]
    pub key: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjectsState {
    pub count: u64,
    /// Order-independent digest of their content, 32 hexadecimal digits.
    pub digest: String,
}

/// A sequence beside a column that it feeds; one that feeds several is there as often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceState {
    /// Schema-qualified name.
    pub sequence: String,
    /// The value `nextval` would return at least.
    pub next: i64,
    /// Whether its increment is negative.
    pub descends: bool,
    /// Whether it begins anew at its end.
    pub cycles: bool,
    /// The column, `schema.table.column`; none where it feeds none.
    pub column: Option<String>,
    /// The column's maximum, its minimum where the sequence descends; none when the table is
    /// empty.
    pub max: Option<i64>,
}
