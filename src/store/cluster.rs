//! The stores of a cluster, as its nodes reach them.

use std::collections::BTreeMap;

use super::{Store, named};
use crate::{
    bucket::UriStyle,
    runtime::{Node, RuntimeError},
    secret::Secret,
};

/// The stores of a cluster: what each is, and how those that speak S3 are reached.
#[derive(Clone, Copy, Debug)]
pub struct ClusterStores<'a> {
    pub kinds: &'a BTreeMap<String, Store>,
    pub endpoints: &'a BTreeMap<String, Endpoint>,
    /// The node that keeps them, where one does.
    pub keeper: Option<&'a Node>,
}

/// Where a store speaks S3, and what its clients need.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub bucket: String,
    /// What every object's name begins with, without a slash at the end; empty: the bucket is the
    /// drill's own.
    pub prefix: String,
    pub region: String,
    pub uri_style: UriStyle,
    pub access_key: String,
    pub secret_key: Secret,
    pub session_token: Option<Secret>,
    /// The certificates of the authorities to trust, PEM.
    pub ca: String,
}

static NO_ENDPOINTS: BTreeMap<String, Endpoint> = BTreeMap::new();

impl<'a> ClusterStores<'a> {
    /// Stores of which none speaks S3.
    pub fn of_directories(kinds: &'a BTreeMap<String, Store>) -> Self {
        Self {
            kinds,
            endpoints: &NO_ENDPOINTS,
            keeper: None,
        }
    }

    /// The store of this name.
    pub fn named(&self, name: &str) -> Store {
        named(self.kinds, name)
    }

    /// Has the directories of those that are somebody's buckets hold what the buckets do.
    ///
    /// # Errors
    /// When one can't be reached.
    pub async fn refresh(&self) -> Result<(), RuntimeError> {
        self.mirrors().refresh().await
    }

    /// Those that are somebody's buckets, to be brought up to date later.
    pub fn mirrors(&self) -> Mirrors {
        let external = self.kinds.iter().filter(|(_, it)| it.external().is_some());
        let mirror = |(name, store): (&String, &Store)| {
            Some((name.clone(), store.clone(), self.keeper?.clone()))
        };
        Mirrors(external.filter_map(mirror).collect())
    }

    /// A store, as this node reaches it.
    pub fn place(&self, store: &'a str, node: &'a Node) -> Place<'a> {
        Place {
            store,
            node,
            keeper: self.keeper.unwrap_or(node),
        }
    }
}

/// Somebody's buckets among a cluster's stores, each with the node that mirrors it.
#[derive(Clone, Debug, Default)]
pub struct Mirrors(Vec<(String, Store, Node)>);

impl Mirrors {
    /// Has the mirrors hold what the buckets do.
    ///
    /// # Errors
    /// When a bucket can't be reached.
    pub async fn refresh(&self) -> Result<(), RuntimeError> {
        for (store, kind, keeper) in &self.0 {
            let place = Place {
                store,
                node: keeper,
                keeper,
            };
            kind.refresh(place).await?;
        }
        Ok(())
    }
}

/// A store as a node reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub store: &'a str,
    pub node: &'a Node,
    /// The node in which what serves it runs.
    pub keeper: &'a Node,
}

impl Place<'_> {
    pub(super) fn path(&self) -> String {
        self.node.layout().store(self.store).display().to_string()
    }

    pub(super) fn unable(&self, to: &str) -> RuntimeError {
        let error = RuntimeError::io(format!("have the store `{}` {to}", self.store));
        error(std::io::Error::from(std::io::ErrorKind::Unsupported))
    }
}
