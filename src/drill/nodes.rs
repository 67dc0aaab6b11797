//! The nodes of a drill: a server's each, those that only tools run on, and what keeps stores of a
//! limited size. What a node sees of the stores is said here.

use std::{collections::BTreeMap, sync::Arc};

use super::state::{Drill, Made, StepError, keeper};
use crate::{
    bucket::Record,
    postgres::{DATABASE_TEMPLATE, Server, server::write_passfile},
    runtime::{Machine, Mount, Node, NodeSpec, POSTGRES_PORT, RuntimeError},
    scenario::plan::{PRIMARY, Plan, ServerPlan},
    store::{LOCAL, Place, Store},
};

/// Where the first of them that speaks S3 listens, and each further one at the next.
const FIRST_S3_PORT: u16 = 9000;

impl Drill {
    /// Creates the nodes on which only tools run, and those that keep stores: what speaks S3, and
    /// what lasts only as long as a node sees it.
    ///
    /// # Errors
    /// When the runtime refuses.
    pub async fn create_nodes(&mut self) -> Result<(), StepError> {
        let plan = Arc::clone(&self.plan);
        for (name, node) in &plan.nodes {
            let node = self.new_node((name, PRIMARY), node, &[]).await?;
            write_passfile(&node, &self.passwords).await?;
            self.nodes.insert(name.clone(), node);
        }
        let mut stores = plan.strategy.stores.values();
        let kept = stores.any(|store| store.size().0 > 0 || store.is_object_storage());
        for cluster in plan.clusters().filter(|_| kept) {
            self.create_keeper(cluster).await?;
        }
        Ok(())
    }

    /// The node that keeps a cluster's stores.
    async fn create_keeper(&mut self, cluster: &str) -> Result<(), StepError> {
        let plan = Arc::clone(&self.plan);
        let name = keeper(cluster);
        let spec = NodeSpec {
            inner_ports: served(&plan).map(|(_, _, port)| port).collect(),
            ..spec(&plan, (&name, cluster), &Machine::default(), &[])
        };
        let node = self.runtime.create(&spec, &self.recorder).await?;
        self.nodes.insert(name.clone(), node);
        let node = &self.nodes[&name];
        let mut endpoints = BTreeMap::new();
        for (name, store, port) in served(&plan) {
            let place = Place {
                store: name,
                node,
                keeper: node,
            };
            let prefix = self.prefix(cluster, name);
            if let Some(bucket) = store.external() {
                let record = Record {
                    bucket: bucket.clone(),
                    prefix: prefix.clone(),
                };
                let name = format!("{cluster}.{name}");
                self.runtime.note(&plan.drill, &name, &record)?;
            }
            let endpoint = store.serve(place, port, &prefix).await?;
            let secrets = [Some(&endpoint.secret_key), endpoint.session_token.as_ref()];
            for secret in secrets.into_iter().flatten() {
                self.recorder.redact(secret.reveal());
            }
            endpoints.insert(name.to_owned(), endpoint);
        }
        self.endpoints.insert(cluster.to_owned(), endpoints);
        Ok(())
    }

    /// What is the drill's own of somebody's bucket.
    fn prefix(&self, cluster: &str, store: &str) -> String {
        let (run, drill) = (&self.runtime.run().id, &self.plan.drill);
        format!("pgdrill/{run}/{drill}/{cluster}.{store}")
    }

    /// A node, and the cluster whose stores it sees.
    async fn new_node(
        &self,
        (name, cluster): (&str, &str),
        machine: &Machine,
        ports: &[u16],
    ) -> Result<Node, RuntimeError> {
        let spec = spec(&self.plan, (name, cluster), machine, ports);
        self.runtime.create(&spec, &self.recorder).await
    }

    /// Creates a node and the handle of the server that will run on it.
    ///
    /// # Errors
    /// When the runtime refuses.
    pub async fn new_server(
        &mut self,
        name: &str,
        scratch: bool,
        limits: &ServerPlan,
    ) -> Result<Server, StepError> {
        let named = (name, self.plan.cluster_of(name));
        let node = self.new_node(named, &limits.node, &[POSTGRES_PORT]).await?;
        let server = Server {
            name: name.to_owned(),
            node,
            passwords: self.passwords.clone(),
            database: DATABASE_TEMPLATE.to_owned(),
            scratch,
            moved: BTreeMap::new(),
        };
        let made = Made {
            plan: limits.clone(),
            layout: server.node.layout().clone(),
        };
        self.made.insert(name.to_owned(), made);
        self.servers.insert(name.to_owned(), server.clone());
        Ok(server)
    }
}

/// The stores that speak S3, each with its port.
fn served(plan: &Plan) -> impl Iterator<Item = (&str, &Store, u16)> {
    let stores = plan.strategy.stores.iter();
    let served = stores.filter(|(_, store)| store.is_object_storage());
    let at = |((name, store), port)| (name as &String, store, port);
    let served = served.zip(FIRST_S3_PORT..).map(at);
    served.map(|(name, store, port)| (name.as_str(), store, port))
}

/// The nodes that a plan begins with.
pub fn specs(plan: &Plan) -> impl Iterator<Item = NodeSpec> {
    let servers = plan
        .servers
        .iter()
        .map(|(name, server)| (name, &server.node, &[POSTGRES_PORT][..]));
    let others = plan
        .nodes
        .iter()
        .map(|(name, machine)| (name, machine, &[][..]));
    let all = servers.chain(others);
    all.map(|(name, machine, ports)| spec(plan, (name, plan.cluster_of(name)), machine, ports))
}

fn spec(plan: &Plan, (name, cluster): (&str, &str), machine: &Machine, ports: &[u16]) -> NodeSpec {
    NodeSpec {
        drill: plan.drill.clone(),
        name: name.to_owned(),
        postgres: plan.postgres,
        packages: plan.packages.clone(),
        ports: ports.to_vec(),
        inner_ports: Vec::new(),
        mounts: mounts(plan, cluster),
        machine: Machine {
            reach_out: machine.reach_out || external(plan),
            ..machine.clone()
        },
    }
}

/// Whether any of its stores is somebody's bucket: every node that a tool may work on reaches out.
fn external(plan: &Plan) -> bool {
    let mut stores = plan.strategy.stores.values();
    stores.any(|store| store.external().is_some())
}

/// The stores of a cluster: what is backed up of one is nowhere near another's.
fn mounts(plan: &Plan, cluster: &str) -> BTreeMap<String, Mount> {
    let mount = |(name, store): (&String, &Store)| {
        let beside = Some(name).filter(|name| *name != LOCAL);
        let beside = beside.map(|name| format!(".{name}")).unwrap_or_default();
        let mount = Mount {
            store: format!("{cluster}.store{beside}"),
            size: store.size(),
            bucket: store.objects(),
        };
        (name.clone(), mount)
    };
    plan.strategy.stores.iter().map(mount).collect()
}
