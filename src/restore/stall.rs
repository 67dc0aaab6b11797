//! Recovery that does not get on: told long before the step's deadline, with what it waits for.
//!
//! Whatever moves is no stall, however slowly: the log position, the segment asked for, bytes of
//! it that arrive, the time and the I/O of the process that replays, and the work of what it
//! runs, a `restore_command` that fetches a segment to another place first.

#[cfg(test)]
mod tests;

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

/// From so much on the programs that a `restore_command` runs work. A loop of `test` and `sleep`,
/// which only waits, uses less in the time above.
const WORK: Work = Work {
    ticks: 100,
    read: 4 << 20,
    written: 64 << 10,
};

/// Prints what the process that replays does and how far it has come: its title, the processor
/// time and the bytes it used, those of the processes below it, and the size of the segment that
/// arrives.
const LOOK_SCRIPT: &str = r#"
read -r postmaster < $DATA/postmaster.pid || exit 0
parents=$(grep -Hs '^PPid:' /proc/[0-9]*/status)
children() {
    echo "$parents" | sed -n "s|^/proc/\([0-9]*\)/status:PPid:[[:space:]]*$1\$|\1|p"
}
below() {
    for child in $(children $1); do
        echo $child
        below $child
    done
}
for process in $(children $postmaster); do
    title=$(tr '\0' ' ' < /proc/$process/cmdline 2> /dev/null) || continue
    case $title in
    *startup*)
        echo "$title"
        cut -d ' ' -f 14,15 /proc/$process/stat 2> /dev/null || :
        grep -s char /proc/$process/io || :
        for one in $(below $process); do
            sed 's/.*) //' /proc/$one/stat 2> /dev/null | cut -d ' ' -f 12-15 | sed 's/^/below ticks: /'
            grep -s char /proc/$one/io | sed 's/^/below /'
        done
        ;;
    esac
done
stat -c %s $DATA/pg_wal/RECOVERYXLOG 2> /dev/null || :
"#;

/// Ends only when nothing has moved for a while before redo was `done`, with what is waited for.
pub(super) async fn hangs(server: &Server, done: &AtomicBool) -> ServerError {
    let (began, mut moved) = (Instant::now(), None);
    loop {
        tokio::time::sleep(LOOK).await;
        let text = look(server).await;
        // Nothing to see, or the checkpoint that ends recovery: no replay that could stall.
        if text.is_empty() || done.load(Ordering::Relaxed) {
            moved = None;
            continue;
        }
        moved = match stalled(moved, Seen::of(&text, began.elapsed())) {
            Ok(moved) => Some(moved),
            Err(moved) => return moved.hang(&server.name, reached(server).await),
        };
    }
}

/// What was seen when something moved last, as an error where that is too long ago.
fn stalled(moved: Option<Seen>, now: Seen) -> Result<Seen, Seen> {
    match moved {
        Some(moved) if now.moved_since(&moved) => Ok(now),
        Some(moved) if now.at.saturating_sub(moved.at) >= PATIENCE => Err(moved),
        Some(moved) => Ok(moved),
        None => Ok(now),
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    /// Since the watch began.
    at: Duration,
    /// The process that replays, and the segment that arrives.
    replay: String,
    /// What the processes below that one did, together.
    below: Work,
}

/// What processes did since they began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Work {
    /// Processor time, in hundredths of a second.
    ticks: u64,
    read: u64,
    written: u64,
}

impl Seen {
    fn of(text: &str, at: Duration) -> Self {
        let (mut replay, mut below) = (String::new(), Work::default());
        for line in text.lines() {
            match line.strip_prefix("below ") {
                Some(did) => below.add(did),
                None => replay.extend([line, "\n"]),
            }
        }
        Self { at, replay, below }
    }

    fn moved_since(&self, other: &Self) -> bool {
        self.replay != other.replay || self.below.is_more_than_waiting_since(&other.below)
    }

    fn hang(&self, server: &str, reached: String) -> ServerError {
        ServerError::Stalled {
            server: server.to_owned(),
            waits: waits(&self.replay),
            within: Time(PATIENCE),
            reached,
        }
    }
}

impl Work {
    /// Adds what a line tells of one process: `ticks: 1 0 0 0`, `rchar: 5`, `wchar: 5`.
    fn add(&mut self, did: &str) {
        let (what, numbers) = did.split_once(": ").unwrap_or_default();
        let numbers = numbers.split_whitespace();
        let sum: u64 = numbers.filter_map(|one| one.parse::<u64>().ok()).sum();
        match what {
            "ticks" => self.ticks += sum,
            "rchar" => self.read += sum,
            "wchar" => self.written += sum,
            _ => (),
        }
    }

    /// Less than before is another program.
    fn is_more_than_waiting_since(&self, other: &Self) -> bool {
        self.ticks.abs_diff(other.ticks) >= WORK.ticks
            || self.read.abs_diff(other.read) >= WORK.read
            || self.written.abs_diff(other.written) >= WORK.written
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

/// How far it came, as the server says, or its control file where it is not consistent yet.
async fn reached(server: &Server) -> String {
    let lsn = server.value("select pg_last_wal_replay_lsn()").await;
    match lsn {
        Ok(lsn) if !lsn.is_empty() => format!("replayed up to {lsn}"),
        _ => not_consistent(&control_data(server).await),
    }
}

async fn control_data(server: &Server) -> String {
    let data = server.node.layout().data.display().to_string();
    let exec = Exec::new([server.program("pg_controldata"), "-D".into(), data]);
    let output = server.node.exec(exec.env("LC_ALL", "C").unrecorded()).await;
    output.map_or_else(|_| String::new(), |output| output.text())
}

/// What the control file says of a recovery that no client can ask.
fn not_consistent(control: &str) -> String {
    let told = |what: &str| {
        let value = control.lines().find_map(|line| line.strip_prefix(what))?;
        Some(value.trim()).filter(|lsn| *lsn != "0/0")
    };
    let mut text = "not consistent yet".to_owned();
    if let Some(redo) = told("Latest checkpoint's REDO location:") {
        text += &format!(", replays from {redo}");
    }
    if let Some(end) = told("Minimum recovery ending location:") {
        text += &format!(", must reach {end} at least");
    }
    text
}
