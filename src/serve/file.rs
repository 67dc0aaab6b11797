//! One file of a directory that anybody may write into: read if it is a report, and never waited
//! for.

use std::{
    ffi::OsStr,
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;

use super::BackupReport;

/// A larger file is no report, in bytes.
const LARGEST: u64 = 64 << 10;

/// Whether a file of this name claims to be a report.
pub(super) fn is_named_as_report(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name == b"report.json" || name.ends_with(b".report.json")
}

/// What tells that a file was not changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    /// Also where rights were changed.
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            inode: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file was changed so lately that another change might leave the same stamp.
    pub fn is_fresh(&self, now: jiff::Timestamp) -> bool {
        const TICK: i64 = 2;
        self.changed.0 > now.as_second() - TICK
    }
}

/// Reads a report.
///
/// # Errors
/// When it is none: no file of its own below `root`, too large, not readable, other JSON.
pub(super) fn read(path: &Path, root: &Path) -> io::Result<BackupReport> {
    // Neither follows a link that was put in its place, nor waits for who writes into a FIFO.
    let how = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut file = OpenOptions::new();
    let file = file.read(true).custom_flags(how.bits()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > LARGEST || !place(&file)?.starts_with(root) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    // It may grow meanwhile.
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(serde_json::from_slice(&text)?)
}

/// Where an open file really lies: a directory on the way to it may have become a link.
fn place(file: &File) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
