//! The WAL archive: forcing a segment out and waiting until it is there.

use std::time::Duration;

use super::BackupError;
use crate::postgres::Server;

/// Switches to a new segment and, where WAL is archived, waits until the old one is.
///
/// # Errors
/// At the deadline, with what `pg_stat_archiver` said last.
pub async fn switch(server: &Server, archived: bool, within: Duration) -> Result<(), BackupError> {
    let segment = server
        .value("select pg_walfile_name(pg_switch_wal())")
        .await?;
    if !archived {
        return Ok(());
    }
    let query =
        format!("select coalesce(last_archived_wal >= '{segment}', false) from pg_stat_archiver");
    server
        .wait_until(&format!("archiving of {segment}"), &query, within)
        .await?;
    Ok(())
}
