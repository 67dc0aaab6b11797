//! What a run creates, written down before it exists.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::runtime::RuntimeError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Container,
    Volume,
    Network,
    /// A directory of this machine.
    Directory,
    /// In a bucket, below a prefix.
    Objects,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub kind: Kind,
    pub name: String,
}

/// What a run has created or is about to: one [`Item`] a line, flushed before each creation.
#[derive(Clone, Debug)]
pub struct Inventory(Arc<(PathBuf, Mutex<File>)>);

impl Inventory {
    pub const FILE: &str = "inventory.jsonl";

    pub fn create(dir: &Path) -> Result<Self, RuntimeError> {
        let path = dir.join(Self::FILE);
        let file = File::create_new(&path)
            .map_err(RuntimeError::io(format!("create `{}`", path.display())))?;
        Ok(Self(Arc::new((path, Mutex::new(file)))))
    }

    /// Writes down what is about to be created.
    ///
    /// # Errors
    /// When it can't be written; the thing must not be created then.
    pub fn add(&self, things: &[(Kind, &str)]) -> Result<(), RuntimeError> {
        let (path, file) = &*self.0;
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
