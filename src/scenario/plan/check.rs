//! The checks there are: what `check/` can judge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every check, and what scenarios and findings call it.
macro_rules! checks {
    ($($(#[$what:meta])* $check:ident = $name:literal,)*) => {
        /// A check. Its name is the first word of its findings' ids.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum CheckKind {
            $($(#[$what])* $check,)*
        }

        impl CheckKind {
            /// Every check there is.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$check),*];

            /// Its name: the first word of its findings' ids.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$check => $name,)*
                }
            }
        }
    };
}

checks! {
    /// Row counts.
    Rows = "rows",
    /// Table and large-object digests.
    Digests = "digests",
    /// The privilege matrix.
    Permissions = "permissions",
    /// Tables, columns, constraints, indexes, functions, triggers, policies, extensions.
    Catalog = "catalog",
    /// Every setting, in force and in the configuration files.
    Settings = "settings",
    /// Who may log in: `pg_hba.conf`, `pg_ident.conf`, wrong passwords refused.
    Access = "access",
    /// Sequences ahead of their columns.
    Sequences = "sequences",
    /// Logins, refusals and business operations as the app roles.
    Business = "business",
    /// Lost, damaged, resurrected, unexpected, holes.
    Ledger = "ledger",
    /// Rows that clients wrote, in every table: whole, once, and as they left them.
    ClientRows = "client-rows",
    /// One entry in the audit trail for every change of an audited table.
    Audit = "audit",
    /// Timeline and read-write state.
    Timeline = "timeline",
    /// Collation versions are their providers'.
    Collations = "collations",
    /// `pg_amcheck`.
    Amcheck = "amcheck",
    /// Page checksums.
    Checksums = "checksums",
    /// Business queries as fast as before.
    Performance = "performance",
    /// No unexpected ERROR, FATAL or PANIC in server logs.
    ServerLog = "server-log",
    /// Nothing archived by a clone, no gap in the archive.
    Archive = "archive",
}

impl CheckKind {
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
