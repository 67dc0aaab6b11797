//! Bringing a system back: a server from a backup and the WAL archive, and rows from a scratch
//! server.
//!
//! `target` says up to where and from which backup. What a tool brings back is its own business
//! (`backup/`); what follows depends on what the backup is: `physical` asks for recovery and has
//! it replayed (`replay`, which is watched by `stall` and looks at its end with `follows`),
//! `logical` has a server made first. `standby` copies a server and has the copy take over,
//! `salvage` brings lost rows home. Whether what came back is right is judged in `check/`.

mod follows;
mod logical;
mod physical;
mod replay;
pub mod salvage;
mod stall;
pub mod standby;
pub mod target;

use std::{collections::BTreeMap, time::Duration};

use crate::{
    backup::{
        Asked, BackupError, Nature, Only, Resolved, Site, TargetAction, Tool, WalArchive, Wanted,
        size,
    },
    event::{EventKind, Listed, RestoreRecord},
    history::{Bytes, Progress, Recorder},
    postgres::{Server, query::Identity},
    scenario::plan::{Phase, RecoverySignal},
    store::ClusterStores,
};

/// What to restore where.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The server: on a node with nothing in it, or down, with its data there.
    pub server: &'a Server,
    /// The backup's name in the strategy, and the tool that took it.
    pub backup: (&'a str, &'a Tool),
    /// The stores that it goes to, and what every store is.
    pub stores: (&'a [String], ClusterStores<'a>),
    pub listed: &'a Listed,
    /// Up to where.
    pub target: &'a Resolved,
    pub recovery: Recovery<'a>,
    /// Settings of a server that is made anew, for what is restored into a running one.
    pub settings: &'a BTreeMap<String, String>,
    pub in_place: bool,
    pub only: Only<'a>,
    pub deadline: Duration,
}

/// How recovery is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Recovery<'a> {
    pub signal: RecoverySignal,
    /// A `restore_command` in place of the archive's.
    pub restore_command: Option<&'a str>,
    /// Where WAL is archived.
    pub archive: Option<&'a WalArchive>,
    /// `recovery_target_action`; none: PostgreSQL's own, which is to pause.
    pub action: Option<TargetAction>,
}

/// What a restore came to, as its record has it.
struct Reached {
    identity: Identity,
    lsn: u64,
    time: String,
    configured: bool,
    paused: bool,
}

/// Performs it and records what was reached.
///
/// # Errors
/// When the tool fails, the server does not start, or recovery does not end.
pub async fn restore(
    request: &Restore<'_>,
    recorder: &Recorder,
) -> Result<RestoreRecord, BackupError> {
    recorder.record(EventKind::PhaseBegan {
        phase: Phase::Fetch,
    });
    let Restore { server, listed, .. } = request;
    let reached = match listed.nature {
        Nature::Physical => Box::pin(physical::restore(request, recorder)).await?,
        Nature::Logical => Box::pin(logical::restore(request, recorder)).await?,
    };
    let record = RestoreRecord {
        server: server.name.clone(),
        backup: listed.label.clone(),
        store: listed.store.clone(),
        nature: listed.nature,
        in_place: request.in_place && listed.nature == Nature::Physical,
        target: request.target.show(),
        scratch: server.scratch,
        timeline: reached.identity.timeline,
        next_xid: reached.identity.next_xid,
        reached_lsn: reached.lsn,
        reached_time: reached.time,
        configured: reached.configured,
        paused: reached.paused,
        bytes: listed.bytes,
    };
    recorder.record(EventKind::Restored(record.clone()));
    Ok(record)
}

/// What its tool does of it, told in bytes as it gets on.
async fn by_tool(
    request: &Restore<'_>,
    restore_command: Option<&str>,
    recorder: &Recorder,
) -> Result<Asked, BackupError> {
    let (name, tool) = request.backup;
    let site = Site {
        name,
        server: request.server,
        node: &request.server.node,
        to: request.stores.0,
        stores: request.stores.1,
        keep: None,
        deadline: request.deadline,
        recorder,
    };
    let wanted = Wanted {
        backup: request.listed,
        target: request.target,
        action: request.recovery.action,
        restore_command,
        in_place: request.in_place,
        only: request.only,
    };
    let layout = request.server.node.layout();
    let paths = format!("{} {}", layout.data.display(), layout.tablespaces.display());
    let progress = Progress::begin(recorder, "fetch");
    let total = request.listed.bytes;
    let fetched = async || {
        let done = size(&request.server.node, &paths).await.ok()?;
        Some(Bytes { done, total })
    };
    let asked = progress
        .during(Box::pin(tool.restore(&site, &wanted)), fetched)
        .await?;
    progress.end(total);
    Ok(asked)
}
