//! The server as a whole: recovery, timeline, checksums, archiving.

use super::{ProbeError, ProbeTarget, pg, session};
use crate::{
    observation::{Observation, ServerState},
    postgres::query::Cells,
};

const STATE: &str = "
SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
  c.timeline_id, current_setting('server_version_num')::int, s.system_identifier,
  CASE WHEN current_setting('data_checksums') = 'on' THEN
    (SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database) END,
  current_setting('archive_mode'), a.archived_count,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END,
  (SELECT setting::bigint FROM pg_settings WHERE name = 'archive_timeout')
FROM pg_control_checkpoint() c, pg_control_system() s, pg_stat_archiver a";

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let row = client.query_one(STATE, &[]).await;
    let row = row.map_err(pg("read the server's state"))?;
    Ok(Observation::Server(ServerState {
        in_recovery: row.cell(0)?,
        read_only: row.cell(1)?,
        timeline: timeline(row.cell(8)?, row.cell(2)?),
        version: row.cell::<i32>(3)?.unsigned_abs(),
        system_identifier: row.cell::<i64>(4)?.cast_unsigned(),
        checksum_failures: row.cell::<Option<i64>>(5)?.map(i64::unsigned_abs),
        archive_mode: row.cell(6)?,
        archived: row.cell::<i64>(7)?.unsigned_abs(),
        archive_timeout: row.cell::<Option<i64>>(9)?.map(i64::unsigned_abs),
    }))
}

/// The timeline now written; the last checkpoint's lags behind right after a promotion.
fn timeline(segment: Option<String>, checkpoint: i32) -> u32 {
    let current = segment.and_then(|name| u32::from_str_radix(name.get(..8)?, 16).ok());
    current.unwrap_or(checkpoint.unsigned_abs())
}
