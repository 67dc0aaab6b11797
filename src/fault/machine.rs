//! Servers that die: kill -9 of everything, with and without their storage.

use super::{FaultError, before};
use crate::{
    event::{BoundaryKind, FaultRecord},
    history::Recorder,
    postgres::Server,
    scenario::plan::Fault,
};

/// kill -9 of every process; the storage stays.
pub(super) async fn crash(
    server: &Server,
    fault: &Fault,
    recorder: &Recorder,
) -> Result<FaultRecord, FaultError> {
    let before = before(server, fault, recorder).await?;
    server.node.kill().await?;
    let mut record = before.record(server, recorder);
    record.boundary = BoundaryKind::Instant;
    (record.bit, record.evidence) = unreachable(server).await;
    server.node.start().await?;
    Ok(record)
}

/// kill -9, and the storage gone with it.
pub(super) async fn lose(
    server: &Server,
    fault: &Fault,
    recorder: &Recorder,
) -> Result<FaultRecord, FaultError> {
    let access = server.access().await?;
    let before = before(server, fault, recorder).await?;
    server.node.remove().await?;
    let mut record = before.record(server, recorder);
    record.boundary = BoundaryKind::Instant;
    let answer = access.connect("pgdrill").await;
    record.bit = answer.is_err();
    record.evidence = match answer {
        Err(error) => format!("node and storage removed; {error}"),
        Ok(_) => "node and storage removed, but something still answers".into(),
    };
    Ok(record)
}

async fn unreachable(server: &Server) -> (bool, String) {
    match server.connect().await {
        Err(error) => (true, error.to_string()),
        Ok(_) => (false, "the server still answers".into()),
    }
}
