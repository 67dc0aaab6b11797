//! What a node is to be, and where things lie inside of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Time, is_default};

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
    /// Further ports, which only the drill's nodes reach.
    pub inner_ports: Vec<u16>,
    /// The stores it sees, by the names they have in it.
    pub mounts: BTreeMap<String, Mount>,
    pub machine: Machine,
}

impl Default for NodeSpec {
    /// Of a server, with the local store.
    fn default() -> Self {
        let store = Mount {
            store: "primary.store".into(),
            size: Bytes(0),
            bucket: None,
        };
        Self {
            drill: String::new(),
            name: String::new(),
            postgres: 0,
            packages: Vec::new(),
            ports: vec![POSTGRES_PORT],
            inner_ports: Vec::new(),
            mounts: BTreeMap::from([(LOCAL.to_owned(), store)]),
            machine: Machine::default(),
        }
    }
}

/// A store as nodes share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What it is called within the drill; with a dot, which no node's name has.
    pub store: String,
    /// How much it holds; 0: as much as the disk.
    pub size: Bytes,
    /// The directory in it that is the store, where what keeps it has more beside.
    pub bucket: Option<&'static str>,
}

impl Mount {
    /// Where the store is, by where it is mounted.
    pub(super) fn store_in(&self, mounted: PathBuf) -> PathBuf {
        match self.bucket {
            Some(bucket) => mounted.join(bucket),
            None => mounted,
        }
    }
}

/// The machine that a node is to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Machine {
    /// Memory limit (`docker`). Default: none.
    #[schemars(skip_serializing_if = "is_default")]
    pub memory: Bytes,
    /// CPU limit, in CPUs (`docker`). Default: none.
    #[schemars(range(min = 0), skip_serializing_if = "is_default")]
    pub cpus: f64,
    /// What time it is there. Default: the right one, in UTC.
    #[schemars(skip_serializing_if = "is_default")]
    pub clock: Clock,
    /// Whether it may open connections to what is outside of the drill (`docker`).
    pub reach_out: bool,
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
    pub(super) fn environment(&self, library: &str) -> Vec<(String, String)> {
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

/// The store that every drill has.
pub const LOCAL: &str = "local";

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
    /// Path of one of PostgreSQL's programs.
    pub fn program(&self, name: &str) -> String {
        self.bin.join(name).display().to_string()
    }

    /// The directory of a store.
    ///
    /// # Panics
    /// When the node does not see it: a bug.
    pub fn store(&self, name: &str) -> &Path {
        let store = self.stores.get(name);
        store.unwrap_or_else(|| panic!("no store `{name}` in {:?}", self.stores))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
