//! A node in an engine: a container, its volume, its place in the drill's network.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bollard::models::{ContainerMemoryStats, NetworkConnectRequest};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, StartContainerOptions,
    StatsOptionsBuilder,
};
use futures_util::StreamExt;

use super::{
    command,
    container::{Names, endpoint, engine_port},
    engine::Engine,
    io, leftover,
};
use crate::{
    history::Recorder,
    runtime::{
        Exec, Layout, NodeSpec, Output, RuntimeError, Stats,
        exec::{MOST, Place},
    },
};

#[derive(Clone, Debug)]
pub struct DockerNode {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    name: String,
    names: Names,
    layout: Layout,
    recorder: Recorder,
}

impl DockerNode {
    pub(super) fn new(
        engine: Engine,
        spec: &NodeSpec,
        names: Names,
        layout: Layout,
        recorder: &Recorder,
    ) -> Self {
        let inner = Inner {
            engine,
            name: spec.name.clone(),
            names,
            layout,
            recorder: recorder.clone(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.inner.names.container
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// Host and port at which the engine publishes one of its ports.
    pub async fn address(&self, port: u16) -> Result<(String, u16), RuntimeError> {
        let error = self.error("find the address of");
        let inspected = self
            .inner
            .engine
            .api
            .inspect_container(self.container(), None::<InspectContainerOptions>);
        let settings = inspected.await.map_err(&error)?.network_settings;
        let mut ports = settings
            .and_then(|settings| settings.ports)
            .unwrap_or_default();
        let bindings = ports
            .remove(&engine_port(port))
            .flatten()
            .unwrap_or_default();
        let port = bindings
            .into_iter()
            .find_map(|binding| binding.host_port?.parse().ok());
        port.map(|port| ("127.0.0.1".to_owned(), port))
            .ok_or_else(|| RuntimeError::Engine {
                doing: format!("find the address of `{}`", self.name()),
                cause: "it is not running, or cut off from its network".into(),
            })
    }

    /// Executes a command to its end. One that is given up before goes on in the
    /// container until its deadline.
    pub async fn exec(&self, exec: Exec) -> Result<Output, RuntimeError> {
        let Inner {
            engine,
            name,
            recorder,
            ..
        } = &*self.inner;
        let began = Instant::now();
        let ended = command::perform(engine, self.container(), name, &exec).await?;
        let place = Place {
            node: name,
            user: command::user(exec.run_as),
            recorder,
        };
        place.conclude(&exec, ended, began.elapsed())
    }

    /// Where its stores' volumes are mounted.
    pub(super) fn mounts(&self) -> impl Iterator<Item = String> {
        self.inner
            .names
            .stores
            .iter()
            .map(|(_, target, _)| target.clone())
    }

    /// Writes a file, owned by `postgres`.
    pub async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), RuntimeError> {
        let script = r#"umask 077 && cat >"$0" && chmod "$1" "$0""#;
        let path = path.display().to_string();
        let write = Exec::shell(script)
            .arg(path)
            .arg(format!("{mode:o}"))
            .stdin(content)
            .unrecorded();
        self.exec(write).await.map(drop)
    }

    /// Reads a file of no more than [`MOST`] bytes.
    pub async fn get(&self, path: &Path) -> Result<Vec<u8>, RuntimeError> {
        let script = r#"[ "$(wc -c <"$0")" -le "$1" ] || { echo "$0 is larger than $1 bytes" >&2; exit 1; }; cat -- "$0""#;
        let read = Exec::shell(script)
            .arg(path.display().to_string())
            .arg(MOST.to_string());
        let output = self.exec(read.unrecorded()).await?;
        Ok(output.stdout)
    }

    /// kill -9 of everything in it. Its storage stays.
    pub async fn kill(&self) -> Result<(), RuntimeError> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let api = &self.inner.engine.api;
        match api.kill_container(self.container(), Some(options)).await {
            // Dead already.
            Err(error) if leftover::status(&error) == Some(409) => Ok(()),
            answer => answer.map_err(self.error("kill")),
        }
    }

    /// Starts it again after a kill; its port is another one then.
    pub async fn start(&self) -> Result<(), RuntimeError> {
        let api = &self.inner.engine.api;
        let started = api.start_container(self.container(), None::<StartContainerOptions>);
        started.await.map_err(self.error("start"))
    }

    /// Kills it and removes it with its volume.
    pub async fn remove(&self) -> Result<(), RuntimeError> {
        let Inner { engine, names, .. } = &*self.inner;
        let removed = async {
            leftover::remove_container(engine, &names.container).await?;
            leftover::remove_volume(engine, &names.volume).await
        };
        removed.await.map_err(|cause| RuntimeError::Engine {
            doing: format!("remove `{}`", self.name()),
            cause,
        })
    }

    /// Joins the network of those that may reach out, where it may: not every engine takes two as a
    /// container is made.
    pub(super) async fn join_outwards(&self) -> Result<(), RuntimeError> {
        let Some(network) = &self.inner.names.outwards else {
            return Ok(());
        };
        let request = NetworkConnectRequest {
            container: self.container().to_owned(),
            endpoint_config: Some(endpoint(self.name())),
        };
        let answer = self.inner.engine.api.connect_network(network, request);
        answer.await.map_err(self.error("bring to its network"))
    }

    /// Resources as its control group counts them: since its last start.
    pub async fn stats(&self) -> Result<Stats, RuntimeError> {
        let error = self.error("read the statistics of");
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true);
        let api = &self.inner.engine.api;
        let mut answers = Box::pin(api.stats(self.container(), Some(options.build())));
        let Some(answer) = answers.next().await else {
            return Ok(Stats::default());
        };
        let answer = answer.map_err(error)?;
        let cpu = answer.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
        let id = answer.id.unwrap_or_default();
        let (read_bytes, written_bytes) = io::bytes(&answer.blkio_stats.unwrap_or_default(), &id);
        Ok(Stats {
            cpu: Duration::from_nanos(cpu.unwrap_or_default()),
            memory: answer.memory_stats.map(memory).unwrap_or_default(),
            read_bytes,
            written_bytes,
        })
    }

    fn error(&self, doing: &str) -> impl Fn(bollard::errors::Error) -> RuntimeError {
        RuntimeError::engine(format!("{doing} `{}`", self.name()))
    }
}

/// In use, without the page cache that the kernel would give back.
fn memory(stats: ContainerMemoryStats) -> u64 {
    let detail = stats.stats.unwrap_or_default();
    let cache = ["total_inactive_file", "inactive_file"];
    let cache = cache.iter().find_map(|name| detail.get(*name)).copied();
    stats
        .usage
        .unwrap_or_default()
        .saturating_sub(cache.unwrap_or_default())
}
