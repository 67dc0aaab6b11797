//! A data model: a folder of SQL files, rows, and the manifest that says what they are.
//!
//! Some are shipped in the program (`fixtures/models`); a user's own lies beside the scenario that
//! names it. Read here; created and filled in `crate::model`.

mod catalog;
mod check;
mod manifest;

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

pub use catalog::Catalog;
pub use manifest::{Audit, BusinessCheck, Column, Expectation, Manifest, Package, Table};

use super::{
    Document, of,
    plan::Business,
    problem::{Problem, Problems, Source},
    read, schema, select, sorted,
};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/models");
static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(schema::model);

/// The manifest's name.
pub const MANIFEST: &str = "model.yaml";

/// A data model, read.
#[derive(Clone, Debug)]
pub struct Model {
    /// A shipped one's name, or the path of a folder.
    pub name: String,
    pub manifest: Arc<Manifest>,
    /// What its SQL makes.
    pub catalog: Arc<Catalog>,
    /// Hash of its files' names and contents.
    pub identity: String,
    folder: Folder,
}

/// Where a model's files are.
#[derive(Clone, Debug)]
enum Folder {
    Shipped(&'static Dir<'static>),
    Own(PathBuf),
}

impl Model {
    /// The model of this name: a shipped one, or a folder, whose name has a `/` in it.
    ///
    /// # Errors
    /// All its problems, with their places in its manifest.
    pub fn open(name: &str) -> Result<Self, Problems> {
        if let Some(known) = opened().get(name) {
            return Ok(known.clone());
        }
        let (folder, shown) = Folder::named(name)?;
        let model = Self::read(name, folder, &shown)?;
        if matches!(model.folder, Folder::Shipped(_)) {
            opened().insert(name.to_owned(), model.clone());
        }
        Ok(model)
    }

    fn read(name: &str, folder: Folder, shown: &str) -> Result<Self, Problems> {
        let manifest = folder.manifest(shown)?;
        let document = read::<Manifest>(manifest, &SCHEMA)?;
        let found = folder.inspect(document).map_err(sorted)?;
        Ok(Self {
            name: name.to_owned(),
            identity: folder.identity()?,
            catalog: Arc::new(found.1),
            manifest: Arc::new(found.0),
            folder,
        })
    }

    /// A file of the folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(&self, name: &str) -> Result<Vec<u8>, Problem> {
        self.folder.file(name)
    }

    /// The files of the folder that scripts may include: all but hidden ones and those that hold rows.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scripts(&self) -> Result<Vec<String>, Problem> {
        let rows = |name: &String| {
            let mut files = self.manifest.tables.iter().filter_map(|t| t.file.as_ref());
            files.any(|file| Path::new(file) == Path::new(name))
        };
        let mut names = self.folder.names()?;
        names.retain(|name| !rows(name));
        Ok(names)
    }
}

/// Names of the shipped models, sorted.
pub fn names() -> Vec<&'static str> {
    let name = |dir: &'static Dir<'_>| dir.path().to_str();
    let mut names: Vec<&str> = SHIPPED.dirs().filter_map(name).collect();
    names.sort_unstable();
    names
}

/// The shipped models that were read: many scenarios name the same one.
fn opened() -> MutexGuard<'static, BTreeMap<String, Model>> {
    static OPENED: Mutex<BTreeMap<String, Model>> = Mutex::new(BTreeMap::new());
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Folder {
    /// The folder of a model, and its path as it is shown.
    fn named(name: &str) -> Result<(Self, String), Problem> {
        if name.contains('/') {
            let folder = match select::shipped_folder(Path::new(name)) {
                Some(dir) => Self::Shipped(dir),
                None => Self::Own(name.into()),
            };
            return Ok((folder, name.to_owned()));
        }
        let shipped = SHIPPED.get_dir(name);
        let shipped = shipped.map(|dir| (Self::Shipped(dir), format!("fixtures/models/{name}")));
        shipped.ok_or_else(|| {
            let problem = Problem::unknown("model", name, names());
            match problem.help.as_str() {
                "" => problem.help("a folder of your own has a `/` in it: `./our-app`"),
                _ => problem,
            }
        })
    }

    fn manifest(&self, shown: &str) -> Result<Source, Problem> {
        let path = format!("{}/{MANIFEST}", shown.trim_end_matches('/'));
        match self {
            Self::Own(folder) if !folder.is_dir() => {
                Err(Problem::nowhere(format!("there is no folder `{shown}`")))
            }
            Self::Own(folder) if !folder.join(MANIFEST).exists() => {
                let problem = Problem::nowhere(format!("`{shown}` has no `{MANIFEST}`"));
                Err(problem.help("docs/data-model.md says what a data model is"))
            }
            Self::Own(_) => select::read_file(Path::new(&path)),
            Self::Shipped(_) => {
                let text = String::from_utf8_lossy(&self.file(MANIFEST)?).into_owned();
                Ok(Source { path, text })
            }
        }
    }

    /// The manifest with the SQL that it names read in, and the catalog; or what is wrong.
    fn inspect(
        &self,
        mut document: Document<Manifest>,
    ) -> Result<(Manifest, Catalog), Vec<Problem>> {
        let (catalog, problems) = check::check(&document, self);
        if !problems.is_empty() {
            let problems = problems.into_iter();
            return Err(problems.map(|one| of(&document.source, one)).collect());
        }
        let all = document.typed.businesses.values_mut();
        let written = all.flat_map(Business::sql_mut);
        for sql in written.filter(|sql| sql.ends_with(".sql")) {
            let text = self.file(sql).map_err(|problem| vec![problem])?;
            *sql = String::from_utf8_lossy(&text).into_owned();
        }
        Ok((document.typed, catalog))
    }

    fn file(&self, name: &str) -> Result<Vec<u8>, Problem> {
        let refused = |cause: &dyn std::fmt::Display| {
            Problem::nowhere(format!("cannot read `{name}` of the data model: {cause}"))
        };
        match self {
            Self::Shipped(dir) => {
                let file = dir.get_file(dir.path().join(name));
                let file = file.ok_or_else(|| refused(&"there is no such file"))?;
                Ok(file.contents().to_vec())
            }
            Self::Own(folder) => {
                let path = folder.join(name);
                let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
                if !Path::new(name).components().all(inside) {
                    return Err(refused(&"it lies outside of the model's folder"));
                } else if !path.is_file() {
                    return Err(refused(&"there is no such file"));
                }
                fs::read(path).map_err(|cause| refused(&cause))
            }
        }
    }

    /// Names of all files but hidden ones, sorted.
    fn names(&self) -> Result<Vec<String>, Problem> {
        let mut names = Vec::new();
        match self {
            Self::Shipped(dir) => {
                let name = |file: &include_dir::File<'_>| {
                    let inner = file.path().strip_prefix(dir.path());
                    inner.map(|path| path.display().to_string()).ok()
                };
                names.extend(dir.files().filter_map(name));
            }
            Self::Own(folder) => list(folder, "", &mut names).map_err(|cause| {
                Problem::nowhere(format!("cannot read `{}`: {cause}", folder.display()))
            })?,
        }
        names.sort();
        Ok(names)
    }

    fn identity(&self) -> Result<String, Problem> {
        let mut hash = Sha256::new();
        for name in self.names()? {
            let content = self.file(&name)?;
            hash.update(format!("{name}\n{}\n", content.len()));
            hash.update(content);
        }
        Ok(hex::encode(&hash.finalize()[..16]))
    }
}

fn list(folder: &Path, above: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            list(&path, &format!("{above}{name}/"), names)?;
        } else if path.is_file() {
            names.push(format!("{above}{name}"));
        }
    }
    Ok(())
}
