//! A logical restore: a new server, made as the one that was backed up, and the backup's content
//! in it. It is another cluster, without a timeline of the old one's, as of the backup's snapshot.

use super::{Reached, Restore, by_tool};
use crate::{backup::BackupError, history::Recorder};

pub(super) async fn restore(
    request: &Restore<'_>,
    recorder: &Recorder,
) -> Result<Reached, BackupError> {
    let server = request.server;
    server.create(request.settings).await?;
    by_tool(request, None, recorder).await?;
    let identity = server.announce(recorder).await?;
    let began = request.listed.began;
    Ok(Reached {
        identity,
        lsn: request.listed.snapshot_lsn.unwrap_or_default(),
        time: began.map_or(String::new(), |began| began.to_string()),
        configured: false,
        paused: false,
    })
}
