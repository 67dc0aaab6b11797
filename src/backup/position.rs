//! Where a server stands: what a backup of this very step can't lie before.

use super::BackupError;
use crate::postgres::{Server, lsn};

/// Where a server stood when the step began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// `pg_current_wal_insert_lsn()`.
    pub lsn: u64,
    /// Timeline written.
    pub timeline: u32,
    pub system_identifier: u64,
    /// The server's clock, in whole seconds of the epoch.
    pub seconds: i64,
}

impl Position {
    /// Asks a server.
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn of(server: &Server) -> Result<Self, BackupError> {
        let text = server
            .value(
                "select concat_ws(' ', lsn, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int, \
                 system_identifier, floor(extract(epoch from clock_timestamp()))::bigint) \
                 from pg_current_wal_insert_lsn() lsn, pg_control_system()",
            )
            .await?;
        Self::parse(&text).ok_or_else(|| BackupError::Unreadable {
            what: "the server's position".into(),
            cause: format!("it said `{text}`"),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            lsn: lsn::parse(words.next()?)?,
            timeline: words.next()?.parse().ok()?,
            system_identifier: words.next()?.parse().ok()?,
            seconds: words.next()?.parse().ok()?,
        })
    }
}
