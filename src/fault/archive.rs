//! A WAL archive that refuses everything: nobody may write into it any more.

use std::time::Duration;

use super::{FaultError, before};
use crate::{
    event::{BoundaryKind, FaultRecord},
    history::Recorder,
    postgres::Server,
    runtime::Exec,
    scenario::plan::Fault,
};

pub(super) async fn stop(
    server: &Server,
    fault: &Fault,
    recorder: &Recorder,
) -> Result<FaultRecord, FaultError> {
    let archive = server.fill_in("{archive}");
    let failures = server
        .value("select failed_count from pg_stat_archiver")
        .await?;
    let before = before(server, fault, recorder).await?;
    server
        .node
        .exec(Exec::new(["chmod", "0500", &archive]))
        .await?;
    let record = before.record(server, recorder);
    server.sql("select pg_switch_wal()").await?;
    let query = format!("select failed_count > {failures} from pg_stat_archiver");
    let shown = server
        .wait_until("a failing archive_command", &query, Duration::from_secs(30))
        .await;
    let evidence = match &shown {
        Ok(()) => format!("pg_stat_archiver.failed_count rose above {failures}"),
        Err(error) => error.to_string(),
    };
    Ok(FaultRecord {
        target: archive,
        boundary: BoundaryKind::None,
        bit: shown.is_ok(),
        evidence,
        ..record
    })
}
