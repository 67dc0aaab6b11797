//! Point-in-time recovery: fetch a base backup, ask for recovery, replay, promote.

use std::{
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

/// What a server logs that waits at its target for somebody to promote it, and one that ends there.
const PAUSED: &str = "pausing at the end of recovery";
const SHUT_DOWN: &str = "shutdown at recovery target";

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
    let settings = ask_for_recovery(request).await?;
    let progress = Progress::begin(recorder, "replay");
    let ended = replay(request, &settings, &progress, recorder).await?;
    in_own_places(request.server).await?;
    let identity = request.server.announce(recorder).await?;
    let (reached_lsn, reached_time) = match ended {
        Ended::Promoted => {
            let log = request.server.node.get(&request.server.log()).await?;
            reached(&String::from_utf8_lossy(&log))
        }
        Ended::Paused => paused_at(request.server).await?,
    };
    progress.end(reached_lsn.saturating_sub(request.backup.start_lsn));
    let record = RestoreRecord {
        server: request.server.name.clone(),
        backup: request.backup.label.clone(),
        target: request.target.show(),
        scratch: request.server.scratch,
        timeline: identity.timeline,
        reached_lsn,
        reached_time,
        paused: ended == Ended::Paused,
        bytes: request.backup.bytes,
    };
    recorder.record(EventKind::Restored(record.clone()));
    Ok(record)
}

/// Recovery's settings, as the runbook states them: what a strategy leaves out is left to
/// PostgreSQL. Every other setting came home with the backup, or did not.
fn recovery_settings(request: &Restore<'_>) -> Vec<(String, String)> {
    let recovery = request.recovery;
    let command = request.server.fill_in(&recovery.restore_command);
    let mut settings = vec![("restore_command".into(), command)];
    settings.extend(request.target.settings.iter().cloned());
    let action = recovery.target_action.map(|action| action.name().into());
    settings.extend(action.map(|action| ("recovery_target_action".into(), action)));
    settings
}

/// Makes the file that asks for recovery; returns what the server's command line must say of it.
async fn ask_for_recovery(request: &Restore<'_>) -> Result<Vec<(String, String)>, ServerError> {
    let node = &request.server.node;
    let data = &node.layout().data;
    let settings = recovery_settings(request);
    match request.recovery.signal {
        RecoverySignal::RecoverySignal => {
            let signal = data.join("recovery.signal").display().to_string();
            node.exec(Exec::new(["touch".to_owned(), signal])).await?;
            Ok(settings)
        }
        RecoverySignal::RecoveryConf => {
            let text = recovery_conf(&settings);
            let file = data.join("recovery.conf");
            node.put(&file, text.as_bytes(), 0o600).await?;
            Ok(Vec::new())
        }
    }
}

fn recovery_conf(settings: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in settings {
        let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    }
    text
}

/// How recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Promoted,
    Paused,
}

/// Starts the server and waits for the end of recovery, or until it pauses at its target; the
/// script tells each span's end.
async fn replay(
    request: &Restore<'_>,
    settings: &[(String, String)],
    progress: &Progress<'_>,
    recorder: &Recorder,
) -> Result<Ended, ServerError> {
    let server = request.server;
    let (lines, mut told) = mpsc::unbounded_channel::<String>();
    let mut exec = Exec::new(["sh", "-s"])
        .stdin(replay_script(server, settings))
        .within(request.deadline)
        .unrecorded();
    exec = exec.envs(server.environment());
    exec.lines = Some(lines);
    let consistent = AtomicBool::new(false);
    let mut ended = Ended::Promoted;
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
                "pgdrill: paused" => ended = Ended::Paused,
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
        Ok(_) => Ok(ended),
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

/// The control file tells the end of recovery, also where access rules let nobody in. Whether it
/// is paused can't be asked once it has ended: that error is kept out of the log.
fn replay_script(server: &Server, settings: &[(String, String)]) -> String {
    let data = server.node.layout().data.display();
    let log = server.log();
    let (log, psql) = (log.display(), server.program("psql"));
    let (pg_ctl, control) = (server.program("pg_ctl"), server.program("pg_controldata"));
    let starting = server.starting(settings);
    format!(
        "set -eu\n\
         ended() {{ LC_ALL=C {control} -D {data} | grep -q 'state: *in production'; }}\n\
         paused() {{ grep -q '{PAUSED}' {log} || \
         [ \"$(PGOPTIONS='-c log_min_messages=panic' {psql} -XAtc 'select pg_get_wal_replay_pause_state()' 2>/dev/null)\" = paused ]; }}\n\
         alive() {{ {pg_ctl} -D {data} status > /dev/null || {{ \
         if grep -q '{SHUT_DOWN}' {log}; then echo 'it shut down at its target, as its recovery_target_action says'; \
         else echo 'the server stopped during recovery'; fi >&2; exit 3; }}; }}\n\
         : > {log}\n{starting}echo 'pgdrill: consistent'\n\
         until grep -q 'redo done\\|redo is not required' {log} || ended || paused; do alive; sleep 0.05; done\n\
         echo 'pgdrill: redo done'\n\
         until ended; do if paused; then echo 'pgdrill: paused'; exit 0; fi; alive; sleep 0.05; done\n"
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

/// The same of a server that waits at its target.
async fn paused_at(server: &Server) -> Result<(u64, String), ServerError> {
    let query = "select pg_last_wal_replay_lsn() || ' ' || coalesce(pg_last_xact_replay_timestamp()::text, '')";
    let answer = server.value(query).await?;
    let (position, time) = answer.split_once(' ').unwrap_or_default();
    Ok((lsn::parse(position).unwrap_or_default(), time.to_owned()))
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
