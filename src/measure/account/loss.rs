//! A transaction that is lost.

use crate::ledger::{Key, Record};

/// A transaction that was acknowledged and is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    pub key: Key,
    pub version: u32,
    pub tenant: u32,
    pub acked_us: u64,
    /// WAL position read right after its commit; 0 when not known.
    pub lsn: u64,
}

impl Loss {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            key: record.key,
            version: record.version,
            tenant: record.tenant,
            acked_us: record.acked_us,
            lsn: record.lsn,
        }
    }
}
