//! pgdrill's own program in a node of the drill: it serves objects there, and mirrors them.

use std::path::PathBuf;

use crate::runtime::{Exec, Node, RuntimeError};

/// Where it is.
pub fn path(node: &Node) -> PathBuf {
    node.layout().run.join("pgdrill")
}

/// Puts it there, unless it is.
///
/// # Errors
/// When the node takes no file.
pub async fn put(node: &Node) -> Result<(), RuntimeError> {
    let path = path(node);
    let there = Exec::new(["test", "-x", &path.display().to_string()]).allow(1);
    if node.exec(there.unrecorded()).await?.exit == 0 {
        return Ok(());
    }
    let own = std::env::current_exe().and_then(std::fs::read);
    let own = own.map_err(RuntimeError::io("read pgdrill's own program"))?;
    node.put(&path, &own, 0o700).await
}
