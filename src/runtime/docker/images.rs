//! The images that nodes run: which there are, and building those that are missing.
//!
//! An image's tag carries the hash of what it was built from, so an image that is there
//! is the right one. Dockerfile, matrix and bootstrap script are in the program itself.

use std::{
    collections::{HashMap, VecDeque},
    fs::{File, TryLockError},
    process::Stdio,
    time::Duration,
};

use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptionsBuilder,
};
use futures_util::StreamExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use super::{
    engine::{Engine, plain},
    leftover::status,
};
use crate::runtime::RuntimeError;

const DOCKERFILE: &str = include_str!("../../../fixtures/images/Dockerfile");
const MATRIX: &str = include_str!("../../../fixtures/images/matrix.yaml");
const BOOTSTRAP: &str = include_str!("../../../ci/bootstrap-base");

/// A registry that has not begun to answer by then does not serve.
const REGISTRY: Duration = Duration::from_secs(30);
/// Lines of a build kept for its error.
const TAIL: usize = 20;

/// Where progress is told, a line each.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// One supported major version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Major version of PostgreSQL.
    pub postgres: u32,
    /// Debian's suite that ships it.
    pub suite: String,
    /// The base image.
    pub base: String,
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its digest.
    pub id: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Row {
    /// `pgdrill-server:<major>-<12 hex digits of what it is built from>`.
    pub fn tag(&self) -> String {
        tag(DOCKERFILE, self)
    }
}

fn tag(dockerfile: &str, row: &Row) -> String {
    let Row { postgres, base, .. } = row;
    let source = format!("{dockerfile}\0{base}\0{postgres}");
    let hash = hex::encode(Sha256::digest(source));
    format!("pgdrill-server:{postgres}-{}", &hash[..12])
}

/// The supported versions, as `fixtures/images/matrix.yaml` lists them.
///
/// # Panics
/// When the file in the program is no list of rows, which a unit test excludes.
pub fn matrix() -> Vec<Row> {
    serde_saphyr::from_str(MATRIX).expect("the embedded matrix is valid")
}

/// The row of one version.
///
/// # Errors
/// When it is not supported.
pub fn row(postgres: u32) -> Result<Row, RuntimeError> {
    let rows = matrix();
    let there: Vec<String> = rows.iter().map(|row| row.postgres.to_string()).collect();
    let found = rows.into_iter().find(|row| row.postgres == postgres);
    found.ok_or_else(|| RuntimeError::Unavailable {
        what: format!(
            "there is no image for PostgreSQL {postgres} (there is for {})",
            there.join(", ")
        ),
        hint: "choose one of these, or add a line to fixtures/images/matrix.yaml".into(),
    })
}

/// The error for an image that is not there.
pub fn missing(row: &Row) -> RuntimeError {
    RuntimeError::Unavailable {
        what: format!("the image `{}` is not in the engine", row.tag()),
        hint: format!("`pgdrill images build --postgres {}`", row.postgres),
    }
}

/// An image by its tag; `None` when the engine has none.
///
/// # Errors
/// When the engine does not answer.
pub async fn find(engine: &Engine, tag: &str) -> Result<Option<Image>, RuntimeError> {
    match engine.api.inspect_image(tag).await {
        Ok(image) => Ok(Some(Image {
            id: image.id.unwrap_or_default(),
            bytes: image.size.unwrap_or_default() as u64,
        })),
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(RuntimeError::engine(format!("look for the image `{tag}`"))(
            error,
        )),
    }
}

/// Tags of server images built from something else than what is in this program.
///
/// # Errors
/// When the engine does not answer.
pub async fn outdated(engine: &Engine) -> Result<Vec<String>, RuntimeError> {
    let filters = HashMap::from([("label", vec!["pgdrill.image=server"])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let error = RuntimeError::engine("list the images");
    let images = engine.api.list_images(Some(options)).await.map_err(error)?;
    let current: Vec<String> = matrix().iter().map(Row::tag).collect();
    let tags = images.into_iter().flat_map(|image| image.repo_tags);
    let ours = tags.filter(|tag| tag.starts_with("pgdrill-server:"));
    Ok(ours.filter(|tag| !current.contains(tag)).collect())
}

/// Builds an image unless it is there.
///
/// # Errors
/// When the version is not supported, or the build fails.
pub async fn ensure(engine: &Engine, postgres: u32, say: Say<'_>) -> Result<(), RuntimeError> {
    let row = row(postgres)?;
    if find(engine, &row.tag()).await?.is_some() {
        return Ok(());
    }
    let lock = lock(say).await?;
    // Whoever held the lock may have built it.
    if find(engine, &row.tag()).await?.is_none() {
        build(engine, &row, say).await?;
    }
    drop(lock);
    Ok(())
}

/// One build at a time: two at once would do all work twice. The lock is on the program
/// itself, so nothing has to be created for it.
async fn lock(say: Say<'_>) -> Result<File, RuntimeError> {
    let error = RuntimeError::io("wait for another build of images");
    let program = std::env::current_exe().and_then(File::open);
    let program = program.map_err(&error)?;
    if let Err(TryLockError::WouldBlock) = program.try_lock() {
        say("waiting for another build of images");
        let waiting = tokio::task::spawn_blocking(move || program.lock().map(|()| program));
        let locked = waiting.await.map_err(std::io::Error::other);
        return locked.and_then(|locked| locked).map_err(error);
    }
    Ok(program)
}

/// Builds an image, its base pulled or bootstrapped if that is missing.
///
/// # Errors
/// When the base can't be had or the build fails, with the last lines of its output.
pub async fn build(engine: &Engine, row: &Row, say: Say<'_>) -> Result<(), RuntimeError> {
    let tag = row.tag();
    ensure_base(engine, row, say).await?;
    say(&format!("building `{tag}` from `{}`", row.base));
    let arguments = HashMap::from([
        ("BASE".to_owned(), row.base.clone()),
        ("PG_MAJOR".to_owned(), row.postgres.to_string()),
    ]);
    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(&tag)
        .rm(true)
        .forcerm(true)
        .buildargs(&arguments)
        .build();
    let error = RuntimeError::io("pack the build context");
    let context = bollard::body_full(context().map_err(error)?.into());
    let mut progress = Box::pin(engine.api.build_image(options, None, Some(context)));
    let mut lines = Tail::default();
    while let Some(info) = progress.next().await {
        match info {
            Ok(info) => lines.push(&info.stream.unwrap_or_default(), say),
            Err(error) => return Err(lines.failed(&tag, &plain(&error))),
        }
    }
    match find(engine, &tag).await? {
        Some(_) => {
            say(&format!("built `{tag}`"));
            Ok(())
        }
        None => Err(lines.failed(&tag, "the engine ended without an image")),
    }
}

fn context() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(DOCKERFILE.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Dockerfile", DOCKERFILE.as_bytes())?;
    archive.into_inner()
}

/// The last lines of long work: said as they come, kept for its error.
#[derive(Default)]
struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, text: &str, say: Say<'_>) {
        let lines = text.lines().map(str::trim_end);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with(" --->")) {
            say(&format!("  {}", head(line)));
            self.0.push_back(line.to_owned());
        }
        while self.0.len() > TAIL {
            self.0.pop_front();
        }
    }

    fn failed(&self, image: &str, cause: &str) -> RuntimeError {
        let mut cause = cause.trim_end().to_owned();
        for line in &self.0 {
            cause.push_str("\n  | ");
            cause.push_str(line);
        }
        RuntimeError::Engine {
            doing: format!("make the image `{image}`"),
            cause,
        }
    }
}

/// A step of a build repeats its whole command; its begin is enough to follow.
fn head(line: &str) -> &str {
    let end = line
        .char_indices()
        .nth(100)
        .map_or(line.len(), |(at, _)| at);
    &line[..end]
}

async fn ensure_base(engine: &Engine, row: &Row, say: Say<'_>) -> Result<(), RuntimeError> {
    if find(engine, &row.base).await?.is_some() {
        return Ok(());
    }
    say(&format!("pulling the base image `{}`", row.base));
    match pull(engine, &row.base).await {
        Ok(()) => Ok(()),
        Err(cause) => {
            say(&format!("  no registry gave it: {cause}"));
            say(&format!("bootstrapping `{}` with debootstrap", row.base));
            bootstrap(engine, row, say).await
        }
    }
}

async fn pull(engine: &Engine, base: &str) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::new().from_image(base).build();
    let mut progress = Box::pin(engine.api.create_image(Some(options), None, None));
    let first = tokio::time::timeout(REGISTRY, progress.next()).await;
    let mut next = first.map_err(|_| format!("no answer within {} s", REGISTRY.as_secs()))?;
    while let Some(info) = next {
        let detail = info.map_err(|error| plain(&error))?.error_detail;
        if let Some(message) = detail.and_then(|detail| detail.message) {
            return Err(message);
        }
        next = progress.next().await;
    }
    Ok(())
}

/// Runs `ci/bootstrap-base`, which says what is missing when it can't.
async fn bootstrap(engine: &Engine, row: &Row, say: Say<'_>) -> Result<(), RuntimeError> {
    let error = RuntimeError::io("run the bootstrap script");
    let mut child = Command::new("sh")
        .args(["-s", "--", &row.suite, &row.base])
        .env("DOCKER_HOST", &engine.host)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(&error)?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(BOOTSTRAP.as_bytes())
            .await
            .map_err(&error)?;
    }
    let mut lines = Tail::default();
    if let Some(output) = child.stderr.take() {
        let mut output = BufReader::new(output).lines();
        while let Some(line) = output.next_line().await.map_err(&error)? {
            lines.push(&line, say);
        }
    }
    let status = child.wait().await.map_err(&error)?;
    match status.success() {
        true => Ok(()),
        false => Err(lines.failed(&row.base, &format!("`ci/bootstrap-base`: {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_valid_and_names_each_version_once() {
        let majors: Vec<u32> = matrix().iter().map(|row| row.postgres).collect();
        let mut once = majors.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once, majors, "in order, each once");
        assert!(majors.contains(&17));
        let error = row(9).unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 9"), "{error}");
    }

    #[test]
    fn a_tag_changes_with_everything_it_is_built_from() {
        let row = row(17).unwrap();
        let tag_17 = tag("FROM x", &row);
        let (name, hash) = tag_17.split_once("17-").unwrap();
        assert_eq!((name, hash.len()), ("pgdrill-server:", 12));
        let other_base = Row {
            base: "other".into(),
            ..row.clone()
        };
        let other_major = Row {
            postgres: 18,
            ..row.clone()
        };
        assert_ne!(tag("FROM y", &row), tag_17);
        assert_ne!(tag("FROM x", &other_base), tag_17);
        assert_ne!(tag("FROM x", &other_major), tag_17);
    }

    #[test]
    fn the_build_context_holds_the_dockerfile() {
        let context = context().unwrap();
        let mut archive = tar::Archive::new(context.as_slice());
        let mut entries = archive.entries().unwrap();
        let entry = entries.next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("Dockerfile"));
        assert_eq!(entry.size(), DOCKERFILE.len() as u64);
    }
}
