//! Signals that end a run.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::report::terminal::Live;

/// First signal: end the drill and remove everything. Second: at once; what is left is
/// removed by the next run or by `pgdrill clean`.
pub async fn heed(cancel: CancellationToken, live: Arc<Live>) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    // Of a terminal that was closed; whoever started it with `nohup` wants it to go on.
    let mut hang_up = match hang_up_is_ignored() {
        true => None,
        false => signal(SignalKind::hangup()).ok(),
    };
    let mut next = async || {
        let hung_up = async {
            match &mut hang_up {
                Some(hang_up) => _ = hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hung_up => {}
        }
    };
    next().await;
    live.say("cancelled: removing what was created (again to stop at once)");
    cancel.cancel();
    next().await;
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
