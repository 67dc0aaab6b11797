//! What a drill can break.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
