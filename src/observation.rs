//! What a probe can see of a server: facts, not judgements.
//!
//! Probes (`probe/`) produce these, checks (`check/`) compare the ones from before
//! the fault with those from after the restore. Which probes a check is judged by is said
//! here, once for both.

mod content;
mod server;
mod storage;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::scenario::plan::CheckKind;

pub use content::*;
pub use server::*;
pub use storage::*;

macro_rules! probes {
    ($($(#[$about:meta])* $probe:ident = $name:literal,)*) => {
        /// Who looks, in the order in which they begin; each makes the observation of its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Probe {
            $($(#[$about])* #[serde(rename = $name)] $probe,)*
        }

        impl fmt::Display for Probe {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$probe => $name,)*
                })
            }
        }
    };
}

probes! {
    Server = "server",
    Tables = "tables",
    LargeObjects = "large-objects",
    Privileges = "privileges",
    Definitions = "definitions",
    Catalog = "catalog",
    Settings = "settings",
    Access = "access",
    Sequences = "sequences",
    Business = "business",
    Audit = "audit",
    Archive = "archive",
    Amcheck = "amcheck",
    Collations = "collations",
    /// Timings of business queries: last, when nothing else runs.
    Performance = "performance",
    Readback = "readback",
    /// Every one of them: the server could not be reached.
    All = "all",
}

impl Probe {
    /// What a check is judged by; a server's log is no probe's, but whether it tells errors is.
    pub fn needed_by(check: CheckKind) -> &'static [Self] {
        match check {
            CheckKind::Rows => &[Self::Tables],
            CheckKind::Digests => &[Self::Tables, Self::LargeObjects],
            CheckKind::Permissions => &[Self::Privileges, Self::Definitions],
            CheckKind::Catalog => &[Self::Definitions, Self::Catalog],
            CheckKind::Settings => &[Self::Settings],
            CheckKind::Access => &[Self::Access],
            CheckKind::Sequences => &[Self::Sequences],
            CheckKind::Business => &[Self::Business],
            CheckKind::Ledger | CheckKind::ClientRows => &[Self::Readback],
            CheckKind::Audit => &[Self::Audit],
            CheckKind::Timeline | CheckKind::Checksums => &[Self::Server],
            CheckKind::Collations => &[Self::Collations],
            CheckKind::Amcheck => &[Self::Amcheck],
            CheckKind::Performance => &[Self::Performance],
            CheckKind::ServerLog => &[Self::Settings],
            CheckKind::Archive => &[Self::Archive],
        }
    }

    /// Whether a check is left without an answer when this could not look.
    pub fn serves(self, check: CheckKind) -> bool {
        self == Self::All || Self::needed_by(check).contains(&self)
    }
}

/// Begins the names of definitions that say who may do what: `acl table sales.orders`.
pub const ACL: &str = "acl ";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Every table's rows and digest, by schema-qualified name.
    Tables(BTreeMap<String, TableState>),
    /// Every privilege, as `role kind object privilege` (a `*` at the end: with grant option).
    Privileges(Vec<String>),
    /// Every object of every database and of the cluster, `kind name` → its definition as
    /// `pg_dump` and `pg_dumpall` write it. `acl kind name`: who may do what with it.
    Definitions(BTreeMap<String, String>),
    /// Every row of the system catalogs by what it is about, `kind name` → lines `field: value`.
    Catalog(BTreeMap<String, String>),
    Settings(SettingsState),
    Access(AccessState),
    Sequences(Vec<SequenceState>),
    /// Logins, refusals and business operations as the app roles.
    Business(Vec<BusinessResult>),
    Server(ServerState),
    Amcheck(Structure),
    Collations(Collations),
    LargeObjects(BTreeMap<String, LargeObjectsState>),
    Performance(Vec<QueryTiming>),
    /// Every row with a key, of the tables that workloads write, was written to a file in the
    /// drill's directory (see `workload::readback`).
    Readback {
        file: String,
        rows: u64,
    },
    Audit(AuditState),
    Archive(ArchiveState),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_its_error_and_without_one() {
        let old = r#"{"rows":5,"digest":"0c","live_rows":7}"#;
        let read: TableState = serde_json::from_str(old).unwrap();
        assert_eq!((read.rows, &read.error), (5, &None));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let unreadable = TableState {
            error: Some("could not open file".into()),
            ..TableState::default()
        };
        let text = serde_json::to_string(&unreadable).unwrap();
        assert_eq!(
            serde_json::from_str::<TableState>(&text).unwrap(),
            unreadable
        );
    }

    #[test]
    fn a_probe_is_recorded_by_its_name() {
        for check in CheckKind::ALL {
            for probe in Probe::needed_by(check) {
                let recorded = serde_json::to_value(probe).unwrap();
                assert_eq!(recorded, probe.to_string());
            }
        }
        assert_eq!(serde_json::to_value(Probe::All).unwrap(), "all");
    }
}
