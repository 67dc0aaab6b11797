//! Making an image: its base pulled or bootstrapped, then built by the engine.

use std::{
    collections::{HashMap, VecDeque},
    fs::{File, TryLockError},
    process::Stdio,
    time::Duration,
};

use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use super::{DOCKERFILE, Row, find};
use crate::runtime::{
    RuntimeError,
    docker::engine::{Engine, plain},
};

const BOOTSTRAP: &str = include_str!("../../../../ci/bootstrap-base");

/// A registry that has not begun to answer by then does not serve.
const REGISTRY: Duration = Duration::from_secs(30);
/// Lines of a build kept for its error.
const TAIL: usize = 20;

/// Where progress is told, a line each.
type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Builds an image unless it is there.
pub async fn ensure(engine: &Engine, row: &Row, say: Say<'_>) -> Result<(), RuntimeError> {
    if find(engine, &row.tag()).await?.is_some() {
        return Ok(());
    }
    let lock = lock(say).await?;
    let plain = row.clone().with(&[]);
    for row in [&plain, row] {
        // Whoever held the lock may have built it.
        if find(engine, &row.tag()).await?.is_none() {
            build(engine, row, say).await?;
        }
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
async fn build(engine: &Engine, row: &Row, say: Say<'_>) -> Result<(), RuntimeError> {
    let tag = row.tag();
    let (base, dockerfile) = match row.packages.as_slice() {
        [] => {
            ensure_base(engine, row, say).await?;
            (row.base.clone(), DOCKERFILE.to_owned())
        }
        packages => (row.clone().with(&[]).tag(), installing(packages)),
    };
    say(&format!("building `{tag}` from `{base}`"));
    let arguments = HashMap::from([
        ("BASE".to_owned(), base),
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
    let context = bollard::body_full(context(&dockerfile).map_err(error)?.into());
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

/// A server image with some packages more. Their names hold nothing that a shell reads.
fn installing(packages: &[String]) -> String {
    format!(
        "ARG BASE\nFROM ${{BASE}}\nARG PG_MAJOR\nUSER root\nRUN set -eu; export DEBIAN_FRONTEND=noninteractive; \
         apt-get -o Acquire::Check-Valid-Until=false update; \
         apt-get install --yes --no-install-recommends {}; \
         apt-get clean; rm -rf /var/lib/apt/lists/*\nUSER postgres\n",
        packages.join(" ")
    )
}

fn context(dockerfile: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Dockerfile", dockerfile.as_bytes())?;
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
    fn the_build_context_holds_the_dockerfile() {
        let context = context(DOCKERFILE).unwrap();
        let mut archive = tar::Archive::new(context.as_slice());
        let mut entries = archive.entries().unwrap();
        let entry = entries.next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("Dockerfile"));
        assert_eq!(entry.size(), DOCKERFILE.len() as u64);
    }

    #[test]
    fn packages_are_installed_as_root_and_nodes_are_not() {
        let dockerfile = installing(&["postgresql-17-cron".into(), "zstd".into()]);
        assert!(dockerfile.contains(" postgresql-17-cron zstd; "));
        let (before, after) = dockerfile.split_once("RUN ").unwrap();
        assert!(before.ends_with("USER root\n") && after.ends_with("USER postgres\n"));
    }
}
