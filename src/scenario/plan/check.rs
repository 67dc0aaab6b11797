//! The checks there are: what `check/` can judge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Tables, columns, constraints, indexes, functions, triggers, policies, extensions.
    Catalog,
    /// Every setting, in force and in the configuration files.
    Settings,
    /// Who may log in: `pg_hba.conf`, `pg_ident.conf`, wrong passwords refused.
    Access,
    /// Sequences ahead of their columns.
    Sequences,
    /// Logins, refusals and business operations as the app roles.
    Business,
    /// Lost, damaged, resurrected, unexpected, holes.
    Ledger,
    /// Rows that clients wrote, in every table: whole, once, and as they left them.
    ClientRows,
    /// One entry in the audit trail for every change of an audited table.
    Audit,
    /// Timeline and read-write state.
    Timeline,
    /// Collation versions are their providers'.
    Collations,
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
    pub const ALL: [Self; 18] = [
        Self::Rows,
        Self::Digests,
        Self::Permissions,
        Self::Catalog,
        Self::Settings,
        Self::Access,
        Self::Sequences,
        Self::Business,
        Self::Ledger,
        Self::ClientRows,
        Self::Audit,
        Self::Timeline,
        Self::Collations,
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
            Self::Settings => "settings",
            Self::Access => "access",
            Self::Sequences => "sequences",
            Self::Business => "business",
            Self::Ledger => "ledger",
            Self::ClientRows => "client-rows",
            Self::Audit => "audit",
            Self::Timeline => "timeline",
            Self::Collations => "collations",
            Self::Amcheck => "amcheck",
            Self::Checksums => "checksums",
            Self::Performance => "performance",
            Self::ServerLog => "server-log",
            Self::Archive => "archive",
        }
    }

    /// Whether it judges nothing but what clients wrote.
    pub fn is_of_clients(self) -> bool {
        matches!(self, Self::Ledger | Self::ClientRows | Self::Audit)
    }

    /// Whether it must hold at a `verify` step before clients may come back.
    pub fn is_gate(self) -> bool {
        match self {
            Self::Rows
            | Self::Digests
            | Self::Permissions
            | Self::Catalog
            | Self::Settings
            | Self::Access
            | Self::Sequences
            | Self::Business
            | Self::Timeline
            | Self::Collations
            | Self::Amcheck
            | Self::Checksums => true,
            Self::Ledger
            | Self::ClientRows
            | Self::Audit
            | Self::Performance
            | Self::ServerLog
            | Self::Archive => false,
        }
    }
}
