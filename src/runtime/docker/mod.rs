//! Nodes as containers of a Docker-compatible engine.
//!
//! A node is a container with a volume of its own and a name in its drill's network; each of a
//! drill's stores is a volume that its nodes share. What a node consists of is `container`, finding
//! the engine `engine`, what it runs is `images`, what dead runs left in it is `leftover`.

mod command;
mod container;
pub mod engine;
pub mod images;
mod io;
pub mod leftover;
mod node;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bollard::models::{ContainerCreateBody, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use futures_util::future::try_join_all;
use tokio::sync::Mutex;

pub use self::node::DockerNode;
use self::{
    container::{Names, container, in_memory, layout, stores},
    engine::Engine,
    images::Row,
};
use super::{
    Exec, LABEL_DRILL, LABEL_OWNER, LABEL_RUN, NodeSpec, RuntimeError,
    run::{Kind, Run},
};
use crate::{history::Recorder, units::Bytes};

/// What keeps a network's nodes from opening connections to what is outside: Docker does not
/// translate their addresses, and nothing answers to them. Podman refuses the option.
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";

/// The runtime.
#[derive(Clone, Debug)]
pub struct Docker {
    run: Run,
    engine: Engine,
    /// Networks that are there. Held while one is being made.
    networks: Arc<Mutex<HashSet<String>>>,
}

impl Docker {
    /// A runtime on the engine that answers, with the images of these versions and packages: built
    /// if they are not there.
    ///
    /// # Errors
    /// When no engine answers, or an image is missing and can't be made.
    pub async fn ready(
        run: Run,
        versions: &[(u32, Vec<String>)],
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, RuntimeError> {
        let engine = Engine::find().await?;
        for (major, packages) in versions {
            let row = images::row(*major)?.with(packages);
            images::ensure(&engine, &row, say).await?;
        }
        Ok(Self {
            run,
            engine,
            networks: Arc::default(),
        })
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// The major versions there are images for, or could be.
    pub fn majors(&self) -> Vec<u32> {
        images::matrix().iter().map(|row| row.postgres).collect()
    }

    /// The image of a version and its digest.
    pub async fn image(&self, postgres: u32, packages: &[String]) -> Result<String, RuntimeError> {
        let row = images::row(postgres)?.with(packages);
        match images::find(&self.engine, &row.tag()).await? {
            Some(image) => Ok(format!("{}@{}", row.tag(), image.id)),
            None => Err(images::missing(&row)),
        }
    }

    /// Creates a node and what it needs of its drill.
    ///
    /// # Errors
    /// When the engine refuses; a container that does not start is gone again then.
    pub async fn create(
        &self,
        spec: &NodeSpec,
        recorder: &Recorder,
    ) -> Result<DockerNode, RuntimeError> {
        let row = images::row(spec.postgres)?.with(&spec.packages);
        let names = self.names(spec);
        let stores = names.stores.iter();
        let stores = stores.map(|(volume, _, size)| (volume.as_str(), *size));
        let volumes: Vec<_> = stores.chain([(names.volume.as_str(), Bytes(0))]).collect();
        let networks = names.networks().map(|one| (Kind::Network, one.as_str()));
        let mut things: Vec<_> = networks.collect();
        things.extend(volumes.iter().map(|(volume, _)| (Kind::Volume, *volume)));
        things.push((Kind::Container, &names.container));
        self.run.inventory.add(&things)?;
        let volumes = volumes.iter();
        let volumes = volumes.map(|(one, size)| self.create_volume(&spec.drill, one, *size));
        tokio::try_join!(
            self.ensure_networks(&spec.drill, &names),
            try_join_all(volumes),
        )?;
        let body = ContainerCreateBody {
            labels: Some(self.labels(&spec.drill)),
            ..container(spec, &names, row.tag())
        };
        let node = DockerNode::new(self.engine.clone(), spec, names, layout(spec), recorder);
        self.create_container(&node, body, &row).await?;
        let started = async {
            node.join_outwards().await?;
            self.start_container(&node).await?;
            own_stores(&node).await
        };
        if let Err(error) = started.await {
            // The cause is what matters; `close_drill` tries once more.
            let _ = node.remove().await;
            return Err(error);
        }
        Ok(node)
    }

    /// A volume that is there already is no failure. By itself, not by its first mount:
    /// podman forgets the labels of a mount, and without labels nobody finds it again.
    async fn create_volume(
        &self,
        drill: &str,
        name: &str,
        size: Bytes,
    ) -> Result<(), RuntimeError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(self.labels(drill)),
            driver_opts: (size.0 > 0).then(|| in_memory(size)),
            ..VolumeCreateRequest::default()
        };
        let created = self.engine.api.create_volume(request).await;
        let error = RuntimeError::engine(format!("create the volume `{name}`"));
        created.map(|_| ()).map_err(error)
    }

    /// When the engine refuses there is nothing to remove: perhaps a node of that name is
    /// there, and in use.
    async fn create_container(
        &self,
        node: &DockerNode,
        body: ContainerCreateBody,
        row: &Row,
    ) -> Result<(), RuntimeError> {
        let name = node.container();
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let created = self.engine.api.create_container(Some(options), body).await;
        match created {
            Ok(_) => Ok(()),
            Err(error) if leftover::status(&error) == Some(404) => Err(images::missing(row)),
            Err(error) => {
                let doing = format!("create the container `{name}`");
                Err(RuntimeError::engine(doing)(error))
            }
        }
    }

    async fn start_container(&self, node: &DockerNode) -> Result<(), RuntimeError> {
        let name = node.container();
        let error = RuntimeError::engine(format!("start the container `{name}`"));
        let started = self
            .engine
            .api
            .start_container(name, None::<StartContainerOptions>);
        started.await.map_err(error)
    }

    /// Removes a drill: containers, volumes, network. Returns what could not be removed.
    pub async fn close_drill(&self, drill: &str) -> Vec<String> {
        let filters = [
            format!("{LABEL_RUN}={}", self.run.id),
            format!("{LABEL_DRILL}={drill}"),
        ];
        let own = [
            format!("pgdrill-{}-{drill}", self.run.id),
            self.outwards(drill),
        ];
        let kept = |name: &String| !own.contains(name);
        self.networks.lock().await.retain(kept);
        leftover::remove(&self.engine, &filters).await
    }

    /// Removes all of the run. Returns what could not be removed.
    pub async fn close(&self) -> Vec<String> {
        self.networks.lock().await.clear();
        leftover::remove_run(&self.engine, self.run.id.as_str()).await
    }

    /// The network of a drill's nodes that may reach out. Its name sorts before the drill's own
    /// network's: of several the engine takes the first for the default route.
    fn outwards(&self, drill: &str) -> String {
        format!("pgdrill-{}--outwards-{drill}", self.run.id)
    }

    fn names(&self, spec: &NodeSpec) -> Names {
        let drill = format!("pgdrill-{}-{}", self.run.id, spec.drill);
        let container = format!("{drill}-{}", spec.name);
        Names {
            volume: format!("{container}-data"),
            container,
            stores: stores(&drill, spec),
            outwards: spec.machine.reach_out.then(|| self.outwards(&spec.drill)),
            network: drill,
        }
    }

    fn labels(&self, drill: &str) -> HashMap<String, String> {
        HashMap::from([
            (LABEL_RUN.to_owned(), self.run.id.to_string()),
            (LABEL_DRILL.to_owned(), drill.to_owned()),
            (LABEL_OWNER.to_owned(), self.run.owner.to_string()),
        ])
    }

    async fn ensure_networks(&self, drill: &str, names: &Names) -> Result<(), RuntimeError> {
        let mut networks = self.networks.lock().await;
        for name in names.networks() {
            if networks.contains(name) {
                continue;
            }
            let translated = names.outwards.as_ref() == Some(name);
            let request = NetworkCreateRequest {
                name: name.clone(),
                labels: Some(self.labels(drill)),
                options: self.engine.is_docker().then(|| {
                    let translates = (MASQUERADE.to_owned(), translated.to_string());
                    HashMap::from([translates])
                }),
                ..NetworkCreateRequest::default()
            };
            let error = RuntimeError::engine(format!("create the network `{name}`"));
            let created = self.engine.api.create_network(request);
            created.await.map_err(error)?;
            networks.insert(name.clone());
        }
        Ok(())
    }
}

/// The image has no mount points of all of them from which their volumes would take over the owner.
/// Only a new one is given its mode: an earlier node's may have been cut off.
async fn own_stores(node: &DockerNode) -> Result<(), RuntimeError> {
    let stores = node.layout().stores.values();
    let stores = stores.map(|path| path.display().to_string());
    let paths: Vec<String> = stores.chain(node.mounts()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let script = "mkdir -p \"$@\" && \
         find \"$@\" -maxdepth 0 ! -user postgres -exec chmod 700 {} + -exec chown postgres: {} +";
    let words = ["sh", "-c", script, "sh"].map(str::to_owned);
    let exec = Exec::new(words.into_iter().chain(paths));
    node.exec(exec.as_root().unrecorded()).await.map(drop)
}
