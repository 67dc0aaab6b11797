//! Replay: start the server, watch how far recovery comes, and see where it ended.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;

use super::{Restore, follows::follows, stall::hangs};
use crate::{
    event::{EventKind, RecoveryRecord},
    history::{Bytes, Progress, Recorder},
    postgres::{
        Server, ServerError, lsn,
        query::{Identity, one_value},
    },
    runtime::Exec,
    scenario::plan::Phase,
    store::name_and_store,
    wal::SegmentSize,
};

/// Lines of the server's log that tell why recovery ended.
const LAST_LINES: usize = 8;

/// What a server logs that waits at its target for somebody to promote it, and one that ends there.
const PAUSED: &str = "pausing at the end of recovery";
const SHUT_DOWN: &str = "shutdown at recovery target";

/// What the script told of the archive and of where recovery ended, line by line.
pub(super) struct Told(Vec<String>);

/// Starts the server and waits for the end of recovery, or until it pauses at its target; the
/// script tells each span's end.
pub(super) async fn replay(
    request: &Restore<'_>,
    settings: &[(String, String)],
    progress: &Progress<'_>,
    recorder: &Recorder,
) -> Result<Told, ServerError> {
    let server = request.server;
    request.stores.1.refresh().await?;
    let (lines, mut told) = mpsc::unbounded_channel::<String>();
    let mut exec = Exec::new(["sh", "-s"])
        .stdin(replay_script(request, settings))
        .within(request.deadline)
        .unrecorded();
    exec = exec.envs(server.environment());
    exec.lines = Some(lines);
    let (consistent, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let marks = async {
        let mut rest = Vec::new();
        while let Some(line) = told.recv().await {
            let phase = match line.trim() {
                "pgdrill: consistent" => {
                    consistent.store(true, Ordering::Relaxed);
                    Phase::ReplayToTarget
                }
                "pgdrill: redo done" => {
                    done.store(true, Ordering::Relaxed);
                    Phase::Promote
                }
                other => {
                    rest.push(other.to_owned());
                    continue;
                }
            };
            recorder.record(EventKind::PhaseBegan { phase });
        }
        Told(rest)
    };
    // Before that it refuses connections, and says so in its log.
    let replayed = async || match consistent.load(Ordering::Relaxed) {
        true => replayed(request).await,
        false => None,
    };
    let replaying = progress.during(server.node.exec(exec), replayed);
    let whole = async { tokio::join!(replaying, marks) };
    let (outcome, told) = tokio::select! {
        ended = whole => ended,
        waits = hangs(server, &done) => return Err(waits),
    };
    match outcome {
        Ok(_) => Ok(told),
        Err(error) => Err(at_its_target(server.start_failure(error).await)),
    }
}

/// A server that stopped because it was to stop at its target says so in its log alone, and may have
/// done so before `pg_ctl` found it ready.
fn at_its_target(error: ServerError) -> ServerError {
    match error {
        ServerError::Start { server, cause, log } if log.contains(SHUT_DOWN) => {
            let cause =
                format!("it shut down at its target, as its recovery_target_action says ({cause})");
            ServerError::Start { server, cause, log }
        }
        other => other,
    }
}

pub(super) async fn recovery(
    request: &Restore<'_>,
    identity: Identity,
    told: &Told,
    log: &str,
) -> Result<RecoveryRecord, ServerError> {
    let server = request.server;
    let mut record = RecoveryRecord {
        server: server.name.clone(),
        archive: told.archive(),
        left: told.left(identity.timeline),
        follows: None,
        log: last_lines(log),
    };
    let size = SegmentSize(identity.segment_size);
    record.follows = follows(request, &record, size).await?;
    Ok(record)
}

impl Told {
    /// Whether recovery waits at its target for somebody to promote the server.
    pub(super) fn paused(&self) -> bool {
        self.0.iter().any(|line| line == "pgdrill: paused")
    }

    /// Files of the archive, in whichever store, and their sizes when recovery began.
    fn archive(&self) -> BTreeMap<String, u64> {
        let files = self.0.iter().filter_map(|line| {
            let (size, name) = line.strip_prefix("pgdrill: archived ")?.split_once(' ')?;
            Some((name_and_store(name).0.to_owned(), size.parse().ok()?))
        });
        files.collect()
    }

    /// The timelines that lead to this one, each with the position at which it was left; none
    /// when this one's history was not found.
    fn left(&self, timeline: u32) -> Vec<(u32, u64)> {
        let name = format!("pgdrill: history {timeline:08X}.history");
        let lines = self.0.iter().skip_while(|line| **line != name).skip(1);
        let entries = lines.map_while(|line| line.strip_prefix("pgdrill: left"));
        let entry = |text: &str| {
            let mut words = text.split_whitespace();
            Some((words.next()?.parse().ok()?, lsn::parse(words.next()?)?))
        };
        entries.filter_map(entry).collect()
    }
}

/// The last lines of the log before redo ended.
fn last_lines(log: &str) -> Vec<String> {
    let before: Vec<&str> = log
        .lines()
        .take_while(|line| !line.contains("redo done at "))
        .collect();
    let from = before.len().saturating_sub(LAST_LINES);
    before[from..].iter().map(|&line| line.to_owned()).collect()
}

/// WAL replayed since the backup began, of that up to the target or, where `{archive}` holds the
/// segments themselves, to its end.
async fn replayed(request: &Restore<'_>) -> Option<Bytes> {
    let end = match request.target.by_lsn {
        Some(target) => target.to_string(),
        None => format!(
            "(select coalesce(max(('x' || substr(file, 9, 8))::bit(32)::bigint * 4294967296 \
                + (('x' || substr(file, 17, 8))::bit(32)::bigint + 1) * setting::bigint), 0) \
              from pg_ls_dir('{}', true, false) file, pg_settings s \
              where file ~ '^[0-9A-F]{{24}}' and s.name = 'wal_segment_size')",
            request.server.fill_in("{archive}")
        ),
    };
    let query =
        format!("select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint || ' ' || {end}");
    let client = request.server.connect().await.ok()?;
    // An archive that is cut off is no line of the server's log.
    client
        .batch_execute("set log_min_messages = panic")
        .await
        .ok()?;
    let answer = one_value(&client, &query).await.ok()?;
    replayed_of(&answer, request.listed.start_lsn?)
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
fn replay_script(request: &Restore<'_>, settings: &[(String, String)]) -> String {
    let server = request.server;
    let archive = request.recovery.archive;
    let listing = archive.map(|archive| {
        archive.listing(server.node.layout())
            + "wal_files | while read -r name bytes file; do \
               echo \"pgdrill: archived $bytes $name\"; done\n"
    });
    let data = server.node.layout().data.display();
    let log = server.log();
    let (log, psql) = (log.display(), server.program("psql"));
    let (pg_ctl, control) = (server.program("pg_ctl"), server.program("pg_controldata"));
    let (starting, listing) = (server.starting(settings), listing.unwrap_or_default());
    format!(
        "set -eu\n\
         ended() {{ LC_ALL=C {control} -D {data} | grep -q 'state: *in production'; }}\n\
         paused() {{ grep -q '{PAUSED}' {log} || \
         [ \"$(PGOPTIONS='-c log_min_messages=panic' {psql} -XAtc 'select pg_get_wal_replay_pause_state()' 2>/dev/null)\" = paused ]; }}\n\
         alive() {{ {pg_ctl} -D {data} status > /dev/null || {{ echo 'the server stopped during recovery' >&2; exit 3; }}; }}\n\
         : > {log}\n\
         {listing}\
         {starting}echo 'pgdrill: consistent'\n\
         until grep -q 'redo done\\|redo is not required' {log} || ended || paused; do alive; sleep 0.05; done\n\
         echo 'pgdrill: redo done'\n\
         until ended; do if paused; then echo 'pgdrill: paused'; exit 0; fi; alive; sleep 0.05; done\n\
         for file in {data}/pg_wal/*.history; do newest=$file; done\n\
         [ ! -e \"$newest\" ] || {{ echo \"pgdrill: history ${{newest##*/}}\"; sed 's/^/pgdrill: left /' \"$newest\"; }}\n"
    )
}

/// What the log says was reached: LSN of the last record and time of the last commit.
pub(super) fn reached(log: &str) -> (u64, String) {
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
pub(super) async fn paused_at(server: &Server) -> Result<(u64, String), ServerError> {
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
    fn a_shutdown_at_the_target_is_told_as_that() {
        let told = |log: &str| {
            let (server, cause, log) = ("x".into(), "it ended".into(), log.into());
            at_its_target(ServerError::Start { server, cause, log }).to_string()
        };
        assert!(told("LOG:  shutdown at recovery target").contains("recovery_target_action"));
        assert!(!told("FATAL:  no such file").contains("recovery_target_action"));
    }

    #[test]
    fn the_log_tells_what_was_reached() {
        let log = "2026-01-01 LOG:  recovery stopping before commit of transaction 7\n\
                   2026-01-01 LOG:  redo done at 0/3000148 system usage: CPU: user: 0.00 s\n\
                   2026-01-01 LOG:  last completed transaction was at log time 2026-01-01 00:00:59+00\n";
        assert_eq!(reached(log), (0x300_0148, "2026-01-01 00:00:59+00".into()));
        assert_eq!(reached(""), (0, String::new()));
    }

    #[test]
    fn the_history_of_the_new_timeline_tells_where_each_was_left() {
        let lines = "pgdrill: archived 16777216 000000010000000000000001\npgdrill: archived 41 00000002.history\n\
                     pgdrill: history 00000003.history\npgdrill: left 1\t0/5000000\tno recovery target\n\
                     pgdrill: left\npgdrill: left 2\t0/7000028\tbefore 2000-01-01";
        let told = Told(lines.lines().map(str::to_owned).collect());
        assert_eq!(told.left(3), [(1, 0x500_0000), (2, 0x700_0028)]);
        assert_eq!(told.left(4), []);
        let files = [
            ("000000010000000000000001", 16_777_216),
            ("00000002.history", 41),
        ];
        let files = files.map(|(name, size)| (name.to_owned(), size));
        assert_eq!(told.archive(), BTreeMap::from(files));
    }

    #[test]
    fn the_log_up_to_the_end_of_redo_is_kept() {
        let log = "LOG:  redo starts at 0/2\nLOG:  unexpected pageaddr\nLOG:  redo done at 0/3\nLOG:  ready";
        let kept = ["LOG:  redo starts at 0/2", "LOG:  unexpected pageaddr"];
        assert_eq!(last_lines(log), kept);
    }
}
