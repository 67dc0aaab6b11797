//! Faults: inject one, and show that it bit.
//!
//! One file a family. An injection without effect is no error: its record says
//! `bit: false`, and the drill can then tell nothing. Coming back from a fault is
//! `restore/`; what it may cost is judged in `measure/`.

mod archive;
mod damage;
mod machine;
mod statement;

use crate::{
    event::FaultRecord,
    history::Recorder,
    postgres::{PgError, Server, ServerError},
    runtime::RuntimeError,
    scenario::plan::Fault,
};

/// What went wrong while injecting.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct FaultError(#[from] ServerError);

impl From<RuntimeError> for FaultError {
    fn from(error: RuntimeError) -> Self {
        Self(error.into())
    }
}

impl From<PgError> for FaultError {
    fn from(error: PgError) -> Self {
        Self(error.into())
    }
}

/// What every fault's record has, taken before anything is done.
struct Before {
    fault: &'static str,
    target: String,
    began_us: u64,
    server_time: String,
    lsn: u64,
}

/// Injects a fault and returns its record.
///
/// # Errors
/// When the injection itself could not be made.
pub async fn inject(
    server: &Server,
    fault: &Fault,
    recorder: &Recorder,
) -> Result<FaultRecord, FaultError> {
    match fault {
        Fault::DropTable(_)
        | Fault::DropSchema(_)
        | Fault::DeleteRows { .. }
        | Fault::UpdateRows { .. }
        | Fault::Truncate(_)
        | Fault::DropDatabase(_)
        | Fault::RevokeGrants { .. } => statement::inject(server, fault, recorder).await,
        Fault::DamageIndex(object) | Fault::DamageTable(object) => {
            damage::inject(server, fault, object, recorder).await
        }
        Fault::CrashServer => machine::crash(server, fault, recorder).await,
        Fault::LoseServer => machine::lose(server, fault, recorder).await,
        Fault::StopArchiving => archive::stop(server, fault, recorder).await,
    }
}

/// The server's clock and WAL position just before the injection begins.
async fn before(server: &Server, fault: &Fault, recorder: &Recorder) -> Result<Before, FaultError> {
    let query = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
                 || ' ' || pg_current_wal_insert_lsn()";
    let answer = server.value(query).await?;
    let (server_time, position) = answer.split_once(' ').unwrap_or((&answer, "0/0"));
    let object = fault.object();
    Ok(Before {
        fault: fault.name(),
        target: if object.is_empty() {
            server.name.clone()
        } else {
            object
        },
        began_us: recorder.now_us(),
        server_time: server_time.to_owned(),
        lsn: crate::postgres::lsn::parse(position).unwrap_or_default(),
    })
}

impl Before {
    /// The record of a fault that ended now.
    fn record(self, server: &Server, recorder: &Recorder) -> FaultRecord {
        FaultRecord {
            fault: self.fault.into(),
            target: self.target,
            server: server.name.clone(),
            boundary: crate::event::BoundaryKind::None,
            began_us: self.began_us,
            ended_us: recorder.now_us(),
            server_time: self.server_time,
            lsn: self.lsn,
            xid: None,
            commit_lsn: None,
            bit: false,
            evidence: String::new(),
        }
    }
}
