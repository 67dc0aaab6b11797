//! The directories of a run, its drills and their nodes: where they lie and whose they are.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use nix::unistd::chown;
use sha2::{Digest, Sha256};

use super::{Local, installation::Installation, leftover};
use crate::runtime::{Layout, NodeSpec, RuntimeError, run::Kind};

/// Longest path of a Unix socket that every Linux accepts, in bytes.
const SOCKET_PATH_LIMIT: usize = 107;

/// Who may do what in a directory.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// The node's user may pass through.
    Passage,
    /// It is the node's user's own.
    User,
}

pub(super) fn layout(
    drill: &Path,
    dir: &Path,
    spec: &NodeSpec,
    installation: &Installation,
    template: PathBuf,
) -> Layout {
    let stores = spec.mounts.iter();
    Layout {
        stores: stores
            .map(|(name, mount)| (name.clone(), mount.store_in(drill.join(&mount.store))))
            .collect(),
        data: dir.join("data"),
        tablespaces: dir.join("tablespaces"),
        run: dir.join("run"),
        bin: installation.bin.clone(),
        template,
    }
}

impl Local {
    /// A long scenario name must not make socket paths too long.
    pub(super) fn drill_dir(&self, drill: &str) -> PathBuf {
        if drill.len() <= 32 {
            return self.root.join(drill);
        }
        let hash = hex::encode(Sha256::digest(drill));
        let head: String = drill.chars().take(23).collect();
        self.root.join(format!("{head}-{}", &hash[..8]))
    }

    pub(super) fn create_root(&self) -> Result<(), RuntimeError> {
        let _alone = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        if self.root.is_dir() {
            return Ok(());
        }
        let path = self.root.display().to_string();
        self.run.inventory.add(&[(Kind::Directory, &path)])?;
        let error = RuntimeError::io(format!("create `{path}`"));
        self.make_dir(&self.root, Access::Passage).map_err(&error)?;
        fs::write(
            self.root.join(leftover::OWNER_FILE),
            self.run.owner.to_string(),
        )
        .map_err(&error)
    }

    pub(super) fn create_dirs(
        &self,
        drill: &Path,
        dir: &Path,
        layout: &Layout,
    ) -> Result<(), RuntimeError> {
        let error = RuntimeError::io(format!("create the node's directory `{}`", dir.display()));
        self.make_dir(drill, Access::Passage).map_err(&error)?;
        let own = [&layout.data, &layout.tablespaces, &layout.run].map(PathBuf::as_path);
        let stores = layout.stores.values().map(PathBuf::as_path);
        // A bucket lies in a directory of its own.
        let around = stores.clone().filter_map(Path::parent);
        let around = around.filter(|path| *path != drill);
        for path in around.chain(stores).chain([dir]).chain(own) {
            self.make_dir(path, Access::User).map_err(&error)?;
        }
        Ok(())
    }

    /// Makes a directory unless it is there; its mode does not depend on our umask.
    pub(super) fn make_dir(&self, path: &Path, access: Access) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir(path)?;
        let (mode, owner) = match (access, self.user.ids) {
            (Access::Passage, Some(_)) => (0o711, None),
            (Access::User, owner) => (0o700, owner),
            (Access::Passage, None) => (0o700, None),
        };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        if let Some((uid, gid)) = owner {
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }
}

pub(super) fn check_socket_path(run: &Path) -> Result<(), RuntimeError> {
    let longest = run.join(".s.PGSQL.65535.lock");
    if longest.as_os_str().len() <= SOCKET_PATH_LIMIT {
        return Ok(());
    }
    Err(RuntimeError::Unavailable {
        what: format!(
            "`{}` is too long a path for a Unix socket, of at most {SOCKET_PATH_LIMIT} bytes",
            longest.display()
        ),
        hint: "choose a shorter directory with TMPDIR".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::run::{Run, RunId};

    #[test]
    fn long_drill_names_make_short_directories_that_differ() {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::begin(RunId::new(), dir.path()).unwrap();
        let local = Local::new(run, Path::new("/tmp"), Vec::new());
        let name = |tail: &str| format!("a-drill-with-a-very-long-name-indeed-{tail}");
        let (one, two) = (local.drill_dir(&name("1")), local.drill_dir(&name("2")));
        assert_eq!(one.file_name().unwrap().len(), 32);
        assert_ne!(one, two);
        assert!(local.drill_dir("short").ends_with("short"));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_a_hint() {
        assert!(check_socket_path(Path::new("/tmp/run")).is_ok());
        let error = check_socket_path(&PathBuf::from("/x".repeat(60))).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }
}
