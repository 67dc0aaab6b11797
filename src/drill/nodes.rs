//! The nodes of a drill: a server's each, those that only tools run on, and what keeps stores of a
//! limited size. What a node sees of the stores is said here.

use std::{collections::BTreeMap, sync::Arc};

use super::state::{Drill, Made, StepError};
use crate::{
    postgres::{Server, server::write_passfile},
    runtime::{Mount, Node, NodeSpec, POSTGRES_PORT, RuntimeError},
    scenario::plan::{NodePlan, PRIMARY, ServerPlan},
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
            let node = self.new_node((name, PRIMARY), node, Vec::new()).await?;
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
            let plain = NodePlan::default();
            let node = self.new_node((&name, cluster), &plain, Vec::new()).await?;
            self.nodes.insert(name, node);
        }
        Ok(())
    }

    /// A node, and the cluster whose stores it sees.
    async fn new_node(
        &self,
        (name, cluster): (&str, &str),
        plan: &NodePlan,
        ports: Vec<u16>,
    ) -> Result<Node, RuntimeError> {
        let spec = NodeSpec {
            drill: self.plan.drill.clone(),
            name: name.to_owned(),
            postgres: self.plan.postgres,
            packages: self.plan.packages.clone(),
            ports,
            mounts: self.mounts(cluster),
            limits: plan.limits(),
            clock: plan.clock.clone(),
            reach_out: plan.reach_out,
        };
        self.runtime.create(&spec, &self.recorder).await
    }

    /// The stores of a cluster: what is backed up of one is nowhere near another's.
    fn mounts(&self, cluster: &str) -> BTreeMap<String, Mount> {
        let of = match cluster {
            PRIMARY => String::new(),
            _ => format!("{cluster}."),
        };
        let mount = |(name, store): (&String, &Store)| {
            let beside = Some(name).filter(|name| *name != LOCAL);
            let beside = beside.map(|name| format!(".{name}")).unwrap_or_default();
            let mount = Mount {
                store: format!("{of}store{beside}"),
                size: store.size(),
            };
            (name.clone(), mount)
        };
        self.plan.strategy.stores.iter().map(mount).collect()
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
        let cluster = self.plan.cluster_of(name).to_owned();
        let node = self
            .new_node((name, &cluster), &limits.node(), vec![POSTGRES_PORT])
            .await?;
        let server = Server {
            name: name.to_owned(),
            node,
            passwords: self.passwords.clone(),
            database: self.plan.home(&cluster).to_owned(),
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
