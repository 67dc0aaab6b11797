//! Nodes as private directories, ports and processes of this machine.
//!
//! Commands run as an unprivileged user. Nothing outside of the run's own directory
//! is touched, and where everything lies in it is `dirs`. What is found on the machine is
//! `installation`, processes are `process`, what dead runs left is `leftover`.

mod dirs;
mod host;
pub mod installation;
pub mod leftover;
mod node;
pub(super) mod process;
mod reaper;
mod shared_memory;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use nix::sys::statvfs::statvfs;
use tokio::sync::Mutex;

use self::{
    dirs::{Access, check_socket_path, layout},
    host::{Host, User},
    installation::Installation,
    reaper::Reaper,
};
pub use node::LocalNode;

use super::{Exec, Layout, Machine, NodeSpec, RuntimeError, run::Run};
use crate::history::Recorder;

/// Done in the template's directory.
const PACK: &str = "tar -C cluster -cf template.tar . && rm -r cluster";

/// The runtime.
#[derive(Clone, Debug)]
pub struct Local {
    run: Run,
    root: PathBuf,
    user: User,
    installations: Arc<Vec<Installation>>,
    /// Held while the run's directory is being made: drills begin side by side.
    creating: Arc<std::sync::Mutex<()>>,
    /// Templates made so far, by major version. Held while one is being made.
    templates: Arc<Mutex<HashMap<u32, PathBuf>>>,
    /// Runs from the first node on.
    reaper: Arc<OnceLock<Reaper>>,
}

impl Local {
    /// A runtime whose nodes lie in `<parent>/pgdrill-<run>`; nothing is created yet.
    pub fn new(run: Run, parent: &Path, installations: Vec<Installation>) -> Self {
        let root = parent.join(format!("{}{}", leftover::PREFIX, run.id));
        Self {
            run,
            root,
            user: User::unprivileged(),
            installations: Arc::new(installations),
            creating: Arc::default(),
            templates: Arc::default(),
            reaper: Arc::default(),
        }
    }

    /// The major versions it can serve, oldest first.
    pub fn majors(&self) -> Vec<u32> {
        self.installations.iter().map(|found| found.major).collect()
    }

    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Where the run's directory lies.
    pub(super) fn parent(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// Creates a node: its directories, and what it needs of its drill and its run.
    ///
    /// # Errors
    /// When the version is not installed, limits are asked for, there is a node of that
    /// name, or the operating system refuses.
    pub async fn create(
        &self,
        spec: &NodeSpec,
        recorder: &Recorder,
    ) -> Result<LocalNode, RuntimeError> {
        if let Some(what) = refused(spec) {
            let runtime = "local";
            return Err(RuntimeError::Unsupported { runtime, what });
        }
        let installation = self.installation(spec.postgres)?;
        self.adopt_orphans()?;
        self.create_root()?;
        let template = self.template(installation).await?;
        let drill = self.drill_dir(&spec.drill);
        let dir = drill.join(&spec.name);
        let layout = layout(&drill, &dir, spec, installation, template);
        check_socket_path(&layout.run)?;
        if dir.exists() {
            let error = RuntimeError::io(format!("create the node `{}`", spec.name));
            return Err(error(io::ErrorKind::AlreadyExists.into()));
        }
        let created = self.create_dirs(&drill, &dir, &layout);
        if created.is_err() {
            // The cause is reported; what is left of it goes with the drill.
            let _ = fs::remove_dir_all(&dir);
        }
        created?;
        let mut host = self.host(&format!("{}/{}", spec.drill, spec.name), &layout);
        host.clock = spec.machine.clock.environment(&faketime());
        LocalNode::new(spec, host, drill, dir, layout, recorder)
    }

    /// Removes a drill: processes, directories. Returns what could not be removed.
    pub async fn close_drill(&self, drill: &str) -> Vec<String> {
        let dir = self.drill_dir(drill);
        let marker = self.marker(&format!("{drill}/"));
        leftover::remove(&marker, Some(&dir)).await
    }

    /// Removes all of the run. Returns what could not be removed.
    pub async fn close(&self) -> Vec<String> {
        leftover::remove(&self.marker(""), Some(&self.root)).await
    }

    /// What a killed server leaves is ours to note, whatever init this machine has.
    fn adopt_orphans(&self) -> Result<(), RuntimeError> {
        if self.reaper.get().is_none() {
            let reaper = Reaper::start().map_err(RuntimeError::io("adopt orphans"))?;
            // Somebody else's may have been quicker: one is enough.
            let _ = self.reaper.set(reaper);
        }
        Ok(())
    }

    fn installation(&self, major: u32) -> Result<&Installation, RuntimeError> {
        let found = self.installations.iter().find(|found| found.major == major);
        found.ok_or_else(|| installation::missing(major, &self.installations))
    }

    fn marker(&self, below: &str) -> String {
        format!("{}/{below}", self.run.id)
    }

    fn host(&self, below: &str, layout: &Layout) -> Host {
        Host {
            user: self.user.clone(),
            marker: self.marker(below),
            owner: self.run.owner.to_string(),
            bin: layout.bin.clone(),
            home: layout.run.clone(),
            clock: Vec::new(),
        }
    }

    /// An initialised cluster, made and packed once a run and version.
    async fn template(&self, installation: &Installation) -> Result<PathBuf, RuntimeError> {
        let mut templates = self.templates.lock().await;
        if let Some(path) = templates.get(&installation.major) {
            return Ok(path.clone());
        }
        let dir = self.root.join(format!("template-{}", installation.major));
        let error = RuntimeError::io(format!("create `{}`", dir.display()));
        self.make_dir(&dir, Access::User).map_err(error)?;
        let layout = Layout {
            bin: installation.bin.clone(),
            run: dir.clone(),
            ..Layout::default()
        };
        let host = self.host("template", &layout);
        for command in [initdb(), Exec::shell(PACK)] {
            host.perform("template", command, &Recorder::in_memory())
                .await?;
        }
        let packed = dir.join("template.tar");
        templates.insert(installation.major, packed.clone());
        Ok(packed)
    }
}

/// What processes of this machine cannot do to be a node like this; none: they can be one.
pub fn refused(spec: &NodeSpec) -> Option<&'static str> {
    let Machine { memory, cpus, .. } = spec.machine;
    let sized = spec.mounts.values().any(|mount| mount.size.0 > 0);
    let wrong = spec.machine.clock.seconds_ahead() != 0 && faketime().is_empty();
    let asked = [
        (memory.0 > 0 || cpus > 0.0, "limit a node's memory or CPUs"),
        (sized, "limit a store's size"),
        (
            wrong,
            "set a node's clock without the package `libfaketime`",
        ),
    ];
    let mut refused = asked.into_iter().filter(|(asked, _)| *asked);
    refused.next().map(|(_, what)| what)
}

/// Where libfaketime lies on this machine; empty: nowhere.
pub fn faketime() -> String {
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let paths = libraries.map(|one| one.path().join("faketime/libfaketime.so.1"));
    let mut found = paths.filter(|path| path.exists());
    let found = found.next().map(|path| path.display().to_string());
    found.unwrap_or_default()
}

/// The name of the user that commands run as.
pub fn user_name() -> String {
    User::unprivileged().name
}

/// Free bytes where a path lies.
pub fn free_space(path: &Path) -> Result<u64, RuntimeError> {
    let error = RuntimeError::io(format!("read the free space of `{}`", path.display()));
    let space = statvfs(path).map_err(|errno| error(errno.into()))?;
    Ok(space.blocks_available() as u64 * space.fragment_size() as u64)
}

fn initdb() -> Exec {
    Exec::new([
        "initdb",
        "--no-sync",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
        "--pgdata=cluster",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::run::RunId;

    fn local() -> Local {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::begin(RunId::new(), dir.path()).unwrap();
        Local::new(run, Path::new("/tmp"), Vec::new())
    }

    #[tokio::test]
    async fn limits_are_refused_rather_than_ignored() {
        let spec = NodeSpec {
            machine: Machine {
                cpus: 1.0,
                ..Machine::default()
            },
            ..NodeSpec::default()
        };
        let error = local().create(&spec, &Recorder::in_memory()).await;
        assert!(error.unwrap_err().to_string().contains("limit"));
    }

    #[tokio::test]
    async fn a_version_that_is_not_installed_is_named_with_what_is() {
        let spec = NodeSpec {
            postgres: 9,
            ..NodeSpec::default()
        };
        let error = local().create(&spec, &Recorder::in_memory()).await;
        assert!(error.unwrap_err().to_string().contains("PostgreSQL 9"));
    }
}
