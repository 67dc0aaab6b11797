//! Where a node runs: in a container, or as processes of this machine.
//!
//! A node is an own little computer: it executes commands, holds files, can be
//! killed and measured. What is executed in it (PostgreSQL, tools) does not
//! belong here.

pub mod buckets;
mod choose;
pub mod docker;
mod error;
pub mod exec;
pub mod leftover;
pub mod local;
pub mod run;
mod spec;
#[cfg(test)]
pub mod testing;
pub mod wait;

use std::{path::Path, time::Duration};

pub use choose::{Choice, Chosen, Wanted, choose};
pub use error::RuntimeError;
pub use exec::{Exec, Output, RunAs};
pub use spec::{Clock, LOCAL, Layout, Machine, Mount, NodeSpec, POSTGRES_PORT};

use self::run::Run;
use crate::{
    bucket::Record,
    history::Recorder,
    meter::{Activity, outside},
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
        let mut left = match self {
            Self::Docker(docker) => outside(Activity::Tool, docker.close_drill(drill)).await,
            Self::Local(local) => local.close_drill(drill).await,
        };
        left.extend(buckets::close(self.run(), &record_name(drill, "")).await);
        left
    }

    /// Writes down what a drill is about to put into somebody's bucket.
    ///
    /// # Errors
    /// When it can't be written; nothing must be put there then.
    pub fn note(&self, drill: &str, store: &str, record: &Record) -> Result<(), RuntimeError> {
        buckets::note(self.run(), &record_name(drill, store), record)
    }

    /// The run that all of it is for.
    pub fn run(&self) -> &Run {
        match self {
            Self::Docker(docker) => docker.run(),
            Self::Local(local) => local.run(),
        }
    }

    /// Removes everything of the run: what no drill owns, and what is left of the drills.
    /// Returns what could not be removed.
    pub async fn close(&self) -> Vec<String> {
        if let Err(error) = self.answers().await {
            return vec![error.to_string()];
        }
        let mut left = match self {
            Self::Docker(docker) => docker.close().await,
            Self::Local(local) => local.close().await,
        };
        left.extend(buckets::close(self.run(), "").await);
        left
    }
}

/// What the record of a drill's store is called. No name has a colon.
fn record_name(drill: &str, store: &str) -> String {
    format!("{drill}:{store}")
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
