//! What is known of the reports below a directory. A file is read when it is new or was changed.

#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    BackupReport, Status,
    file::{self, Stamp},
};
use crate::units::wall_clock;

/// The reports as they were at one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reports {
    pub newest_first: Vec<Arc<BackupReport>>,
    /// Files that are named as reports and are none, and directories that can't be read.
    pub skipped: usize,
}

impl Reports {
    pub fn latest(&self) -> Option<&BackupReport> {
        self.newest_first.first().map(Arc::as_ref)
    }

    /// Those that ended so, newest first; none: all.
    pub fn ended(&self, status: Option<Status>) -> impl Iterator<Item = &BackupReport> {
        let all = self.newest_first.iter().map(Arc::as_ref);
        all.filter(move |report| status.is_none_or(|status| report.status == status))
    }
}

/// Knows the reports below a directory.
#[derive(Debug)]
pub struct Index {
    directory: PathBuf,
    files: HashMap<PathBuf, Known>,
    reports: Arc<Reports>,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    /// None: it is no report.
    report: Option<Arc<BackupReport>>,
}

/// A look at everything below a directory. Links are not followed.
#[derive(Default)]
struct Look {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Stamp)>,
    unreadable: usize,
}

impl Index {
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            files: HashMap::new(),
            reports: Arc::default(),
        }
    }

    /// Looks again.
    ///
    /// # Errors
    /// When the directory itself can't be read.
    pub fn refresh(&mut self) -> io::Result<Arc<Reports>> {
        let root = fs::canonicalize(&self.directory)?;
        let now = wall_clock();
        let look = Look::at(&root)?;
        let (mut files, mut changed) = (HashMap::with_capacity(look.files.len()), false);
        for (path, stamp) in look.files {
            let known = self.files.remove(&path);
            let known = match known.filter(|known| known.holds(stamp, now)) {
                Some(known) => known,
                None => {
                    changed = true;
                    let report = file::read(&path, &root).ok().map(Arc::new);
                    Known { stamp, report }
                }
            };
            files.insert(path, known);
        }
        changed |= !self.files.is_empty();
        self.files = files;
        let skipped = look.unreadable + self.files.values().filter(|one| one.is_none()).count();
        if changed || skipped != self.reports.skipped {
            self.reports = Arc::new(self.sorted(skipped));
        }
        Ok(Arc::clone(&self.reports))
    }

    fn sorted(&self, skipped: usize) -> Reports {
        let all = self.files.iter();
        let reports = all.filter_map(|(path, one)| Some((path, one.report.as_ref()?)));
        let mut reports: Vec<_> = reports.collect();
        reports.sort_unstable_by_key(|(path, report)| (Reverse(report.started_at), *path));
        let newest_first = reports.into_iter().map(|(_, report)| Arc::clone(report));
        Reports {
            newest_first: newest_first.collect(),
            skipped,
        }
    }
}

impl Known {
    fn holds(&self, stamp: Stamp, now: Timestamp) -> bool {
        self.stamp == stamp && !stamp.is_fresh(now)
    }

    fn is_none(&self) -> bool {
        self.report.is_none()
    }
}

impl Look {
    fn at(root: &Path) -> io::Result<Self> {
        let mut look = Self::default();
        look.enter(root)?;
        while let Some(directory) = look.directories.pop() {
            if let Err(cause) = look.enter(&directory) {
                look.count(&cause);
            }
        }
        Ok(look)
    }

    fn enter(&mut self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if let Err(cause) = self.take(&entry) {
                self.count(&cause);
            }
        }
        Ok(())
    }

    fn take(&mut self, entry: &DirEntry) -> io::Result<()> {
        if entry.file_type()?.is_dir() {
            self.directories.push(entry.path());
        } else if file::is_named_as_report(&entry.file_name()) {
            let stamp = Stamp::of(&entry.metadata()?);
            self.files.push((entry.path(), stamp));
        }
        Ok(())
    }

    /// What is gone by now is not there.
    fn count(&mut self, cause: &io::Error) {
        self.unreadable += usize::from(cause.kind() != io::ErrorKind::NotFound);
    }
}
