//! Where a node runs: in a container, or as processes of this machine.
//!
//! A node is an own little computer: it executes commands, holds files, can be
//! killed and measured. What is executed in it (PostgreSQL, tools) does not
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

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    history::Recorder,
    meter::{Activity, outside},
    store::LOCAL,
    units::{Bytes, Time},
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

/// What a node is to be: where a server of PostgreSQL runs, tools, a proxy, or what keeps a store.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The drill it belongs to: its network and its stores are the drill's.
    pub drill: String,
    /// Its name, unique within the drill; also its host name.
    pub name: String,
    /// PostgreSQL's major version, whose programs it has.
    pub postgres: u32,
    /// Debian packages that its image has beside (`docker`).
    pub packages: Vec<String>,
    /// The ports that what runs in it serves, as a container has them to itself.
    pub ports: Vec<u16>,
    /// The stores it sees, by the names they have in it.
    pub mounts: BTreeMap<String, Mount>,
    pub limits: Limits,
    pub clock: Clock,
    /// Whether it may open connections to what is outside of its drill (`docker`).
    pub reach_out: bool,
}

impl Default for NodeSpec {
    /// Of a server, with the local store.
    fn default() -> Self {
        let store = Mount {
            store: "store".into(),
            size: Bytes(0),
        };
        Self {
            drill: String::new(),
            name: String::new(),
            postgres: 0,
            packages: Vec::new(),
            ports: vec![POSTGRES_PORT],
            mounts: BTreeMap::from([(LOCAL.to_owned(), store)]),
            limits: Limits::default(),
            clock: Clock::default(),
            reach_out: false,
        }
    }
}

/// A store as nodes share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What it is called within the drill; with a dot, which no node's name has, or `store`.
    pub store: String,
    /// How much it holds; 0: as much as the disk.
    pub size: Bytes,
}

/// What a node may use at most; 0: as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    pub memory: Bytes,
    /// In CPUs.
    pub cpus: f64,
}

/// What a node's programs take the time for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Clock {
    /// The time zone of its programs: `Asia/Shanghai`. Default: UTC.
    pub zone: Option<String>,
    /// It is fast by this much.
    pub ahead: Option<Time>,
    /// It is slow by this much.
    pub behind: Option<Time>,
}

impl Clock {
    /// By how many seconds it is fast; negative: slow.
    pub fn seconds_ahead(&self) -> i64 {
        let seconds = |time: Option<Time>| time.unwrap_or_default().0.as_secs() as i64;
        seconds(self.ahead) - seconds(self.behind)
    }

    /// The environment of every program of a node. `library`: libfaketime's.
    fn environment(&self, library: &str) -> Vec<(String, String)> {
        let mut environment = Vec::new();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        if let Some(zone) = &self.zone {
            set("TZ", zone.clone());
        }
        if self.seconds_ahead() != 0 {
            set("LD_PRELOAD", library.to_owned());
            set("FAKETIME", format!("{:+}", self.seconds_ahead()));
            // Time-outs and the times of files stay what they are.
            set("FAKETIME_DONT_FAKE_MONOTONIC", "1".into());
            set("NO_FAKE_STAT", "1".into());
        }
        environment
    }
}

/// PostgreSQL's port.
pub const POSTGRES_PORT: u16 = 5432;

/// Where things lie inside a node. The same on every node of the `docker` runtime,
/// below the node's private directory on `local`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The data directory (a volume of its own on `docker`).
    pub data: PathBuf,
    /// The second tablespace's parent directory (in the same volume's life as `data`).
    pub tablespaces: PathBuf,
    /// The stores, by name, shared by the nodes of a drill; each outlives them. Mode 0700.
    pub stores: BTreeMap<String, PathBuf>,
    /// Scratch space, Unix sockets, logs.
    pub run: PathBuf,
    pub bin: PathBuf,
    /// An initialised cluster to unpack into `data`: a tar archive.
    pub template: PathBuf,
}

impl Layout {
    /// The directory of a store.
    ///
    /// # Panics
    /// When the node does not see it: a bug.
    pub fn store(&self, name: &str) -> &Path {
        let store = self.stores.get(name);
        store.unwrap_or_else(|| panic!("no store `{name}` in {:?}", self.stores))
    }

    /// The directories that every store begins with, as words of a shell command.
    pub fn places_in_stores(&self) -> String {
        let stores = self.stores.values();
        let places =
            stores.flat_map(|store| ["base", "dumps", "wal"].map(|place| store.join(place)));
        let words = places.map(|place| place.display().to_string());
        words.collect::<Vec<_>>().join(" ")
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

    /// Host and TCP port at which the harness reaches what serves this port of the node. Ask again
    /// after a stop or start.
    pub async fn address(&self, port: u16) -> Result<(String, u16), RuntimeError> {
        await_node!(self, node => node.address(port))
    }

    /// Host and TCP port at which the nodes of its drill reach it.
    pub fn inside_address(&self, port: u16) -> (String, u16) {
        match self {
            Self::Docker(node) => (node.name().to_owned(), port),
            Self::Local(node) => ("127.0.0.1".to_owned(), node.port(port)),
        }
    }

    /// The TCP port that what serves this one must listen on inside the node.
    pub fn port(&self, port: u16) -> u16 {
        match self {
            Self::Docker(_) => port,
            Self::Local(node) => node.port(port),
        }
    }

    /// The addresses that servers must listen on inside the node: all of its own; of this
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
    pub async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), RuntimeError> {
        await_node!(self, node => node.put(path, content, mode))
    }

    pub async fn get(&self, path: &Path) -> Result<Vec<u8>, RuntimeError> {
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

    pub async fn stats(&self) -> Result<Stats, RuntimeError> {
        await_node!(self, node => node.stats())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_set_by_a_library_and_a_zone_by_the_environment() {
        let minutes = |minutes: u64| Some(Time(Duration::from_secs(60 * minutes)));
        assert!(Clock::default().environment("lib").is_empty());
        let slow = Clock {
            zone: Some("Asia/Shanghai".into()),
            behind: minutes(10),
            ..Clock::default()
        };
        let environment: BTreeMap<String, String> = slow.environment("lib").into_iter().collect();
        assert_eq!(environment["TZ"], "Asia/Shanghai");
        assert_eq!(environment["LD_PRELOAD"], "lib");
        assert_eq!(environment["FAKETIME"], "-600");
        let fast = Clock {
            ahead: minutes(1),
            ..Clock::default()
        };
        assert_eq!(fast.seconds_ahead(), 60);
    }
}
