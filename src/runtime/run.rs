//! Whose everything is: the identity of a run, its owner, and its inventory.
//!
//! Whatever a run creates carries its id and its owner, and stands in its inventory
//! before it exists. That is how a later run tells what a dead one left behind. How
//! things are created and removed belongs to the runtimes.

use std::{
    fmt,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::RuntimeError;
use crate::units::wall_clock;

/// A run's short, unique name: its begin in seconds and 16 random bits, in base 36 and 16.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(String);

/// The process a run lives in, told apart from a later one that got the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The boot of its machine.
    pub boot: String,
    /// Its process-id namespace: process ids of another one mean nothing here.
    pub namespace: String,
    /// Its machine.
    pub machine: String,
}

/// What is known of the owner of something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It lives: what it owns is not to be touched.
    Live,
    /// It is gone: what it owns is left over.
    Dead,
    /// Another machine's, or another container's: can't tell from here.
    Unknown,
}

/// What a run creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A container.
    Container,
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// A directory of this machine.
    Directory,
}

/// One line of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its name or path.
    pub name: String,
}

/// What a run has created or is about to: one [`Item`] a line, flushed before each creation.
#[derive(Clone, Debug, Default)]
pub struct Inventory(Option<Arc<(PathBuf, Mutex<File>)>>);

/// A run: what everything it creates is labelled with.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// Its process.
    pub owner: Owner,
    /// What it created.
    pub inventory: Inventory,
}

impl Run {
    /// A run of this process, with its inventory in `dir`.
    ///
    /// # Errors
    /// When the inventory can't be created, or `/proc` can't be read.
    pub fn begin(id: RunId, dir: &Path) -> Result<Self, RuntimeError> {
        Ok(Self {
            id,
            owner: Owner::this_process()?,
            inventory: Inventory::create(dir)?,
        })
    }

    /// A run without a run directory, for looking around: it must create nothing that
    /// outlives it, since nothing is written down.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn without_inventory() -> Result<Self, RuntimeError> {
        Ok(Self {
            id: RunId::new(),
            owner: Owner::this_process()?,
            inventory: Inventory::default(),
        })
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl RunId {
    /// A new one.
    pub fn new() -> Self {
        let seconds = wall_clock().as_second().unsigned_abs();
        let random: u16 = rand::random();
        Self(format!("{}{random:04x}", base36(seconds)))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(*digit))
        .collect()
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn this_process() -> Result<Self, RuntimeError> {
        let pid = std::process::id() as i32;
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let error = RuntimeError::io("read the identity of this process in /proc");
        let namespace = fs::read_link("/proc/self/ns/pid").map_err(&error)?;
        Ok(Self {
            pid,
            started: start_time(pid).unwrap_or_default(),
            boot: read("/proc/sys/kernel/random/boot_id").map_err(&error)?,
            namespace: digits(&namespace.to_string_lossy()),
            machine: format!(
                "{}-{}",
                read("/proc/sys/kernel/hostname").unwrap_or_default(),
                read("/etc/machine-id").unwrap_or_default()
            ),
        })
    }

    /// Whether the process still lives, as seen from `here`.
    pub fn life(&self, here: &Self) -> Life {
        if self.boot != here.boot {
            let rebooted = self.machine == here.machine;
            return if rebooted { Life::Dead } else { Life::Unknown };
        }
        if self.namespace != here.namespace {
            return Life::Unknown;
        }
        match start_time(self.pid) {
            Some(started) if started == self.started => Life::Live,
            Some(_) | None => Life::Dead,
        }
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Clock ticks since boot at which a process started; `None` when there is none, or it
/// is a zombie.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            started,
            boot,
            namespace,
            machine,
        } = self;
        write!(f, "{pid}/{started}/{boot}/{namespace}/{machine}")
    }
}

impl FromStr for Owner {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.trim().splitn(5, '/');
        let mut next = || parts.next().ok_or(());
        Ok(Self {
            pid: next()?.parse().map_err(|_| ())?,
            started: next()?.parse().map_err(|_| ())?,
            boot: next()?.to_owned(),
            namespace: next()?.to_owned(),
            machine: next()?.to_owned(),
        })
    }
}

impl Inventory {
    /// Name of the file below the run directory.
    pub const FILE: &str = "inventory.jsonl";

    /// Begins one in the run directory.
    ///
    /// # Errors
    /// When the file can't be created.
    pub fn create(dir: &Path) -> Result<Self, RuntimeError> {
        let path = dir.join(Self::FILE);
        let file = File::create_new(&path)
            .map_err(RuntimeError::io(format!("create `{}`", path.display())))?;
        Ok(Self(Some(Arc::new((path, Mutex::new(file))))))
    }

    /// Writes down what is about to be created.
    ///
    /// # Errors
    /// When it can't be written; the thing must not be created then.
    pub fn add(&self, things: &[(Kind, &str)]) -> Result<(), RuntimeError> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let (path, file) = &**inner;
        let write = || {
            let mut lines = Vec::new();
            for (kind, name) in things {
                let (kind, name) = (*kind, (*name).to_owned());
                serde_json::to_writer(&mut lines, &Item { kind, name })?;
                lines.push(b'\n');
            }
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(&lines)?;
            file.sync_data()
        };
        write().map_err(RuntimeError::io(format!("write to `{}`", path.display())))
    }

    /// Reads an inventory file; a torn last line is left out.
    pub fn read(file: &Path) -> Vec<Item> {
        let text = fs::read_to_string(file).unwrap_or_default();
        let items = text.lines().map(serde_json::from_str);
        items.filter_map(Result::ok).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_short_and_differ() {
        let (one, two) = (RunId::new(), RunId::new());
        assert!(one.as_str().len() <= 11, "{one}");
        assert!(one.as_str().chars().all(|c| c.is_ascii_alphanumeric()));
        assert_ne!(one, two);
    }

    #[test]
    fn this_process_lives_and_its_number_alone_does_not_make_it() {
        let here = Owner::this_process().unwrap();
        let read: Owner = here.to_string().parse().unwrap();
        assert_eq!(read, here);
        assert_eq!(read.life(&here), Life::Live);
        let earlier = Owner {
            started: here.started + 1,
            ..here.clone()
        };
        assert_eq!(earlier.life(&here), Life::Dead);
    }

    #[test]
    fn owners_elsewhere_cannot_be_told() {
        let here = Owner::this_process().unwrap();
        let boot = "another".to_owned();
        let rebooted = Owner {
            boot: boot.clone(),
            ..here.clone()
        };
        assert_eq!(rebooted.life(&here), Life::Dead);
        let machine = "another".to_owned();
        let elsewhere = Owner {
            boot,
            machine,
            ..here.clone()
        };
        assert_eq!(elsewhere.life(&here), Life::Unknown);
        let container = Owner {
            namespace: "1".into(),
            ..here.clone()
        };
        assert_eq!(container.life(&here), Life::Unknown);
    }

    #[test]
    fn an_inventory_reads_back_without_its_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let inventory = Inventory::create(dir.path()).unwrap();
        inventory.add(&[(Kind::Volume, "v")]).unwrap();
        let file = dir.path().join(Inventory::FILE);
        let mut text = fs::read_to_string(&file).unwrap();
        text.push_str("{\"kind\":\"vol");
        fs::write(&file, text).unwrap();
        let expected = Item {
            kind: Kind::Volume,
            name: "v".into(),
        };
        assert_eq!(Inventory::read(&file), [expected]);
    }
}
