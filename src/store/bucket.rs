//! Somebody's bucket, below a prefix of the drill's own. What it holds is seen in a mirror: a directory
//! of the drill, which the node that keeps stores brings up to date before anybody looks.

use std::path::PathBuf;

use super::{Client, Damaged, Damaging, Endpoint, Place, Stored, directory::UNLIMITED, program};
pub use crate::bucket::Bucket;
use crate::{
    bucket::{Access, BucketError},
    runtime::{Exec, RuntimeError},
    secret::Secret,
};

/// The directory of the mirror, beside which is what tells of it.
const MIRROR: &str = "objects";

impl Client for Bucket {
    async fn held(
        &self,
        place: Place<'_>,
        below: &[String],
        hashed: u64,
    ) -> Result<Vec<Stored>, RuntimeError> {
        self.refresh(place).await?;
        UNLIMITED.held(place, below, hashed).await
    }

    fn wrong(&self) -> Option<(&'static str, BucketError)> {
        Bucket::wrong(self)
    }

    fn objects(&self) -> Option<&'static str> {
        Some(MIRROR)
    }

    fn external(&self) -> Option<&Bucket> {
        Some(self)
    }

    async fn serve(
        &self,
        place: Place<'_>,
        _port: u16,
        prefix: &str,
    ) -> Result<Endpoint, RuntimeError> {
        let access = self.access(prefix).map_err(failed(place, "reach"))?;
        program::put(place.keeper).await?;
        let text = serde_json::to_vec(&access).unwrap_or_default();
        place.keeper.put(&settings(place), &text, 0o600).await?;
        Ok(endpoint(access))
    }

    async fn refresh(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        let mirror = place.keeper.layout().store(place.store).to_owned();
        let mirror = asked(place, mirror).unrecorded();
        place.keeper.exec(mirror).await.map(drop)
    }

    /// The drill's own part of it: every object below the prefix.
    async fn lose(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        let empty = asked(place, "--empty".into());
        place.keeper.exec(empty).await.map(drop)
    }

    async fn close(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        Err(place.unable("be cut off"))
    }

    async fn open(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        Err(place.unable("be reached again"))
    }

    async fn damage(
        &self,
        place: Place<'_>,
        _damaging: Damaging<'_>,
    ) -> Result<Vec<Damaged>, RuntimeError> {
        Err(place.unable("be damaged"))
    }
}

/// The command by which the keeper does this with it.
fn asked(place: Place<'_>, what: PathBuf) -> Exec {
    let own = program::path(place.keeper);
    let words = [own, "bucket".into(), settings(place), what];
    Exec::new(words.map(|word| word.display().to_string()))
}

/// With what the keeper reaches it.
fn settings(place: Place<'_>) -> PathBuf {
    let run = &place.keeper.layout().run;
    run.join(format!("bucket-{}.json", place.store))
}

fn endpoint(access: Access) -> Endpoint {
    let (host, port) = access.bucket.address();
    Endpoint {
        host,
        port,
        bucket: access.bucket.name,
        prefix: access.prefix,
        region: access.bucket.region,
        uri_style: access.bucket.uri_style,
        access_key: access.access_key,
        secret_key: Secret::new(access.secret_key),
        session_token: access.session_token.map(Secret::new),
        ca: access.authorities,
    }
}

fn failed<C: std::fmt::Display>(place: Place<'_>, doing: &str) -> impl FnOnce(C) -> RuntimeError {
    let error = RuntimeError::io(format!("{doing} the store `{}`", place.store));
    move |cause| error(std::io::Error::other(cause.to_string()))
}
