//! A physical restore: the files of a cluster are back, recovery is asked for, WAL is replayed,
//! and the server is promoted, or waits.

use super::{
    Reached, Restore, by_tool,
    replay::{paused_at, reached, recovery, replay},
};
use crate::{
    backup::{self, Asked, BackupError},
    event::EventKind,
    history::{Progress, Recorder},
    postgres::{Server, ServerError, configuration::conf_line},
    runtime::Exec,
    scenario::plan::{Phase, RecoverySignal},
};

pub(super) async fn restore(
    request: &Restore<'_>,
    recorder: &Recorder,
) -> Result<Reached, BackupError> {
    let server = request.server;
    let stated = request.recovery.restore_command;
    let stated = stated.map(|command| server.fill_in(command));
    let asked = by_tool(request, stated.as_deref(), recorder).await?;
    recorder.record(EventKind::PhaseBegan {
        phase: Phase::ReplayToConsistency,
    });
    let settings = match asked {
        Asked::ByTool => Vec::new(),
        Asked::NotYet => ask_for_recovery(request).await?,
    };
    let progress = Progress::begin(recorder, "replay");
    let told = Box::pin(replay(request, &settings, &progress, recorder)).await?;
    in_own_places(server).await?;
    let identity = server.announce(recorder).await?;
    let (lsn, time) = if told.paused() {
        paused_at(server).await?
    } else {
        let log = server.node.get(&server.log()).await?;
        let log = String::from_utf8_lossy(&log);
        let recovered = Box::pin(recovery(request, identity, &told, &log)).await?;
        recorder.record(EventKind::Recovered(recovered));
        reached(&log)
    };
    let began = request.listed.start_lsn.unwrap_or(lsn);
    progress.end(lsn.saturating_sub(began));
    Ok(Reached {
        identity,
        lsn,
        time,
        configured: asked == Asked::ByTool,
        paused: told.paused(),
    })
}

/// That every tablespace of a restored server lies in a place of its own.
async fn in_own_places(server: &Server) -> Result<(), ServerError> {
    let spaces = backup::tablespaces::of(server).await?;
    let own = server.node.layout().tablespaces.display().to_string() + "/";
    let foreign = spaces
        .iter()
        .find(|space| !space.location.starts_with(&own));
    foreign.map_or(Ok(()), |space| {
        Err(ServerError::Foreign {
            server: server.name.clone(),
            tablespace: space.name.clone(),
            location: space.location.clone(),
        })
    })
}

/// Recovery's settings, as the runbook states them: what a strategy leaves out is left to
/// PostgreSQL. Every other setting came home with the backup, or did not.
fn recovery_settings(request: &Restore<'_>) -> Vec<(String, String)> {
    let recovery = request.recovery;
    let of_archive = recovery
        .archive
        .map(|archive| archive.restore_command.as_str());
    let command = recovery.restore_command.or(of_archive);
    let command = command.map(|command| request.server.fill_in(command));
    let mut settings = Vec::from_iter(command.map(|command| ("restore_command".into(), command)));
    settings.extend(request.target.settings.iter().cloned());
    settings.extend(request.target.along());
    let action = recovery.action.map(|action| action.name().into());
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
    let lines = settings.iter().map(|(name, value)| conf_line(name, value));
    lines.collect()
}
