//! A logical restore: a new server, made as the one that was backed up, and the backup's content
//! in it. It is another cluster, without a timeline of the old one's, as of the backup's snapshot.

use super::{Restore, by_tool};
use crate::{backup::BackupError, event::RestoreRecord, history::Recorder, scenario::plan::Nature};

pub(super) async fn restore(
    request: &Restore<'_>,
    recorder: &Recorder,
) -> Result<RestoreRecord, BackupError> {
    let server = request.server;
    server.create(request.settings).await?;
    by_tool(request, None, recorder).await?;
    let identity = server.announce(recorder).await?;
    Ok(RestoreRecord {
        server: server.name.clone(),
        backup: request.listed.label.clone(),
        store: request.listed.store.clone(),
        nature: Nature::Logical,
        in_place: false,
        target: request.target.show(),
        scratch: server.scratch,
        timeline: identity.timeline,
        next_xid: identity.next_xid,
        reached_lsn: request.listed.snapshot_lsn.unwrap_or_default(),
        reached_time: request
            .listed
            .began
            .map(|began| began.to_string())
            .unwrap_or_default(),
        configured: false,
        paused: false,
        bytes: request.listed.bytes,
    })
}
