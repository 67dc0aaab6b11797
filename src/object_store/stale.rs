//! Listings that are out of date, as of stores that agree with themselves only later. What there was
//! is kept beside the bucket, as links to its objects, and listings are answered from there
//! (`objects`).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use http::Request;
use http_body_util::BodyExt;
use s3s::{
    Body, HttpError,
    service::{S3Service, S3ServiceBuilder},
};

use super::{ObjectStoreError, Settings, objects::files};

/// In the store's state: the directory of the bucket that is kept as it was.
const KEPT: &str = "kept";
/// Is written where listings are tried, and is gone again.
const TRIAL: &str = ".trial";

pub struct Stale {
    bucket: PathBuf,
    /// The directory that the kept bucket is in.
    pub root: PathBuf,
    name: String,
    /// What is listed of it, for whomever.
    listing: S3Service,
}

impl Stale {
    /// Nothing is kept yet.
    ///
    /// # Errors
    /// When there is no room beside the bucket.
    pub fn new(settings: &Settings) -> Result<Self, ObjectStoreError> {
        let (root, name) = (settings.state().join(KEPT), settings.bucket.clone());
        let made = fs::create_dir_all(root.join(&name));
        made.map_err(ObjectStoreError::new("create its files"))?;
        Ok(Self {
            bucket: settings.root.join(&name),
            listing: S3ServiceBuilder::new(files(&root)?).build(),
            root,
            name,
        })
    }

    /// Keeps what there is now.
    ///
    /// # Errors
    /// When it can't be read, or linked to.
    pub fn keep(&self) -> io::Result<()> {
        let kept = self.root.join(&self.name);
        fs::remove_dir_all(&kept)?;
        link_all(&self.bucket, &kept)
    }

    /// Whether an object that is written now is in no listing.
    ///
    /// # Errors
    /// When it can't be written, or nothing be listed.
    pub async fn misses_new(&self) -> Result<bool, HttpError> {
        let object = self.bucket.join(TRIAL);
        fs::write(&object, b"").map_err(failed)?;
        let listed = self.lists_trial().await;
        fs::remove_file(&object).map_err(failed)?;
        Ok(!listed?)
    }

    async fn lists_trial(&self) -> Result<bool, HttpError> {
        let uri = format!("/{}?list-type=2&delimiter=/&prefix={TRIAL}", self.name);
        let request = Request::get(uri).body(Body::empty()).map_err(failed)?;
        let answer = self.listing.call(request).await?;
        let listing = answer.into_body().collect().await.map_err(HttpError::new)?;
        let listing = String::from_utf8_lossy(&listing.to_bytes()).into_owned();
        match listing.contains("<ListBucketResult") {
            true => Ok(listing.contains(&format!("<Key>{TRIAL}</Key>"))),
            false => Err(failed(io::Error::other(listing))),
        }
    }
}

/// Objects that go meanwhile are not of it.
fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, link) = (entry.path(), to.join(entry.file_name()));
        let linked = match entry.file_type()?.is_dir() {
            true => link_all(&path, &link),
            false => fs::hard_link(&path, &link),
        };
        linked.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _other => Err(error),
        })?;
    }
    Ok(())
}

fn failed<E: std::error::Error + Send + Sync + 'static>(error: E) -> HttpError {
    HttpError::new(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stale(root: &Path) -> Stale {
        let settings = Settings {
            root: root.into(),
            bucket: "backups".into(),
            host: "localhost".into(),
            listen: "127.0.0.1:0".into(),
            access_key: "key".into(),
            secret_key: "secret".into(),
        };
        fs::create_dir_all(root.join("backups/wal")).unwrap();
        Stale::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn a_listing_that_is_out_of_date_misses_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let stale = stale(dir.path());
        fs::write(dir.path().join("backups/wal/1"), b"one").unwrap();
        stale.keep().unwrap();
        fs::write(dir.path().join("backups/wal/2"), b"two").unwrap();
        assert!(stale.misses_new().await.unwrap());
        let kept = stale.root.join("backups");
        assert!(kept.join("wal/1").is_file());
        assert!(!kept.join("wal/2").exists());
        fs::write(kept.join(TRIAL), b"").unwrap();
        assert!(!stale.misses_new().await.unwrap());
    }
}
