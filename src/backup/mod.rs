//! Taking backups with the real tools, and removing old ones.
//!
//! One file a tool; `contents` says whether what one left is a backup (and not one from before
//! the step began, which `position` tells), `tablespaces` where those
//! go. Backups lie in the store: `base/<label>` a full backup (with `<label>.tblspc/` beside it
//! for tablespaces), `tables/<label>.dump` a dump of single
//! tables, `wal/` the archive. Bringing them back is `restore/`.

pub mod base;
mod contents;
mod position;
pub mod retention;
pub mod tables;
pub mod tablespaces;
pub mod wal;

use crate::{postgres::ServerError, runtime::RuntimeError};

/// What went wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The server or its node refused.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// What a tool left is no backup, or not this step's: why.
    #[error("{0}")]
    Unfit(String),
    /// A tool's output could not be understood.
    #[error("cannot read {what}: {cause}")]
    Unreadable {
        /// What was read.
        what: String,
        /// Why not.
        cause: String,
    },
}

impl From<RuntimeError> for BackupError {
    fn from(error: RuntimeError) -> Self {
        Self::Server(error.into())
    }
}
