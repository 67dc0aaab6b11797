//! Samples, once a second, where the WAL of each serving server stands, what arrived in the
//! archive and what its node uses. A server that does not answer is simply not sampled.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;

use super::state::Drill;
use crate::{
    backup::WalArchive,
    event::{EventKind, NodeStats, WalPosition},
    history::Recorder,
    postgres::{Server, ServerError},
    probe::archive::{Held, Records, Span, segments},
    runtime::RuntimeError,
    store::Mirrors,
    wal::{SegmentPosition, SegmentSize, lsn},
};

const QUERY: &str = "select pg_current_wal_insert_lsn() || ' ' || failed_count || ' ' \
     || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || ' ' || bytes_per_wal_segment \
     || ' ' || coalesce(last_archived_wal, '') from pg_stat_archiver, pg_control_init()";

/// A server, and the segment up to which its archived ones were looked at; empty: not yet.
/// Those from before the first look stand in the steady state's listing.
#[derive(Clone)]
struct Watched {
    server: Server,
    /// Where its WAL is archived.
    archive: Option<WalArchive>,
    /// Stores of it that have to be mirrored.
    mirrors: Mirrors,
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

impl Drill {
    /// Samples this server from now on, beside those already watched.
    pub async fn watch_server(&self, server: &Server) {
        if let Some(watch) = &self.watch {
            let named = |one: &Watched| one.server.name == server.name;
            if lock(&watch.servers).iter().any(named) {
                return;
            }
            let watched = Watched {
                server: server.clone(),
                archive: self.plan.strategy.archive(),
                mirrors: self.stores_of(&server.name).mirrors(),
                looked_at: Arc::default(),
            };
            Box::pin(sample(&watched, &self.recorder)).await;
            lock(&watch.servers).push(watched);
        }
    }

    /// Samples a server that is about to be lost for the last time: what it takes for archived
    /// by then is held against the archive.
    pub async fn watch_last(&self, name: &str) {
        let watched = self.watch.as_ref().and_then(|watch| {
            let servers = lock(&watch.servers);
            servers.iter().find(|one| one.server.name == name).cloned()
        });
        if let Some(watched) = watched {
            self.unwatch(name);
            Box::pin(sample(&watched, &self.recorder)).await;
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
    if let Ok(position) = wal(watched, recorder).await {
        recorder.record(position);
    }
    if let Ok(stats) = server.node.stats().await {
        recorder.record(EventKind::NodeStats(NodeStats {
            node: server.name.clone(),
            cpu_us: stats.cpu.as_micros() as u64,
            memory: stats.memory,
            read_bytes: stats.read_bytes,
            written_bytes: stats.written_bytes,
        }));
    }
}

async fn wal(watched: &Watched, recorder: &Recorder) -> Result<EventKind, ServerError> {
    let asked_us = recorder.now_us();
    let stands = Stands::read(&watched.server.value(QUERY).await?);
    let arrived = arrived(watched, &stands).await.unwrap_or_default();
    Ok(EventKind::WalPosition(WalPosition {
        server: watched.server.name.clone(),
        lsn: stands.lsn,
        last_archived: stands.last_archived,
        archive_failures: stands.failures,
        took_us: recorder.now_us() - asked_us,
        arrived: arrived.files,
        written: arrived.written,
    }))
}

/// What was archived since the last look.
async fn arrived(watched: &Watched, stands: &Stands) -> Result<Held, RuntimeError> {
    let mut after = lock(&watched.looked_at).clone();
    if after.is_empty() {
        after = stands.before_current();
    }
    let up_to = stands.last_archived.get(..24).unwrap_or_default();
    let mut found = Held::default();
    if up_to > after.as_str() {
        let span = Span {
            after: &after,
            up_to,
            written_after: after.as_str().max(&stands.timeline),
            written: up_to,
        };
        watched.mirrors.refresh().await?;
        found = Box::pin(segments(
            &watched.server.node,
            watched.archive.as_ref(),
            span,
            Records::Left,
        ))
        .await?;
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
    /// The timeline, as segments' names begin.
    timeline: String,
    size: SegmentSize,
    last_archived: String,
}

impl Stands {
    fn read(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap_or_default();
        Self {
            lsn: lsn::parse(word()).unwrap_or_default(),
            failures: word().parse().unwrap_or_default(),
            timeline: word().to_owned(),
            size: SegmentSize(word().parse().unwrap_or_default()),
            last_archived: word().to_owned(),
        }
    }

    /// Name of the segment before the one being written.
    fn before_current(&self) -> String {
        let place = SegmentPosition {
            timeline: u32::from_str_radix(&self.timeline, 16).unwrap_or_default(),
            number: self.size.number(self.lsn).saturating_sub(1),
        };
        place.name(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_reads_as_selected() {
        let text = "0/3000148 2 00000001 16777216 000000010000000000000001";
        let expected = Stands {
            lsn: 0x300_0148,
            failures: 2,
            timeline: "00000001".into(),
            size: SegmentSize(16 << 20),
            last_archived: "000000010000000000000001".into(),
        };
        assert_eq!(Stands::read(text), expected);
        assert_eq!(expected.before_current(), "000000010000000000000002");
    }
}
