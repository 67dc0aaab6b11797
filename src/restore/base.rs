//! Point-in-time recovery: fetch a base backup, ask for recovery, replay, promote.

use std::{fmt::Write as _, time::Duration};

use super::{
    fetch::{fetch, in_own_places},
    replay::{paused_at, reached, recovery, replay},
    target::Resolved,
};
use crate::{
    event::{BackupRecord, EventKind, RestoreRecord},
    history::{Progress, Recorder},
    postgres::{Server, ServerError},
    runtime::Exec,
    scenario::plan::{Phase, Recovery, RecoverySignal},
};

/// What to restore where.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The new server, on a node with nothing in it.
    pub server: &'a Server,
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
    let told = Box::pin(replay(request, &settings, &progress, recorder)).await?;
    in_own_places(request.server).await?;
    let identity = request.server.announce(recorder).await?;
    let (reached_lsn, reached_time) = if told.paused() {
        paused_at(request.server).await?
    } else {
        let log = request.server.node.get(&request.server.log()).await?;
        let log = String::from_utf8_lossy(&log);
        let recovered = Box::pin(recovery(request.server, identity, &told, &log)).await?;
        recorder.record(EventKind::Recovered(recovered));
        reached(&log)
    };
    progress.end(reached_lsn.saturating_sub(request.backup.start_lsn));
    let record = RestoreRecord {
        server: request.server.name.clone(),
        backup: request.backup.label.clone(),
        target: request.target.show(),
        scratch: request.server.scratch,
        timeline: identity.timeline,
        next_xid: identity.next_xid,
        reached_lsn,
        reached_time,
        paused: told.paused(),
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
