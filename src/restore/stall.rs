//! Recovery that does not get on: told long before the step's deadline, with what it waits for.
//!
//! Whatever moves is no stall, however slowly: the log position, the segment asked for, bytes of
//! it that arrive, the time and the I/O of the process that replays.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    postgres::{Server, ServerError},
    runtime::Exec,
    units::Time,
};

/// Recovery in which nothing moves for so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(3);

/// Prints what the process that replays does and how far it has come: its title, the processor
/// time and the bytes it used, and the size of the segment that arrives.
const LOOK_SCRIPT: &str = r#"
read -r postmaster < $DATA/postmaster.pid || exit 0
for status in $(grep -ls "^PPid:[[:space:]]*$postmaster$" /proc/[0-9]*/status); do
    process=${status%/status}
    title=$(tr '\0' ' ' < $process/cmdline 2> /dev/null) || continue
    case $title in
    *startup*)
        echo "$title"
        cut -d ' ' -f 14,15 $process/stat 2> /dev/null || :
        grep -s char $process/io || :
        ;;
    esac
done
stat -c %s $DATA/pg_wal/RECOVERYXLOG 2> /dev/null || :
"#;

/// Ends only when nothing has moved for a while before redo was `done`, with what is waited for.
pub(super) async fn stalled(server: &Server, done: &AtomicBool) -> ServerError {
    let (mut seen, mut since) = (String::new(), Instant::now());
    loop {
        tokio::time::sleep(LOOK).await;
        let look = look(server).await;
        // Nothing to see, or the checkpoint that ends recovery: no replay that could stall.
        let moves = look.is_empty() || done.load(Ordering::Relaxed);
        if moves || look != seen {
            (seen, since) = (look, Instant::now());
        } else if since.elapsed() >= PATIENCE {
            return ServerError::Stalled {
                server: server.name.clone(),
                waits: waits(&seen),
                within: Time(PATIENCE),
                reached: replayed(server).await,
            };
        }
    }
}

async fn look(server: &Server) -> String {
    let data = server.node.layout().data.display().to_string();
    let exec = Exec::new(["sh", "-s"]).env("DATA", data).stdin(LOOK_SCRIPT);
    let output = server.node.exec(exec.unrecorded()).await;
    output.map_or_else(|_| String::new(), |output| output.text())
}

/// What the process says of itself: `postgres: startup waiting for 000000010000000000000004`.
fn waits(look: &str) -> String {
    let title = look.lines().find_map(|line| line.split_once("startup "));
    match title.map(|(_, doing)| doing.trim()) {
        Some(doing) if !doing.is_empty() => doing.to_owned(),
        _ => "waiting for the first file of the archive".to_owned(),
    }
}

async fn replayed(server: &Server) -> String {
    let lsn = server.value("select pg_last_wal_replay_lsn()").await;
    match lsn {
        Ok(lsn) if !lsn.is_empty() => format!("replayed up to {lsn}"),
        _ => "not consistent yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recovery_waits_for_is_read_from_its_process() {
        let look = "postgres: startup waiting for 000000010000000000000004  \n0 1\nrchar: 5\n";
        assert_eq!(waits(look), "waiting for 000000010000000000000004");
        assert_eq!(
            waits("postgres: startup \n1 1\n"),
            "waiting for the first file of the archive"
        );
    }
}
