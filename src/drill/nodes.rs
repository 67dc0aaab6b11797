//! The nodes of a drill: a server's each, those that only tools run on, and what keeps stores of a
//! limited size. What a node sees of the stores is said here.

use std::{collections::BTreeMap, sync::Arc};

use super::state::{Drill, Made, StepError};
use crate::{
    postgres::{DATABASE_TEMPLATE, Server, server::write_passfile},
    runtime::{Machine, Mount, Node, NodeSpec, POSTGRES_PORT, RuntimeError},
    scenario::plan::{PRIMARY, Plan, ServerPlan},
    store::{LOCAL, Store},
};

impl Drill {
    /// Creates the nodes on which only tools run, and those that keep stores which last only as
    /// long as a node sees them.
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
        let sized = plan
            .strategy
            .stores
            .values()
            .any(|store| store.size().0 > 0);
        for cluster in plan.clusters().filter(|_| sized) {
            // With a dot, as no other node's.
            let name = format!("{cluster}.stores");
            let plain = Machine::default();
            let node = self.new_node((&name, cluster), &plain, &[]).await?;
            self.nodes.insert(name, node);
        }
        Ok(())
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
        mounts: mounts(plan, cluster),
        machine: machine.clone(),
    }
}

/// The stores of a cluster: what is backed up of one is nowhere near another's.
fn mounts(plan: &Plan, cluster: &str) -> BTreeMap<String, Mount> {
    let mount = |(name, store): (&String, &Store)| {
        let beside = Some(name).filter(|name| *name != LOCAL);
        let beside = beside.map(|name| format!(".{name}")).unwrap_or_default();
        let mount = Mount {
            store: format!("{cluster}.store{beside}"),
            size: store.size(),
        };
        (name.clone(), mount)
    };
    plan.strategy.stores.iter().map(mount).collect()
}
