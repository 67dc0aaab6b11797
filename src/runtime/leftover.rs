//! What dead runs left, on this machine and in the engine, told apart from what live
//! runs use.

use std::path::{Path, PathBuf};

use super::{
    Runtime, RuntimeError, buckets,
    docker::{self, engine::Engine},
    local,
    run::{Inventory, Kind, Life, Owner},
};

/// What one run has in one place.
#[derive(Clone, Debug)]
pub struct Leftover {
    pub run: String,
    /// Whether its owner lives.
    pub life: Life,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub enum Place {
    /// So many containers, volumes and networks.
    Engine(Engine, usize),
    Directory(PathBuf),
    Processes,
    /// What the records in this directory tell of.
    Buckets(PathBuf),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    pub removed: Vec<String>,
    pub failures: Vec<String>,
}

impl Leftover {
    pub fn describe(&self) -> String {
        let run = &self.run;
        match &self.place {
            Place::Engine(_, things) => {
                format!("{things} containers, volumes and networks of run {run}")
            }
            Place::Directory(dir) => format!("`{}` and its processes", dir.display()),
            Place::Processes => format!("processes of run {run}"),
            Place::Buckets(_) => format!("objects of run {run} in buckets"),
        }
    }

    /// Removes it. Returns what could not be removed.
    pub async fn remove(&self) -> Vec<String> {
        let marker = format!("{}/", self.run);
        match &self.place {
            Place::Engine(engine, _) => docker::leftover::remove_run(engine, &self.run).await,
            Place::Directory(dir) => local::leftover::remove(&marker, Some(dir)).await,
            Place::Processes => local::leftover::remove(&marker, None).await,
            Place::Buckets(records) => buckets::remove(records, "").await,
        }
    }
}

/// What runs have in directories below `parents`, as processes, and in `engine`.
pub async fn find(
    parents: &[PathBuf],
    engine: Option<&Engine>,
) -> Result<Vec<Leftover>, RuntimeError> {
    let here = Owner::this_process()?;
    let mut found = local::leftover::find(parents, &here);
    found.extend(buckets::find(&[std::env::temp_dir()], &here));
    if let Some(engine) = engine {
        found.extend(docker::leftover::find(engine, &here).await?);
    }
    Ok(found)
}

/// The parents of directories that the inventories below `reports` name, beside the
/// usual place.
pub fn parents(reports: &Path, further: Option<&Path>) -> Vec<PathBuf> {
    let mut parents = vec![std::env::temp_dir()];
    parents.extend(further.map(Path::to_owned));
    let runs = std::fs::read_dir(reports).into_iter().flatten().flatten();
    for run in runs {
        for item in Inventory::read(&run.path().join(Inventory::FILE)) {
            let parent = Path::new(&item.name).parent();
            parents.extend(
                parent
                    .filter(|_| item.kind == Kind::Directory)
                    .map(Path::to_owned),
            );
        }
    }
    parents.sort();
    parents.dedup();
    parents
}

/// Removes what is dead, and with `unknown` also what belongs to owners that can't be
/// seen from here; never what lives.
pub async fn remove(found: &[Leftover], unknown: bool) -> Reaped {
    let mut reaped = Reaped::default();
    for leftover in found {
        let goes = match leftover.life {
            Life::Live => false,
            Life::Dead => true,
            Life::Unknown => unknown,
        };
        if !goes {
            continue;
        }
        let failures = leftover.remove().await;
        if failures.is_empty() {
            reaped.removed.push(leftover.describe());
        }
        reaped.failures.extend(failures);
    }
    reaped
}

impl Runtime {
    /// Removes what dead runs left where this runtime works. For the start of a run;
    /// failures are no reason not to start.
    pub async fn reap(&self) -> Reaped {
        let (parents, engine) = match self {
            Self::Docker(docker) => (vec![std::env::temp_dir()], Some(docker.engine())),
            Self::Local(local) => (vec![local.parent().to_owned()], None),
        };
        match find(&parents, engine).await {
            Ok(found) => remove(&found, false).await,
            Err(error) => Reaped {
                failures: vec![error.to_string()],
                ..Reaped::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventories_tell_where_else_to_look() {
        let reports = tempfile::tempdir().unwrap();
        let run = reports.path().join("run");
        std::fs::create_dir(&run).unwrap();
        let inventory = Inventory::create(&run).unwrap();
        let things = [
            (Kind::Directory, "/elsewhere/pgdrill-x"),
            (Kind::Container, "/not/a/path"),
        ];
        inventory.add(&things).unwrap();
        let found = parents(reports.path(), Some(Path::new("/given")));
        assert!(found.contains(&PathBuf::from("/elsewhere")));
        assert!(found.contains(&PathBuf::from("/given")));
        assert!(found.contains(&std::env::temp_dir()));
        assert_eq!(found.len(), 3);
    }
}
