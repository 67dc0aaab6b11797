//! Whose everything is: the identity of a run, its owner, and its inventory.
//!
//! Whatever a run creates carries its id and its owner, and stands in its inventory
//! before it exists. That is how a later run tells what a dead one left behind. How
//! things are created and removed belongs to the runtimes.

mod inventory;
mod owner;

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

pub use inventory::{Inventory, Item, Kind};
pub use owner::{Life, Owner};

use super::RuntimeError;
use crate::units::wall_clock;

/// A run's short, unique name: its begin in seconds and 16 random bits, in base 36 and 16.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(String);

/// A run: what everything it creates is labelled with.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    pub owner: Owner,
    pub inventory: Inventory,
}

impl Run {
    /// A run of this process, with its inventory in `dir`.
    pub fn begin(id: RunId, dir: &Path) -> Result<Self, RuntimeError> {
        Ok(Self {
            id,
            owner: Owner::this_process()?,
            inventory: Inventory::create(dir)?,
        })
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl RunId {
    pub fn new() -> Self {
        let seconds = wall_clock().as_second().unsigned_abs();
        let random: u16 = rand::random();
        Self(format!("{}{random:04x}", base36(seconds)))
    }

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
}
