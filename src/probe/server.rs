//! The server as a whole: recovery, timeline, checksums, archiving, settings.

use super::{ProbeError, ProbeTarget, pg, session};
use crate::observation::{Observation, ServerState};

/// Settings that a restore must bring back. Left out on purpose: what belongs to the node
/// (ports, paths, memory), to recovery itself, and `archive_command`, which a scratch
/// server must not have.
pub const SETTINGS: &[&str] = &[
    "archive_mode",
    "archive_timeout",
    "autovacuum",
    "data_checksums",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "lc_collate",
    "lc_ctype",
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
    "password_encryption",
    "row_security",
    "server_encoding",
    "shared_preload_libraries",
    "synchronous_commit",
    "TimeZone",
    "wal_level",
    "wal_log_hints",
    "wal_segment_size",
];

const STATE: &str = "
SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
  c.timeline_id, current_setting('server_version_num')::int, s.system_identifier,
  CASE WHEN current_setting('data_checksums') = 'on' THEN
    (SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database) END,
  current_setting('archive_mode'), a.archived_count,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END
FROM pg_control_checkpoint() c, pg_control_system() s, pg_stat_archiver a";

/// Looks at the server.
///
/// # Errors
/// When it can't be asked.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let row = client.query_one(STATE, &[]).await;
    let row = row.map_err(pg("read the server's state"))?;
    let names: Vec<String> = SETTINGS.iter().map(|&name| name.to_owned()).collect();
    let settings = client
        .query(
            "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)",
            &[&names],
        )
        .await
        .map_err(pg("read the server's settings"))?;
    Ok(Observation::Server(ServerState {
        in_recovery: row.get(0),
        read_only: row.get(1),
        timeline: timeline(row.get(8), row.get(2)),
        version: row.get::<_, i32>(3).unsigned_abs(),
        system_identifier: row.get::<_, i64>(4).cast_unsigned(),
        checksum_failures: row.get::<_, Option<i64>>(5).map(i64::unsigned_abs),
        archive_mode: row.get(6),
        archived: row.get::<_, i64>(7).unsigned_abs(),
        settings: settings
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect(),
    }))
}

/// The timeline now written; the last checkpoint's lags behind right after a promotion.
fn timeline(segment: Option<String>, checkpoint: i32) -> u32 {
    let current = segment.and_then(|name| u32::from_str_radix(name.get(..8)?, 16).ok());
    current.unwrap_or(checkpoint.unsigned_abs())
}
