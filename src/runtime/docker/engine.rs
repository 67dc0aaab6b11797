//! The engine: found as the `docker` and `podman` commands find theirs.

use std::{
    env, fmt, fs,
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, Docker as Api, errors::Error};
use nix::unistd::Uid;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::runtime::RuntimeError;

/// An engine that does not answer within this does not serve.
const ANSWER: Duration = Duration::from_secs(5);
/// How often in a row an engine may leave a drill without an answer.
const PATIENCE: u32 = 3;
/// One request, but for those that stream their answer, takes no longer.
const REQUEST_SECONDS: u64 = 120;

/// An engine that answers.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) api: Api,
    /// Where it is, as DOCKER_HOST would name it.
    pub host: String,
    /// What it says it is, e.g. `Docker 28.2.2`.
    pub version: String,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.version, self.host)
    }
}

/// What `doctor` tells of an engine.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// Version of the API spoken.
    pub api: String,
    /// Storage driver.
    pub driver: String,
    /// Where it keeps everything.
    pub root: String,
}

impl Engine {
    /// DOCKER_HOST; else the context of DOCKER_CONTEXT or of docker's configuration; else
    /// the sockets of Docker and Podman, the first that answers.
    ///
    /// # Errors
    /// When none answers, with what each said, or the context names none.
    pub async fn find() -> Result<Self, RuntimeError> {
        let mut answers = Vec::new();
        for host in hosts()? {
            match Self::connect(&host).await {
                Ok(engine) => return Ok(engine),
                Err(answer) => answers.push(format!("{host}: {answer}")),
            }
        }
        let what = match answers.is_empty() {
            true => "no container engine is on this machine (no socket of one)".to_owned(),
            false => format!("no container engine answers ({})", answers.join("; ")),
        };
        Err(RuntimeError::Unavailable {
            what,
            hint: "start one (`systemctl start docker`), or point DOCKER_HOST at one".into(),
        })
    }

    async fn connect(host: &str) -> Result<Self, String> {
        let api = client(host)?;
        let (api, version) = within(async {
            let api = api.negotiate_version().await?;
            let version = api.version().await?;
            Ok((api, version))
        })
        .await?;
        let podman = version.components.iter().flatten();
        let podman = podman.into_iter().any(|part| part.name.contains("Podman"));
        let kind = if podman { "Podman" } else { "Docker" };
        Ok(Self {
            api,
            host: host.to_owned(),
            version: format!("{kind} {}", version.version.unwrap_or_default()),
        })
    }

    /// Whether it is Docker itself, and not what only speaks as it does.
    pub(super) fn is_docker(&self) -> bool {
        self.version.starts_with("Docker")
    }

    /// Whether it still answers.
    pub async fn answers(&self) -> Result<(), RuntimeError> {
        let answer = within(self.api.ping()).await;
        answer.map(drop).map_err(|cause| RuntimeError::Unavailable {
            what: format!("the container engine stopped answering: {self}: {cause}"),
            hint: "start it again, then `pgdrill clean` removes what is left".into(),
        })
    }

    /// Returns when it has gone away, with how: one that refuses or hangs is asked
    /// [`PATIENCE`] times in a row, since it may only be busy or starting again.
    pub async fn gone(&self) -> RuntimeError {
        let mut next = tokio::time::interval(ANSWER);
        let mut unanswered = 0;
        loop {
            next.tick().await;
            let Err(error) = self.answers().await else {
                unanswered = 0;
                continue;
            };
            unanswered += 1;
            if unanswered == PATIENCE {
                return error;
            }
        }
    }

    /// What it says of itself.
    pub async fn info(&self) -> Result<Info, RuntimeError> {
        let error = RuntimeError::engine("ask the engine about itself");
        let info = self.api.info().await.map_err(error)?;
        Ok(Info {
            api: self.api.client_version().to_string(),
            driver: info.driver.unwrap_or_default(),
            root: info.docker_root_dir.unwrap_or_default(),
        })
    }

    /// Whether its containers' ports are this machine's.
    pub fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }
}

/// What the engine answers, in time.
async fn within<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(|error| plain(&error)),
        Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
    }
}

fn client(host: &str) -> Result<Api, String> {
    let client = match host.split_once("://") {
        Some(("unix", path)) => Api::connect_with_unix(path, REQUEST_SECONDS, API_DEFAULT_VERSION),
        Some(("tcp" | "http", _)) if env::var_os("DOCKER_TLS_VERIFY").is_none() => {
            Api::connect_with_http(host, REQUEST_SECONDS, API_DEFAULT_VERSION)
        }
        _ => return Err("pgdrill speaks to engines by unix:// and, without TLS, tcp://".into()),
    };
    client.map_err(|error| plain(&error))
}

/// An engine's error with its causes, which its display leaves out.
pub(in crate::runtime) fn plain(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.clone();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(&format!(": {inner_text}"));
        }
        cause = inner.source();
    }
    text
}

fn hosts() -> Result<Vec<String>, RuntimeError> {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(host) = set("DOCKER_HOST") {
        return Ok(vec![host]);
    }
    let home = set("HOME").map(PathBuf::from).unwrap_or_default();
    let config = set("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from);
    let chosen = set("DOCKER_CONTEXT").or_else(|| current_context(&config));
    match chosen.as_deref() {
        None | Some("default") => Ok(sockets(&home, set("XDG_RUNTIME_DIR"))),
        Some(name) => match context_host(&config, name) {
            Some(host) => Ok(vec![host]),
            None => Err(no_context(name, &config)),
        },
    }
}

fn no_context(name: &str, config: &Path) -> RuntimeError {
    RuntimeError::Unavailable {
        what: format!(
            "docker's context `{name}` names no engine in {}",
            config.display()
        ),
        hint: "`docker context ls` lists those there are; DOCKER_CONTEXT or `docker context use` \
               chooses one"
            .into(),
    }
}

fn sockets(home: &Path, runtime_dir: Option<String>) -> Vec<String> {
    let user = runtime_dir.unwrap_or_else(|| format!("/run/user/{}", Uid::current()));
    let user = PathBuf::from(user);
    [
        PathBuf::from("/var/run/docker.sock"),
        user.join("docker.sock"),
        home.join(".docker/run/docker.sock"),
        user.join("podman/podman.sock"),
        PathBuf::from("/run/podman/podman.sock"),
    ]
    .iter()
    .filter(|socket| socket.exists())
    .map(|socket| format!("unix://{}", socket.display()))
    .collect()
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn current_context(config: &Path) -> Option<String> {
    let config = json(&config.join("config.json"))?;
    Some(config.get("currentContext")?.as_str()?.to_owned())
}

/// Docker keeps a context in a directory named by the hash of the context's name.
fn context_host(config: &Path, name: &str) -> Option<String> {
    let hash = hex::encode(Sha256::digest(name));
    let meta = json(&config.join("contexts/meta").join(hash).join("meta.json"))?;
    let host = meta.pointer("/Endpoints/docker/Host")?.as_str()?;
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_docker_writes_it() {
        let config = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = config.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("config.json", r#"{"currentContext":"far"}"#);
        let hash = "4cfb8ba39bf5ea17b90c59d4ac0f0bd23b5e09bf91fbd5fb34b8ad0ef5a3c4c6";
        assert_eq!(hash.len(), hex::encode(Sha256::digest("far")).len());
        let meta = format!(
            "contexts/meta/{}/meta.json",
            hex::encode(Sha256::digest("far"))
        );
        write(
            &meta,
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2375"}}}"#,
        );
        let current = current_context(config.path()).unwrap();
        assert_eq!(current, "far");
        let host = context_host(config.path(), &current);
        assert_eq!(host.as_deref(), Some("tcp://far:2375"));
        assert_eq!(context_host(config.path(), "none"), None);
    }

    #[test]
    fn transports_that_cannot_be_spoken_are_refused_with_the_ones_that_can() {
        let error = client("ssh://far").unwrap_err();
        assert!(error.contains("unix://"), "{error}");
    }
}
