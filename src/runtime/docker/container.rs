//! What a node consists of in an engine: its names, and the container as it is asked for.

use std::{collections::HashMap, path::PathBuf};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, Mount, MountType, NetworkingConfig,
    PortBinding,
};

use crate::{
    bucket::THIS_MACHINE,
    runtime::{LOCAL, Layout, Machine, NodeSpec, spec},
    units::Bytes,
};

/// Where a node's volume is mounted.
const NODE: &str = "/pgdrill/node";
/// Where the local store is mounted, and others beside it.
const STORE: &str = "/pgdrill/store";
/// Scratch space.
const SCRATCH: &str = "/pgdrill/run";
/// `/dev/shm` of a container: the engine's 64 MiB end parallel queries early.
const SHARED_MEMORY: i64 = 1 << 30;
/// libfaketime in the image of a node whose clock is ahead or behind: its package's, as the dynamic
/// linker finds it on any architecture.
const FAKETIME: &str = "/usr/$LIB/faketime/libfaketime.so.1";

/// The names of what a node consists of.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub container: String,
    pub volume: String,
    pub network: String,
    /// The network beside it of nodes that may reach out.
    pub outwards: Option<String>,
    /// Volume, mount point and size of each store.
    pub stores: Vec<(String, String, Bytes)>,
}

impl Names {
    pub fn networks(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.network).chain(&self.outwards)
    }
}

/// The container, but for its labels.
pub(super) fn container(spec: &NodeSpec, names: &Names, image: String) -> ContainerCreateBody {
    let endpoint = (names.network.clone(), endpoint(&spec.name));
    let environment = spec.machine.clock.environment(FAKETIME).into_iter();
    let environment = environment.map(|(name, value)| format!("{name}={value}"));
    ContainerCreateBody {
        image: Some(image),
        hostname: Some(spec.name.clone()),
        working_dir: Some(SCRATCH.to_owned()),
        env: Some(environment.collect()),
        exposed_ports: Some(spec.ports.iter().copied().map(engine_port).collect()),
        host_config: Some(host_config(spec, names)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([endpoint])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// A port as the engine names it.
pub(super) fn engine_port(port: u16) -> String {
    format!("{port}/tcp")
}

/// The options of a volume that holds no more than this. It lives as long as a node sees it.
pub(super) fn in_memory(size: Bytes) -> HashMap<String, String> {
    let options = [
        ("type", "tmpfs".to_owned()),
        ("device", "tmpfs".to_owned()),
        ("o", format!("size={}", size.0)),
    ];
    options.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Other nodes of the drill reach it by its name.
pub(super) fn endpoint(name: &str) -> EndpointSettings {
    EndpointSettings {
        aliases: Some(vec![name.to_owned()]),
        ..EndpointSettings::default()
    }
}

/// By what name a node that reaches out finds the engine's machine.
fn this_machine() -> String {
    format!("{THIS_MACHINE}:host-gateway")
}

fn host_config(spec: &NodeSpec, names: &Names) -> HostConfig {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(String::new()),
    };
    let bound = |port: &u16| (engine_port(*port), Some(vec![binding.clone()]));
    let Machine { memory, cpus, .. } = spec.machine;
    let memory = (memory.0 > 0).then_some(memory.0 as i64);
    HostConfig {
        mounts: Some(mounts(names)),
        network_mode: Some(names.network.clone()),
        port_bindings: Some(spec.ports.iter().map(bound).collect()),
        // Takes note of ended daemons: a server does not start beside a dead one's number.
        init: Some(true),
        extra_hosts: spec.machine.reach_out.then(|| vec![this_machine()]),
        shm_size: Some(SHARED_MEMORY),
        memory,
        memory_swap: memory,
        nano_cpus: (cpus > 0.0).then_some((cpus * 1e9) as i64),
        ..HostConfig::default()
    }
}

/// Each store's volume, mount point and size.
pub(super) fn stores(drill: &str, spec: &NodeSpec) -> Vec<(String, String, Bytes)> {
    let mounts = spec.mounts.iter();
    let volume = |name: &str| format!("{drill}-{name}");
    mounts
        .map(|(name, mount)| (volume(&mount.store), mounted(name), mount.size))
        .collect()
}

/// Where a store is mounted.
fn mounted(store: &str) -> String {
    match store {
        LOCAL => STORE.to_owned(),
        _ => format!("{STORE}.{store}"),
    }
}

fn mounts(names: &Names) -> Vec<Mount> {
    let stores = names.stores.iter();
    let stores = stores.map(|(name, target, _)| volume(name, target));
    stores.chain([volume(&names.volume, NODE)]).collect()
}

fn volume(name: &str, target: &str) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(target.to_owned()),
        ..Mount::default()
    }
}

pub(super) fn layout(spec: &NodeSpec) -> Layout {
    let (node, major) = (PathBuf::from(NODE), spec.postgres);
    let store = |(name, mount): (&String, &spec::Mount)| {
        (name.clone(), mount.store_in(PathBuf::from(mounted(name))))
    };
    Layout {
        stores: spec.mounts.iter().map(store).collect(),
        data: node.join("data"),
        tablespaces: node.join("tablespaces"),
        run: PathBuf::from(SCRATCH),
        bin: PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")),
        template: PathBuf::from("/usr/share/pgdrill/template.tar"),
    }
}
