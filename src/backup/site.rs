//! Where a tool works: a backup of a strategy, the server and the stores.

use std::{collections::BTreeMap, time::Duration};

use super::{BackupError, Tool};
use crate::{
    event::Listed,
    history::Recorder,
    postgres::Server,
    store::{Held, LOCAL, Place, Store, named},
    units::Time,
};

/// What a tool works with: one backup of a strategy, on one server's node.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The backup's name in the strategy.
    pub name: &'a str,
    /// The server that is backed up, restored, or from whose node the backups are looked at.
    pub server: &'a Server,
    /// The stores it goes to, the one that is taken into first.
    pub to: &'a [String],
    /// What every store is.
    pub stores: &'a BTreeMap<String, Store>,
    /// How long backups are kept; none: for ever.
    pub keep: Option<Time>,
    pub deadline: Duration,
    pub recorder: &'a Recorder,
}

/// A backup of no more bytes is hashed when it was taken and at the end, of a larger one only names
/// and sizes are looked at.
const HASHED: u64 = 1 << 30;

impl Site<'_> {
    /// The store that is taken into first.
    pub(super) fn first(&self) -> &str {
        self.to.first().map_or(LOCAL, String::as_str)
    }

    /// What a backup's files come to; hashed where it is of reasonable size.
    ///
    /// # Errors
    /// When its store can't be reached.
    pub async fn held(&self, tool: &Tool, backup: &Listed) -> Result<Held, BackupError> {
        let place = Place {
            store: &backup.store,
            node: &self.server.node,
        };
        let paths = tool.paths(&backup.label);
        let store = named(self.stores, &backup.store);
        Ok(Held::of(&store.held(place, &paths, HASHED).await?))
    }

    /// A directory or file of a store.
    pub(super) fn stored(&self, store: &str, path: &str) -> String {
        let store = self.server.node.layout().store(store);
        store.join(path).display().to_string()
    }

    /// Copies what was taken into the first store to the others: of one snapshot all are the same,
    /// and the server is read but once.
    pub(super) async fn copied(
        &self,
        taken: Listed,
        paths: &[String],
    ) -> Result<Vec<Listed>, BackupError> {
        let node = &self.server.node;
        let from = node.layout().store(self.first());
        let mut all = vec![taken.in_store(self.first())];
        for store in self.to.iter().skip(1) {
            let place = Place { store, node };
            named(self.stores, store).put(place, from, paths).await?;
            all.push(Listed {
                store: store.clone(),
                ..all[0].clone()
            });
        }
        Ok(all)
    }
}
