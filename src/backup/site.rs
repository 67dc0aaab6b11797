//! Where a tool works: a backup of a strategy, the server and the stores.

use std::time::Duration;

use super::{BackupError, Tool, remote};
use crate::{
    event::Listed,
    history::Recorder,
    postgres::{Server, configuration::fill_in},
    runtime::{Exec, Node, Output},
    store::{ClusterStores, Held, LOCAL},
    units::Time,
};

/// What a tool works with: one backup of a strategy, on one server's node.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The backup's name in the strategy.
    pub name: &'a str,
    /// The server that is backed up or restored.
    pub server: &'a Server,
    /// The node that its tool works on: the server's own, or a backup host.
    pub node: &'a Node,
    /// The stores it goes to, the one that is taken into first.
    pub to: &'a [String],
    /// What every store is.
    pub stores: ClusterStores<'a>,
    /// How long backups are kept; none: for ever.
    pub keep: Option<Time>,
    pub deadline: Duration,
    pub recorder: &'a Recorder,
}

/// A backup of no more bytes is hashed when it was taken and at the end, of a larger one only names
/// and sizes are looked at.
const HASHED: u64 = 1 << 30;

impl Site<'_> {
    /// Executes one of PostgreSQL's programs where the tool works, connected to the server as its
    /// superuser.
    pub(super) async fn tool(
        &self,
        program: &str,
        arguments: &[String],
    ) -> Result<Output, BackupError> {
        self.exec(self.tool_exec(program, arguments)).await
    }

    /// The command of [`Site::tool`], to be adjusted.
    pub(super) fn tool_exec(&self, program: &str, arguments: &[String]) -> Exec {
        self.server.tool_on(self.node, program, arguments)
    }

    /// Executes a command where the tool works, until the step's deadline.
    pub(super) async fn exec(&self, exec: Exec) -> Result<Output, BackupError> {
        Ok(self.node.exec(exec.within(self.deadline)).await?)
    }

    /// Path of one of PostgreSQL's programs where the tool works.
    pub(super) fn program(&self, name: &str) -> String {
        self.node.layout().program(name)
    }

    /// Environment with which PostgreSQL's tools reach the server from where they work.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        self.server.environment_on(self.node)
    }

    pub(super) fn fill_in(&self, text: &str) -> String {
        fill_in(self.node.layout(), text)
    }

    /// The store that is taken into first.
    pub(super) fn first(&self) -> &str {
        self.to.first().map_or(LOCAL, String::as_str)
    }

    /// What a backup's files come to; hashed where it is of reasonable size.
    ///
    /// # Errors
    /// When its store can't be reached.
    pub async fn held(&self, tool: &Tool, backup: &Listed) -> Result<Held, BackupError> {
        let place = self.stores.place(&backup.store, self.node);
        let paths = tool.paths(&backup.label);
        let store = self.stores.named(&backup.store);
        Ok(Held::of(&store.held(place, &paths, HASHED).await?))
    }

    /// A backup that was just taken, with what its files come to.
    ///
    /// # Errors
    /// When its store can't be reached, or holds nothing of it.
    pub async fn arrived(&self, tool: &Tool, taken: Listed) -> Result<Listed, BackupError> {
        let held = self.held(tool, &taken).await?;
        if held.files == 0 {
            let why = format!("its store holds no file of `{}`", taken.name());
            return Err(BackupError::Unfit(why));
        }
        Ok(Listed {
            held: Some(held),
            ..taken
        })
    }

    /// A directory or file of a store.
    pub(super) fn stored(&self, store: &str, path: &str) -> String {
        let store = self.node.layout().store(store);
        store.join(path).display().to_string()
    }

    /// Copies what was taken to the stores that it was not taken into: of one snapshot all are the
    /// same, and the server is read but once.
    pub(super) async fn copied(
        &self,
        taken: Listed,
        paths: &[String],
    ) -> Result<Vec<Listed>, BackupError> {
        let root = remote::written_below(self, self.first());
        let mut all = Vec::new();
        for store in self.to {
            if remote::is_remote(self, store) {
                remote::put(self, store, &root, paths).await?;
            } else if store != self.first() {
                let place = self.stores.place(store, self.node);
                let to = self.stores.named(store);
                to.put(place, root.as_ref(), paths, self.deadline).await?;
            }
            all.push(taken.clone().in_store(store));
        }
        remote::forget(self).await?;
        Ok(all)
    }
}
