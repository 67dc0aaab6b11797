//! Samples, once a second, where the WAL of each serving server stands and what its
//! node uses. A server that does not answer is simply not sampled.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::JoinHandle;

use super::state::Drill;
use crate::{
    event::EventKind,
    history::Recorder,
    postgres::{Server, lsn, query::one_value},
};

const QUERY: &str = "select pg_current_wal_insert_lsn() || ' ' || failed_count || ' ' || coalesce(last_archived_wal, '') from pg_stat_archiver";

/// The sampler; it ends when dropped.
pub struct Watch {
    servers: Arc<Mutex<Vec<Server>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins with no server to watch.
    pub fn start(recorder: &Recorder) -> Self {
        let servers: Arc<Mutex<Vec<Server>>> = Arc::default();
        let task = tokio::spawn(sampling(servers.clone(), recorder.clone()));
        Self { servers, task }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Server>> {
        self.servers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
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
            sample(server, &self.recorder).await;
            watch.lock().push(server.clone());
        }
    }

    /// Samples this server no longer.
    pub fn unwatch(&self, name: &str) {
        if let Some(watch) = &self.watch {
            watch.lock().retain(|server| server.name != name);
        }
    }
}

async fn sampling(servers: Arc<Mutex<Vec<Server>>>, recorder: Recorder) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let watched = servers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        for server in &watched {
            sample(server, &recorder).await;
        }
    }
}

async fn sample(server: &Server, recorder: &Recorder) {
    if let Ok(client) = server.connect().await
        && let Ok(text) = one_value(&client, QUERY).await
    {
        recorder.record(wal_position(&server.name, &text));
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

fn wal_position(server: &str, text: &str) -> EventKind {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    EventKind::WalPosition {
        server: server.to_owned(),
        lsn: lsn::parse(word()).unwrap_or_default(),
        archive_failures: word().parse().unwrap_or_default(),
        last_archived: word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_reads_as_selected() {
        let event = wal_position("primary", "0/3000148 2 000000010000000000000002");
        let EventKind::WalPosition {
            lsn,
            archive_failures,
            last_archived,
            ..
        } = event
        else {
            panic!()
        };
        assert_eq!(
            (lsn, archive_failures, last_archived.as_str()),
            (0x300_0148, 2, "000000010000000000000002")
        );
    }
}
