//! Point-in-time recovery: fetch a base backup, ask for recovery, replay, promote.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    fetch::{fetch, in_own_places},
    target::Resolved,
};
use crate::{
    event::{BackupRecord, EventKind, RestoreRecord},
    history::{Bytes, Progress, Recorder},
    postgres::{Server, ServerError, lsn},
    runtime::Exec,
    scenario::plan::{Phase, Recovery, RecoverySignal},
};

/// What to restore where.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The new server, on a node with nothing in it.
    pub server: &'a Server,
    /// The backup.
    pub backup: &'a BackupRecord,
    /// Up to where.
    pub target: &'a Resolved,
    /// How recovery is asked for.
    pub recovery: &'a Recovery,
    /// Settings of the server, without those of recovery.
    pub settings: &'a BTreeMap<String, String>,
    /// Deadline of replay.
    pub deadline: Duration,
}

/// Performs it and records what was reached.
///
/// # Errors
/// When fetching fails, the server does not start, or recovery does not end.
pub async fn restore(
    request: &Restore<'_>,
    recorder: &Recorder,
) -> Result<RestoreRecord, ServerError> {
    recorder.record(EventKind::PhaseBegan {
        phase: Phase::Fetch,
    });
    fetch(request.server, request.backup, request.deadline, recorder).await?;
    recorder.record(EventKind::PhaseBegan {
        phase: Phase::ReplayToConsistency,
    });
    ask_for_recovery(request).await?;
    let progress = Progress::begin(recorder, "replay");
    replay(request, &progress, recorder).await?;
    in_own_places(request.server).await?;
    let identity = request.server.announce(recorder).await?;
    let log = request.server.node.get(&request.server.log()).await?;
    let (reached_lsn, reached_time) = reached(&String::from_utf8_lossy(&log));
    progress.end(reached_lsn.saturating_sub(request.backup.start_lsn));
    let record = RestoreRecord {
        server: request.server.name.clone(),
        backup: request.backup.label.clone(),
        target: request.target.show(),
        scratch: request.server.scratch,
        timeline: identity.timeline,
        reached_lsn,
        reached_time,
        bytes: request.backup.bytes,
    };
    recorder.record(EventKind::Restored(record.clone()));
    Ok(record)
}

async fn ask_for_recovery(request: &Restore<'_>) -> Result<(), ServerError> {
    let server = request.server;
    let mut settings = request.settings.clone();
    let mut recovery: Vec<(String, String)> = vec![(
        "restore_command".into(),
        request.recovery.restore_command.clone(),
    )];
    recovery.extend(request.target.settings.iter().cloned());
    if !request.target.settings.is_empty() {
        recovery.push(("recovery_target_action".into(), "promote".into()));
    }
    let data = server.node.layout().data.clone();
    match request.recovery.signal {
        RecoverySignal::RecoverySignal => {
            settings.extend(recovery);
            server.configure(&settings).await?;
            let signal = data.join("recovery.signal").display().to_string();
            server
                .node
                .exec(Exec::new(["touch".to_owned(), signal]))
                .await?;
        }
        RecoverySignal::RecoveryConf => {
            server.configure(&settings).await?;
            let mut text = String::new();
            for (name, value) in recovery {
                let _ = writeln!(
                    text,
                    "{name} = '{}'",
                    server.fill_in(&value).replace('\'', "''")
                );
            }
            server
                .node
                .put(&data.join("recovery.conf"), text.as_bytes(), 0o600)
                .await?;
        }
    }
    Ok(())
}

/// Starts the server and waits for the end of recovery; the script tells each span's end.
async fn replay(
    request: &Restore<'_>,
    progress: &Progress<'_>,
    recorder: &Recorder,
) -> Result<(), ServerError> {
    let server = request.server;
    let (lines, mut told) = mpsc::unbounded_channel::<String>();
    let mut exec = Exec::new(["sh", "-s"])
        .stdin(replay_script(server))
        .within(request.deadline)
        .unrecorded();
    exec = exec.envs(server.environment());
    exec.lines = Some(lines);
    let consistent = AtomicBool::new(false);
    let marks = async {
        while let Some(line) = told.recv().await {
            match line.trim() {
                "pgdrill: consistent" => {
                    consistent.store(true, Ordering::Relaxed);
                    recorder.record(EventKind::PhaseBegan {
                        phase: Phase::ReplayToTarget,
                    });
                }
                "pgdrill: redo done" => recorder.record(EventKind::PhaseBegan {
                    phase: Phase::Promote,
                }),
                _ => {}
            }
        }
    };
    // Before that it refuses connections, and says so in its log.
    let replayed = async || match consistent.load(Ordering::Relaxed) {
        true => replayed(request).await,
        false => None,
    };
    let replaying = progress.during(server.node.exec(exec), replayed);
    let (outcome, ()) = tokio::join!(replaying, marks);
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => Err(server.start_failure(error).await),
    }
}

/// WAL replayed since the backup began, of that up to the target or to the archive's end.
async fn replayed(request: &Restore<'_>) -> Option<Bytes> {
    let archive = request.server.node.layout().store.join("wal");
    let end = match request.target.by_lsn {
        Some(target) => target.to_string(),
        None => format!(
            "(select max(('x' || substr(file, 9, 8))::bit(32)::bigint * 4294967296 \
                + (('x' || substr(file, 17, 8))::bit(32)::bigint + 1) * setting::bigint) \
              from pg_ls_dir('{}') file, pg_settings s \
              where file ~ '^[0-9A-F]{{24}}' and s.name = 'wal_segment_size')",
            archive.display()
        ),
    };
    let query =
        format!("select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint || ' ' || {end}");
    let answer = request.server.value(&query).await.ok()?;
    replayed_of(&answer, request.backup.start_lsn)
}

fn replayed_of(answer: &str, start_lsn: u64) -> Option<Bytes> {
    let (replayed, end) = answer.split_once(' ')?;
    let since_start = |lsn: &str| Some(lsn.parse::<u64>().ok()?.saturating_sub(start_lsn));
    Some(Bytes {
        done: since_start(replayed)?,
        total: since_start(end)?,
    })
}

fn replay_script(server: &Server) -> String {
    let log = server.log();
    let (log, psql) = (log.display(), server.program("psql"));
    let alive = format!(
        "{} -D {} status > /dev/null || {{ echo 'the server stopped during recovery' >&2; exit 3; }}",
        server.program("pg_ctl"),
        server.node.layout().data.display()
    );
    let starting = server.starting();
    let ended = format!("[ \"$({psql} -XAtc 'select pg_is_in_recovery()' 2>/dev/null)\" = f ]");
    format!(
        "set -eu\n: > {log}\n{starting}echo 'pgdrill: consistent'\n\
         until grep -q 'redo done\\|redo is not required' {log} || {ended}; do {alive}; sleep 0.05; done\necho 'pgdrill: redo done'\n\
         until {ended}; do {alive}; sleep 0.05; done\n"
    )
}

/// What the log says was reached: LSN of the last record and time of the last commit.
fn reached(log: &str) -> (u64, String) {
    let after = |marker: &str| {
        log.lines()
            .rev()
            .find_map(|line| line.split_once(marker).map(|(_, rest)| rest.to_owned()))
    };
    let position =
        after("redo done at ").and_then(|rest| lsn::parse(rest.split_whitespace().next()?));
    let time = after("last completed transaction was at log time ").unwrap_or_default();
    (position.unwrap_or_default(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replayed_counts_from_the_backup() {
        let bytes = Bytes {
            done: 50,
            total: 900,
        };
        assert_eq!(replayed_of("150 1000", 100), Some(bytes));
        // Nothing was replayed yet, or there is no archive.
        assert_eq!(replayed_of("", 100), None);
    }

    #[test]
    fn the_log_tells_what_was_reached() {
        let log = "2026-01-01 LOG:  recovery stopping before commit of transaction 7\n\
                   2026-01-01 LOG:  redo done at 0/3000148 system usage: CPU: user: 0.00 s\n\
                   2026-01-01 LOG:  last completed transaction was at log time 2026-01-01 00:00:59+00\n";
        assert_eq!(reached(log), (0x300_0148, "2026-01-01 00:00:59+00".into()));
        assert_eq!(reached(""), (0, String::new()));
    }
}
