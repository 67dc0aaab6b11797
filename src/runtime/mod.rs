//! Where a node runs: in a container, or as processes of this machine.
//!
//! A node is an own little computer: it executes commands, holds files, can be
//! killed, cut off and measured. What is executed in it (PostgreSQL, tools) does not
//! belong here.

mod choose;
pub mod docker;
mod error;
pub mod exec;
pub mod leftover;
pub mod local;
pub mod run;
#[cfg(test)]
pub mod testing;
pub mod wait;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

pub use choose::{Choice, Chosen, Wanted, choose};
pub use error::RuntimeError;
pub use exec::{Exec, Output, RunAs};

use crate::{
    history::Recorder,
    meter::{Activity, outside},
    units::Bytes,
};

/// Label on everything pgdrill creates in an engine: the run it belongs to.
pub const LABEL_RUN: &str = "pgdrill.run";
/// Label: the run's owner, a process.
pub const LABEL_OWNER: &str = "pgdrill.owner";
pub const LABEL_DRILL: &str = "pgdrill.drill";

#[derive(Clone, Debug)]
pub enum Runtime {
    /// Containers of a Docker-compatible engine.
    Docker(docker::Docker),
    /// Processes of this machine, in private directories.
    Local(local::Local),
}

#[derive(Clone, Debug, Default)]
pub struct NodeSpec {
    /// The drill it belongs to: its network and its store are the drill's.
    pub drill: String,
    /// Its name, unique within the drill; also its host name.
    pub name: String,
    /// Whose stores it sees; none: the drill's first cluster's.
    pub cluster: Option<String>,
    /// PostgreSQL's major version.
    pub postgres: u32,
    /// Debian packages that its image has beside (`docker`).
    pub packages: Vec<String>,
    /// Memory limit; 0: none.
    pub memory: Bytes,
    /// CPU limit in CPUs; 0: none.
    pub cpus: f64,
    /// The drill's stores beside the local one.
    pub stores: Vec<String>,
}

/// Where things lie inside a node. The same on every node of the `docker` runtime,
/// below the node's private directory on `local`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The data directory (a volume of its own on `docker`).
    pub data: PathBuf,
    /// The second tablespace's parent directory (in the same volume's life as `data`).
    pub tablespaces: PathBuf,
    /// The local store, shared by the nodes of a drill, outlives each of them. Mode 0700.
    pub store: PathBuf,
    /// The stores beside it, by name, just so.
    pub stores: BTreeMap<String, PathBuf>,
    /// Scratch space, Unix sockets, logs.
    pub run: PathBuf,
    pub bin: PathBuf,
    /// An initialised cluster to unpack into `data`: a tar archive.
    pub template: PathBuf,
}

impl Layout {
    /// The directory of a store.
    pub fn store(&self, name: &str) -> &Path {
        self.stores.get(name).unwrap_or(&self.store)
    }

    /// The directories that every store begins with, as words of a shell command.
    pub fn places_in_stores(&self) -> String {
        let stores = self.stores.values().chain([&self.store]);
        let places =
            stores.flat_map(|store| ["base", "dumps", "wal"].map(|place| store.join(place)));
        let words = places.map(|place| place.display().to_string());
        words.collect::<Vec<_>>().join(" ")
    }
}

impl NodeSpec {
    /// How the local store of its cluster is called, and any other: with dots, which no server's
    /// name has.
    fn local_store(&self) -> String {
        let cluster = self.cluster.iter().map(|cluster| format!("{cluster}."));
        cluster.collect::<String>() + "store"
    }

    /// Each store beside the local one by its name, and how it is called.
    fn stores_beside(&self) -> impl Iterator<Item = (&String, String)> {
        let stores = self.stores.iter();
        stores.map(|store| (store, format!("{}.{store}", self.local_store())))
    }
}

/// Resources of a node since it was created (CPU, I/O) and now (memory).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time.
    pub cpu: Duration,
    /// Memory in use, in bytes.
    pub memory: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    pub written_bytes: u64,
}

#[derive(Clone, Debug)]
pub enum Node {
    Docker(docker::DockerNode),
    Local(local::LocalNode),
}

macro_rules! each_node {
    ($self:expr, $node:ident => $call:expr) => {
        match $self {
            Node::Docker($node) => $call,
            Node::Local($node) => $call,
        }
    };
}

/// What a container does is the engine's work; of `local` only the commands are not ours
/// (see `local::host`).
macro_rules! await_node {
    ($self:expr, $node:ident => $future:expr) => {
        match $self {
            Node::Docker($node) => outside(Activity::Tool, $future).await,
            Node::Local($node) => $future.await,
        }
    };
}

impl Runtime {
    /// `docker` or `local`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Docker(_) => "docker",
            Self::Local(_) => "local",
        }
    }

    /// The major versions of PostgreSQL it can serve, oldest first.
    pub fn majors(&self) -> Vec<u32> {
        match self {
            Self::Docker(docker) => docker.majors(),
            Self::Local(local) => local.majors(),
        }
    }

    /// Creates a node and everything it needs (network, store) if not yet there.
    /// Commands it executes are recorded in `recorder`.
    ///
    /// # Errors
    /// When the engine or the operating system refuses; nothing is left behind then.
    pub async fn create(&self, spec: &NodeSpec, recorder: &Recorder) -> Result<Node, RuntimeError> {
        match self {
            Self::Docker(docker) => {
                let created = outside(Activity::Tool, docker.create(spec, recorder));
                created.await.map(Node::Docker)
            }
            Self::Local(local) => local.create(spec, recorder).await.map(Node::Local),
        }
    }

    /// The image and its digest; empty on `local`.
    pub async fn image(&self, postgres: u32, packages: &[String]) -> Result<String, RuntimeError> {
        match self {
            Self::Docker(docker) => outside(Activity::Tool, docker.image(postgres, packages)).await,
            Self::Local(_) => Ok(String::new()),
        }
    }

    /// Whether it still answers: a failure of a runtime that does not says nothing
    /// about what was drilled.
    pub async fn answers(&self) -> Result<(), RuntimeError> {
        match self {
            Self::Docker(docker) => docker.engine().answers().await,
            Self::Local(_) => Ok(()),
        }
    }

    /// Returns when it has stopped answering, with how; never on runtimes that can't.
    pub async fn gone(&self) -> RuntimeError {
        match self {
            Self::Docker(docker) => docker.engine().gone().await,
            Self::Local(_) => std::future::pending().await,
        }
    }

    /// Removes everything of a drill: nodes, volumes, networks, directories, processes.
    /// Returns what could not be removed.
    pub async fn close_drill(&self, drill: &str) -> Vec<String> {
        match self {
            Self::Docker(docker) => outside(Activity::Tool, docker.close_drill(drill)).await,
            Self::Local(local) => local.close_drill(drill).await,
        }
    }

    /// Removes everything of the run: what no drill owns, and what is left of the drills.
    /// Returns what could not be removed.
    pub async fn close(&self) -> Vec<String> {
        if let Err(error) = self.answers().await {
            return vec![error.to_string()];
        }
        match self {
            Self::Docker(docker) => docker.close().await,
            Self::Local(local) => local.close().await,
        }
    }
}

impl Node {
    pub fn name(&self) -> &str {
        each_node!(self, node => node.name())
    }

    pub fn layout(&self) -> &Layout {
        each_node!(self, node => node.layout())
    }

    /// Host and TCP port at which the harness reaches the node's PostgreSQL. Ask again
    /// after a stop, start or rejoin.
    pub async fn address(&self) -> Result<(String, u16), RuntimeError> {
        await_node!(self, node => node.address())
    }

    /// The TCP port PostgreSQL must listen on inside the node.
    pub fn port(&self) -> u16 {
        each_node!(self, node => node.port())
    }

    /// The addresses PostgreSQL must listen on inside the node: all of its own; of this
    /// machine only the loopback interface.
    pub fn listen_addresses(&self) -> &'static str {
        match self {
            Self::Docker(_) => "*",
            Self::Local(_) => "127.0.0.1",
        }
    }

    /// Executes a command to its end. A non-zero exit code is an error unless the
    /// [`Exec`] allows it.
    pub async fn exec(&self, exec: Exec) -> Result<Output, RuntimeError> {
        #[cfg(test)]
        testing::heed(&exec);
        await_node!(self, node => node.exec(exec))
    }

    /// Writes a file, owned by the node's unprivileged user.
    pub async fn put(
        &self,
        path: &std::path::Path,
        content: &[u8],
        mode: u32,
    ) -> Result<(), RuntimeError> {
        await_node!(self, node => node.put(path, content, mode))
    }

    pub async fn get(&self, path: &std::path::Path) -> Result<Vec<u8>, RuntimeError> {
        await_node!(self, node => node.get(path))
    }

    /// kill -9 of everything that runs in it. Its storage stays.
    pub async fn kill(&self) -> Result<(), RuntimeError> {
        await_node!(self, node => node.kill())
    }

    /// Starts a killed node again (not the server in it).
    pub async fn start(&self) -> Result<(), RuntimeError> {
        await_node!(self, node => node.start())
    }

    /// Removes it with its storage (the drill's backup storage stays).
    pub async fn remove(&self) -> Result<(), RuntimeError> {
        await_node!(self, node => node.remove())
    }

    /// Cuts it off from its network.
    pub async fn cut_off(&self) -> Result<(), RuntimeError> {
        await_node!(self, node => node.cut_off())
    }

    /// Brings it back to its network.
    pub async fn rejoin(&self) -> Result<(), RuntimeError> {
        await_node!(self, node => node.rejoin())
    }

    pub async fn stats(&self) -> Result<Stats, RuntimeError> {
        await_node!(self, node => node.stats())
    }

    /// Free bytes where its data directory lies.
    pub async fn free_space(&self) -> Result<u64, RuntimeError> {
        await_node!(self, node => node.free_space())
    }
}
