//! Which runtime serves: the one asked for, or the better one that can.

use std::{future::Future, path::PathBuf};

use super::{
    Runtime, RuntimeError,
    docker::Docker,
    local::{Local, installation},
    run::Run,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// `docker` where an engine answers and has the images, or can build or pull them;
    /// else `local`.
    #[default]
    Auto,
    /// Containers.
    Docker,
    /// Processes of this machine.
    Local,
}

#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub choice: Choice,
    /// Major versions of PostgreSQL that it has to serve, each with the Debian packages beside.
    /// `local` does with one of them (ask [`Runtime::majors`] which) and with what this machine has
    /// installed; `docker` gets the images of all. Empty: any.
    pub versions: Vec<(u32, Vec<String>)>,
    /// Nobody insists on these versions: `local` may serve with whichever it has.
    pub any_local: bool,
    /// Where PostgreSQL's programs are, in place of what is found (`local`).
    pub pg_bin: Option<PathBuf>,
    /// Parent of the run's private directory (`local`); else TMPDIR, else `/tmp`.
    pub local_dir: Option<PathBuf>,
}

/// A runtime, and in one line which it is and why.
pub type Chosen = (Runtime, String);

/// Chooses, and makes what is missing where that can be done (images).
/// Progress of long work is handed to `say`, a line each.
///
/// # Errors
/// When the one asked for cannot serve, or neither can: then with both ways to get one.
pub async fn choose(
    wanted: &Wanted,
    run: Run,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Chosen, RuntimeError> {
    settle(wanted.choice, docker(wanted, run.clone(), say), || {
        local(wanted, run.clone())
    })
    .await
}

async fn docker(
    wanted: &Wanted,
    run: Run,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Chosen, RuntimeError> {
    let docker = Docker::ready(run, &wanted.versions, say).await?;
    let why = format!("docker: {} answers and has the images", docker.engine());
    Ok((Runtime::Docker(docker), why))
}

fn local(wanted: &Wanted, run: Run) -> Result<Chosen, RuntimeError> {
    let found = installation::find(wanted.pg_bin.as_deref())?;
    let serves = |major: u32| {
        wanted.any_local
            || wanted.versions.is_empty()
            || wanted.versions.iter().any(|(one, _)| *one == major)
    };
    if !found.iter().any(|installation| serves(installation.major)) {
        let major = wanted.versions.iter().map(|(major, _)| *major).max();
        return Err(installation::missing(major.unwrap_or_default(), &found));
    }
    let shown: Vec<String> = found
        .iter()
        .map(|found| format!("{} in {}", found.version, found.bin.display()))
        .collect();
    let parent = wanted.local_dir.clone().unwrap_or_else(std::env::temp_dir);
    let why = format!("local: PostgreSQL {}", shown.join(", "));
    Ok((Runtime::Local(Local::new(run, &parent, found)), why))
}

async fn settle<T>(
    choice: Choice,
    docker: impl Future<Output = Result<(T, String), RuntimeError>>,
    local: impl FnOnce() -> Result<(T, String), RuntimeError>,
) -> Result<(T, String), RuntimeError> {
    let no_docker = match choice {
        Choice::Local => return local(),
        Choice::Docker => return docker.await,
        Choice::Auto => match docker.await {
            Ok(chosen) => return Ok(chosen),
            Err(error) => error,
        },
    };
    match local() {
        Ok((runtime, why)) => Ok((
            runtime,
            format!("{why} (not docker: {})", no_docker.in_short()),
        )),
        Err(no_local) => Err(neither(&no_docker, &no_local)),
    }
}

fn neither(no_docker: &RuntimeError, no_local: &RuntimeError) -> RuntimeError {
    RuntimeError::Unavailable {
        what: format!(
            "no runtime can serve\n  docker: {}\n  local: {}",
            no_docker.in_short(),
            no_local.in_short()
        ),
        hint: "start a container engine, then `pgdrill images build`; or install PostgreSQL \
               on this machine: `apt-get install postgresql`"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(what: &str) -> RuntimeError {
        RuntimeError::Unavailable {
            what: what.into(),
            hint: "get it".into(),
        }
    }

    async fn settled(choice: Choice, docker: bool, local: bool) -> Result<String, RuntimeError> {
        let answer = |serves: bool, name: &'static str| match serves {
            true => Ok((name, format!("{name}: it serves"))),
            false => Err(missing(&format!("no {name}"))),
        };
        let chosen = settle(choice, std::future::ready(answer(docker, "docker")), || {
            answer(local, "local")
        });
        chosen.await.map(|(_, why)| why)
    }

    #[tokio::test]
    async fn auto_takes_docker_first_and_says_why_not() {
        let why = settled(Choice::Auto, true, true).await.unwrap();
        assert_eq!(why, "docker: it serves");
        let why = settled(Choice::Auto, false, true).await.unwrap();
        assert_eq!(why, "local: it serves (not docker: no docker)");
    }

    #[tokio::test]
    async fn what_was_asked_for_is_not_replaced() {
        assert!(settled(Choice::Docker, false, true).await.is_err());
        assert!(settled(Choice::Local, true, false).await.is_err());
        let why = settled(Choice::Local, true, true).await.unwrap();
        assert_eq!(why, "local: it serves");
    }

    #[tokio::test]
    async fn where_neither_serves_both_ways_are_named() {
        let error = settled(Choice::Auto, false, false).await.unwrap_err();
        insta::assert_snapshot!(error, @r"
        no runtime can serve
          docker: no docker
          local: no local
          hint: start a container engine, then `pgdrill images build`; or install PostgreSQL on this machine: `apt-get install postgresql`
        ");
    }
}
