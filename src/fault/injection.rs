//! What all injections have in common: what is asked of the server just before, and the record.

use crate::{
    backup::WalArchive,
    event::FaultRecord,
    history::Recorder,
    postgres::{DATABASE_TEMPLATE, PgError, Server, ServerError, lsn},
    runtime::RuntimeError,
    store::{ClusterStores, LOCAL, Place, Store},
};

use super::Fault;

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

/// A fault that is to hit a server, or hit it and is to be healed.
#[derive(Clone, Copy, Debug)]
pub struct Injection<'a> {
    /// What the scenario calls it.
    pub name: &'a str,
    pub fault: &'a Fault,
    pub server: &'a Server,
    /// The stores of its cluster.
    pub stores: ClusterStores<'a>,
    /// Where the server's WAL is archived.
    pub archive: Option<&'a WalArchive>,
    pub recorder: &'a Recorder,
}

/// Whether a fault took effect, and what shows it.
pub(super) struct Effect {
    pub took: bool,
    pub evidence: String,
}

impl Injection<'_> {
    /// Begins: with the server's clock and WAL position just before.
    pub(super) async fn begin(&self) -> Result<FaultRecord, FaultError> {
        let query = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
                     || ' ' || pg_current_wal_insert_lsn()";
        let whole = self.server.within(DATABASE_TEMPLATE);
        let answer = whole.value(query).await?;
        let (server_time, position) = answer.split_once(' ').unwrap_or((&answer, "0/0"));
        let facts = self.fault.facts();
        let target = match facts.object.as_str() {
            "" => self.server.name.clone(),
            object => object.to_owned(),
        };
        Ok(FaultRecord {
            name: self.name.to_owned(),
            fault: self.fault.clone(),
            target,
            server: self.server.name.clone(),
            database: self.server.database.clone(),
            boundary: facts.boundary,
            began_us: self.recorder.now_us(),
            ended_us: 0,
            server_time: server_time.to_owned(),
            lsn: lsn::parse(position).unwrap_or_default(),
            xid: None,
            commit_lsn: None,
            took_effect: false,
            evidence: String::new(),
        })
    }

    /// The store that its fault hits, as its server reaches it.
    pub(super) fn hit_store(&self) -> (Store, Place<'_>) {
        let name = self.fault.facts().store().unwrap_or(LOCAL);
        let node = &self.server.node;
        (self.stores.named(name), self.stores.place(name, node))
    }

    /// It is done.
    pub(super) fn end(&self, begun: FaultRecord) -> FaultRecord {
        let ended_us = self.recorder.now_us();
        FaultRecord { ended_us, ..begun }
    }
}

impl Effect {
    pub(super) fn of(self, record: FaultRecord) -> FaultRecord {
        FaultRecord {
            took_effect: self.took,
            evidence: self.evidence,
            ..record
        }
    }
}
