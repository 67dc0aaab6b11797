//! Samples, once a second, where the WAL of each serving server stands, what arrived in the
//! archive and what its node uses. A server that does not answer is simply not sampled.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::state::Drill;
use crate::{
    event::EventKind,
    history::Recorder,
    postgres::{PgError, Server, ServerError, lsn, query::one_value},
    probe::archive::{Span, digests},
};

const QUERY: &str = "select pg_current_wal_insert_lsn() || ' ' || failed_count || ' ' || pg_walfile_name(pg_current_wal_insert_lsn() - 16777216) || ' ' || coalesce(last_archived_wal, '') from pg_stat_archiver";

/// A server, and the segment up to which its archived ones were looked at; empty: not yet.
/// Those from before the first look stand in the steady state's listing.
#[derive(Clone)]
struct Watched {
    server: Server,
    looked_at: Arc<Mutex<String>>,
}

/// The sampler; it ends when dropped.
pub struct Watch {
    servers: Arc<Mutex<Vec<Watched>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins with no server to watch.
    pub fn start(recorder: &Recorder) -> Self {
        let servers: Arc<Mutex<Vec<Watched>>> = Arc::default();
        let task = tokio::spawn(sampling(servers.clone(), recorder.clone()));
        Self { servers, task }
    }
}

impl Watch {
    /// Why there are no samples any more; none while it samples.
    pub fn trouble(&self) -> Option<String> {
        let ended = self.task.is_finished();
        ended.then(|| "a bug in pgdrill: the sampler of WAL positions ended early".into())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drill<'_> {
    /// Samples this server from now on, beside those already watched.
    pub async fn watch_server(&self, server: &Server) {
        if let Some(watch) = &self.watch {
            let watched = Watched {
                server: server.clone(),
                looked_at: Arc::default(),
            };
            sample(&watched, &self.recorder).await;
            lock(&watch.servers).push(watched);
        }
    }

    /// Samples this server no longer.
    pub fn unwatch(&self, name: &str) {
        if let Some(watch) = &self.watch {
            lock(&watch.servers).retain(|watched| watched.server.name != name);
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn sampling(servers: Arc<Mutex<Vec<Watched>>>, recorder: Recorder) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let all = lock(&servers).clone();
        for watched in &all {
            sample(watched, &recorder).await;
        }
    }
}

async fn sample(watched: &Watched, recorder: &Recorder) {
    let server = &watched.server;
    if let Ok(position) = wal(watched).await {
        recorder.record(position);
    }
    if let Ok(stats) = server.node.stats().await {
        recorder.record(EventKind::NodeStats {
            node: server.name.clone(),
            cpu_us: stats.cpu.as_micros() as u64,
            memory: stats.memory,
            read_bytes: stats.read_bytes,
            written_bytes: stats.written_bytes,
        });
    }
}

async fn wal(watched: &Watched) -> Result<EventKind, ServerError> {
    let client = watched.server.connect().await?;
    let stands = Stands::read(&one_value(&client, QUERY).await?);
    let arrived = arrived(watched, &client, &stands).await;
    Ok(EventKind::WalPosition {
        server: watched.server.name.clone(),
        lsn: stands.lsn,
        last_archived: stands.last_archived,
        archive_failures: stands.failures,
        arrived: arrived.unwrap_or_default(),
    })
}

/// Digests of what was archived since the last look.
async fn arrived(
    watched: &Watched,
    client: &Client,
    stands: &Stands,
) -> Result<BTreeMap<String, String>, PgError> {
    let mut after = lock(&watched.looked_at).clone();
    if after.is_empty() {
        after.clone_from(&stands.written);
    }
    let (mut found, up_to) = (BTreeMap::new(), stands.last_archived.as_str());
    if up_to > after.as_str() {
        let archive = watched.server.fill_in("{archive}");
        let span = Span {
            after: &after,
            up_to,
        };
        found = digests(client, &archive, span).await?;
        up_to.clone_into(&mut after);
    }
    *lock(&watched.looked_at) = after;
    Ok(found)
}

/// Where a server's WAL stands.
#[derive(Debug, PartialEq)]
struct Stands {
    lsn: u64,
    failures: u64,
    /// The segment before the one being written.
    written: String,
    last_archived: String,
}

impl Stands {
    fn read(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap_or_default();
        Self {
            lsn: lsn::parse(word()).unwrap_or_default(),
            failures: word().parse().unwrap_or_default(),
            written: word().to_owned(),
            last_archived: word().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_reads_as_selected() {
        let text = "0/3000148 2 000000010000000000000002 000000010000000000000001";
        let expected = Stands {
            lsn: 0x300_0148,
            failures: 2,
            written: "000000010000000000000002".into(),
            last_archived: "000000010000000000000001".into(),
        };
        assert_eq!(Stands::read(text), expected);
    }
}
