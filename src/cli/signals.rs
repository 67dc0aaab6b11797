//! Signals that end a run, or whatever else goes on.

use std::{io, sync::Arc};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::report::terminal::Live;

/// Signals by which people and supervisors end a program, from now on heeded.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Of a terminal that was closed; whoever started it with `nohup` wants it to go on.
    hang_up: Option<Signal>,
}

impl Signals {
    /// # Errors
    /// When they can't be heeded.
    pub fn heeded() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: match hang_up_is_ignored() {
                true => None,
                false => signal(SignalKind::hangup()).ok(),
            },
        })
    }

    /// Returns when the next one came.
    pub async fn next(&mut self) {
        let hung_up = async {
            match &mut self.hang_up {
                Some(hang_up) => _ = hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up => {}
        }
    }
}

/// First signal: end the drill and remove everything. Second: at once; what is left is
/// removed by the next run or by `pgdrill clean`.
pub async fn heed(cancel: CancellationToken, live: Arc<Live>) {
    let Ok(mut signals) = Signals::heeded() else {
        return;
    };
    signals.next().await;
    live.say("cancelled: removing what was created (again to stop at once)");
    cancel.cancel();
    signals.next().await;
    live.say("stopped at once; `pgdrill clean` removes what is left");
    leave();
}

/// Whether this process was started with SIGHUP ignored, as the kernel tells it: bit 0 of a mask.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[expect(clippy::exit, reason = "a second signal means now")]
fn leave() -> ! {
    std::process::exit(130)
}
