//! A store that speaks S3: pgdrill's own object store, a program in a node of the drill. Its objects
//! are files of the volume that it keeps, so that what it holds is seen without any client.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Client, Damaged, Damaging, Endpoint, Place, Stored,
    directory::{Directory, UNLIMITED},
    program,
};
use crate::{
    bucket::UriStyle,
    object_store::{Answer, CA, CONDUCT, Conduct, STATE, Settings, TALLY, Tally},
    runtime::{Exec, Node, RuntimeError, wait},
    secret::Secret,
};

/// What its objects are, seen without any client.
const OBJECTS: Directory = UNLIMITED;
/// The bucket that a store is to its clients.
const BUCKET: &str = "backups";
const ACCESS_KEY: &str = "pgdrill";
/// It answers, or does what it was told, within this.
const PROMPTLY: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Who serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum S3 {
    /// pgdrill's own object store, made for the drill, over TLS.
    Embedded,
}

/// Its process goes on; what it says is looked at where it does not begin to serve.
const START: &str = r#"setsid "$PROGRAM" object-store "$SETTINGS" > "$LOG" 2>&1 < /dev/null &"#;

impl Client for S3 {
    async fn held(
        &self,
        place: Place<'_>,
        below: &[String],
        hashed: u64,
    ) -> Result<Vec<Stored>, RuntimeError> {
        OBJECTS.held(place, below, hashed).await
    }

    fn objects(&self) -> Option<&'static str> {
        Some(BUCKET)
    }

    async fn serve(
        &self,
        place: Place<'_>,
        port: u16,
        _prefix: &str,
    ) -> Result<Endpoint, RuntimeError> {
        let (host, outside) = place.keeper.inside_address(port);
        // Clients look for no address in a certificate.
        let host = match host.as_str() {
            "127.0.0.1" => "localhost".to_owned(),
            _ => host,
        };
        let secret_key = Secret::random();
        let settings = Settings {
            root: root(place),
            bucket: BUCKET.into(),
            host: host.clone(),
            listen: format!(
                "{}:{}",
                listen_address(place.keeper),
                place.keeper.port(port)
            ),
            access_key: ACCESS_KEY.into(),
            secret_key: secret_key.reveal().to_owned(),
        };
        start(place, &settings).await?;
        let ca = ca(place).await?;
        Ok(Endpoint {
            host,
            port: outside,
            bucket: BUCKET.into(),
            prefix: String::new(),
            region: "us-east-1".into(),
            uri_style: UriStyle::Path,
            access_key: ACCESS_KEY.into(),
            secret_key,
            session_token: None,
            ca,
        })
    }

    async fn behave(&self, place: Place<'_>, conduct: &Conduct) -> Result<Answer, RuntimeError> {
        let text = serde_json::to_string(conduct).unwrap_or_default();
        let file = state(place, CONDUCT);
        // Where it is read half written, it is read again.
        place
            .keeper
            .put(file.as_ref(), text.as_bytes(), 0o600)
            .await?;
        let told = state(place, "conduct.told");
        let what = format!("the object store `{}` does as it is told", place.store);
        let done = wait::until(&what, PROMPTLY, PAUSE, || async {
            let said = place.keeper.get(told.as_ref()).await;
            let said = said.map_err(|error| error.to_string())?;
            let said = String::from_utf8_lossy(&said).into_owned();
            if said == text { Ok(()) } else { Err(said) }
        });
        done.await.map_err(|status| failed(place, "tell", status))?;
        ask(place, conduct.trial_bytes()).await
    }

    async fn tally(&self, place: Place<'_>) -> Result<Tally, RuntimeError> {
        let said = place.keeper.get(state(place, TALLY).as_ref()).await?;
        serde_json::from_slice(&said).map_err(|cause| failed(place, "count", cause.to_string()))
    }

    async fn lose(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        OBJECTS.lose(place).await
    }

    async fn damage(
        &self,
        place: Place<'_>,
        damaging: Damaging<'_>,
    ) -> Result<Vec<Damaged>, RuntimeError> {
        OBJECTS.damage(place, damaging).await
    }

    /// Connections are closed, and the files are out of reach of those who look at them.
    async fn close(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        let outage = Conduct {
            outage: true,
            ..Conduct::default()
        };
        let answer = self.behave(place, &outage).await?;
        if answer.status.is_some() {
            return Err(failed(
                place,
                "close",
                format!("it still answers: {answer:?}"),
            ));
        }
        OBJECTS.close(place).await
    }

    async fn open(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        OBJECTS.open(place).await?;
        let answer = self.behave(place, &Conduct::default()).await?;
        match answer.status {
            Some(_) => Ok(()),
            None => Err(failed(place, "open", answer.error)),
        }
    }
}

/// The directory that its bucket is in.
fn root(place: Place<'_>) -> PathBuf {
    let bucket = place.keeper.layout().store(place.store);
    bucket.parent().unwrap_or(bucket).to_owned()
}

fn state(place: Place<'_>, file: &str) -> String {
    root(place).join(STATE).join(file).display().to_string()
}

/// What it is started with (`json`), and what it says (`log`).
fn file(place: Place<'_>, ending: &str) -> PathBuf {
    let run = &place.keeper.layout().run;
    run.join(format!("object-store-{}.{ending}", place.store))
}

/// All of a container's addresses; of this machine only the loopback interface.
fn listen_address(node: &Node) -> &'static str {
    match node.listen_addresses() {
        "*" => "0.0.0.0",
        address => address,
    }
}

async fn start(place: Place<'_>, settings: &Settings) -> Result<(), RuntimeError> {
    program::put(place.keeper).await?;
    let named = |ending: &str| file(place, ending);
    let text = serde_json::to_vec(settings).unwrap_or_default();
    place.keeper.put(&named("json"), &text, 0o600).await?;
    let exec = Exec::shell(START)
        .env("PROGRAM", program::path(place.keeper).display().to_string())
        .env("SETTINGS", named("json").display().to_string())
        .env("LOG", named("log").display().to_string());
    place.keeper.exec(exec.unrecorded()).await.map(drop)
}

/// The certificate to trust, which is there once it serves.
async fn ca(place: Place<'_>) -> Result<String, RuntimeError> {
    let what = format!("the object store `{}` serves", place.store);
    let (log, file, node) = (file(place, "log"), state(place, CA), place.keeper);
    let served = wait::until(&what, PROMPTLY, PAUSE, || async {
        if let Ok(certificate) = node.get(file.as_ref()).await {
            return Ok(String::from_utf8_lossy(&certificate).into_owned());
        }
        let said = node.get(&log).await.unwrap_or_default();
        Err(format!(
            "it said: {}",
            String::from_utf8_lossy(&said).trim()
        ))
    });
    served
        .await
        .map_err(|status| failed(place, "start", status))
}

/// Asks the store for something, from where it is.
async fn ask(place: Place<'_>, bytes: u64) -> Result<Answer, RuntimeError> {
    let (program, settings) = (program::path(place.keeper), file(place, "json"));
    let words = [
        program.as_path(),
        Path::new("object-store"),
        settings.as_path(),
    ];
    let words = words.map(|word| word.display().to_string());
    let exec = Exec::new(words.into_iter().chain([format!("--ask={bytes}")]));
    let said = place.keeper.exec(exec.unrecorded()).await?.text();
    serde_json::from_str(&said).map_err(|cause| failed(place, "ask", cause.to_string()))
}

fn failed(place: Place<'_>, doing: &str, status: String) -> RuntimeError {
    let error = RuntimeError::io(format!("{doing} the object store `{}`", place.store));
    error(std::io::Error::other(status))
}
