//! Which files a selector means: a file, a folder, a scenario's name, a tag.
//!
//! Names and tags are looked up in `scenarios/` of the current directory, or in the
//! shipped scenarios where there is no such folder.

use std::{
    fs,
    io::Read,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use include_dir::{Dir, include_dir};

use super::{
    model::MANIFEST,
    of,
    problem::{Problem, Problems, Source},
    yaml,
};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// A scenario, a strategy or a file of SQL is no larger, in bytes.
pub const LARGEST: u64 = 4 << 20;

const LIBRARY: &str = "scenarios";

/// The files that the selectors mean, each once, in order; none given: the whole library.
pub fn find(selectors: &[String]) -> Result<Vec<Source>, Problems> {
    if selectors.is_empty() {
        return library().map_err(Problems::from);
    }
    let mut found: Vec<Source> = Vec::new();
    let mut problems = Vec::new();
    for selector in selectors {
        for source in Problems::noted(one(selector), &mut problems).unwrap_or_default() {
            if !found.iter().any(|other| other.path == source.path) {
                found.push(source);
            }
        }
    }
    Problems::unless(problems, found)
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, is no regular file, is larger than [`LARGEST`], or is not UTF-8.
pub fn read_file(path: &Path) -> Result<Source, Problem> {
    let shown = path.display().to_string();
    let refused =
        |cause: &dyn std::fmt::Display| Problem::nowhere(format!("cannot read `{shown}`: {cause}"));
    // Opening a pipe waits for its writer, and a device has no end.
    let found = fs::metadata(path).map_err(|cause| refused(&cause))?;
    if !found.is_file() {
        return Err(refused(&"it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(path).map_err(|cause| refused(&cause))?;
    let read = opened.take(LARGEST + 1).read_to_end(&mut bytes);
    let read = read.map_err(|cause| refused(&cause))?;
    if read as u64 > LARGEST {
        let cause = format!("it is larger than {} MiB", LARGEST >> 20);
        return Err(refused(&cause).help("scenarios and their SQL are written by people"));
    }
    let text = String::from_utf8(bytes).map_err(|cause| {
        let before = &cause.as_bytes()[..cause.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        refused(&format!("line {line} is not UTF-8"))
    })?;
    Ok(Source { path: shown, text })
}

/// A path that a scenario names, relative to the scenario.
pub fn beside(scenario: &str, name: &str) -> PathBuf {
    match Path::new(scenario).parent() {
        Some(folder) if folder != Path::new("") => folder.join(name.trim_start_matches("./")),
        _ => name.into(),
    }
}

/// Reads a file that a scenario names, relative to the scenario.
pub fn read_beside(scenario: &str, name: &str) -> Result<Source, Problem> {
    let path = beside(scenario, name);
    match shipped_text(&path) {
        Some(text) if !Path::new(LIBRARY).is_dir() => Ok(Source {
            path: path.display().to_string(),
            text: text.to_owned(),
        }),
        _ => read_file(&path),
    }
}

fn shipped_text(path: &Path) -> Option<&'static str> {
    SHIPPED.get_file(in_library(path)?)?.contents_utf8()
}

/// A shipped folder of the library, where there is no library in the current directory.
pub fn shipped_folder(path: &Path) -> Option<&'static Dir<'static>> {
    let inner = in_library(path).filter(|_| !Path::new(LIBRARY).is_dir());
    SHIPPED.get_dir(inner?)
}

/// The path below the library's; `..` leads up within it.
fn in_library(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain.strip_prefix(LIBRARY).ok().map(Path::to_owned)
}

fn one(selector: &str) -> Result<Vec<Source>, Problems> {
    let path = Path::new(selector);
    if path.is_dir() {
        let files = folder(path)?;
        return match files.is_empty() {
            true => Err(Problem::nowhere(format!("no scenario in `{selector}`")).into()),
            false => Ok(files),
        };
    }
    if path.is_file() || selector.ends_with(".yaml") {
        return Ok(vec![read_file(path)?]);
    } else if selector.contains('/') {
        return Err(Problem::nowhere(format!("there is no file or folder `{selector}`")).into());
    }
    by_name_or_tag(selector)
}

fn by_name_or_tag(selector: &str) -> Result<Vec<Source>, Problems> {
    let mut known: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for source in library()? {
        match labels(&source) {
            Ok(labels) => {
                if labels.iter().any(|l| l == selector) {
                    found.push(source);
                }
                known.extend(labels);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let found = Problems::unless(problems, found)?;
    match found.is_empty() {
        true => Err(unknown(selector, known).into()),
        false => Ok(found),
    }
}

fn unknown(selector: &str, mut known: Vec<String>) -> Problem {
    known.sort();
    known.dedup();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem = Problem::nowhere(format!("no scenario has the name or tag `{selector}`"));
    match super::problem::nearest(selector, &known) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("`pgdrill list` shows what there is"),
    }
}

/// A scenario's name and tags, as far as they can be read.
fn labels(source: &Source) -> Result<Vec<String>, Problem> {
    let parsed = yaml::parse(&source.text);
    let root = parsed.map_err(|problem| of(&Arc::new(source.clone()), problem))?;
    let tags = root.get("tags").map(yaml::Node::items).unwrap_or_default();
    let texts = root.get("name").into_iter().chain(tags);
    let texts = texts.filter_map(|node| node.json().as_str().map(str::to_owned));
    Ok(texts.collect())
}

fn library() -> Result<Vec<Source>, Problem> {
    let path = Path::new(LIBRARY);
    if path.is_dir() {
        return folder(path);
    }
    let mut sources = Vec::new();
    shipped(&SHIPPED, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn shipped(dir: &Dir<'_>, into: &mut Vec<Source>) {
    if dir.contains(dir.path().join(MANIFEST)) {
        return;
    }
    for file in dir.files() {
        let path = file.path().display().to_string();
        if let (true, Some(text)) = (path.ends_with(".yaml"), file.contents_utf8()) {
            into.push(Source {
                path: format!("{LIBRARY}/{path}"),
                text: text.to_owned(),
            });
        }
    }
    dir.dirs().for_each(|inner| shipped(inner, into));
}

/// All `.yaml` files of a folder and the folders in it, sorted by path, but for data models and strategies.
fn folder(path: &Path) -> Result<Vec<Source>, Problem> {
    let refuse = |cause| Problem::nowhere(format!("cannot read `{}`: {cause}", path.display()));
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(refuse)? {
        entries.push(entry.map_err(refuse)?.path());
    }
    entries.sort();
    let mut sources = Vec::new();
    if entries.iter().any(|entry| entry.ends_with(MANIFEST)) {
        return Ok(sources);
    }
    for entry in entries {
        if entry.is_dir() {
            sources.extend(folder(&entry)?);
        } else if entry.extension().is_some_and(|e| e == "yaml") {
            sources.push(read_file(&entry)?);
        }
    }
    sources.retain(|source| !is_strategy(source));
    Ok(sources)
}

/// Whether a file is a strategy of the scenarios beside it.
fn is_strategy(source: &Source) -> bool {
    let root = yaml::parse(&source.text).ok();
    let has = |key| root.as_ref().is_some_and(|root| root.get(key).is_some());
    has("backups") && !has("steps")
}
