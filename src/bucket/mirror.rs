//! A directory that holds what a bucket holds below a prefix: so that what looks at stores as
//! directories sees what is really there. Only what changed is fetched.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use ::object_store::ObjectMeta;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    Access, BucketError,
    client::{Client, Retries},
};

/// Objects that are fetched at a time.
const AT_A_TIME: usize = 8;

/// Beside the mirror: what was fetched, which is also what two of us take turns by.
const FETCHED: &str = ".mirrored.json";
/// The same: an object on its way.
const ON_ITS_WAY: &str = ".on-its-way";

/// What tells one version of an object from the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    bytes: u64,
    etag: Option<String>,
    modified: String,
}

/// By their paths below the prefix.
type Versions = BTreeMap<String, Version>;

/// Has the directory hold what the bucket does, in files of the same names.
///
/// # Errors
/// When either can't be read or written.
pub async fn mirror(access: &Access, directory: &Path) -> Result<(), BucketError> {
    let error = |cause: io::Error| {
        let what = format!(
            "mirror {} in `{}`: {cause}",
            access.bucket,
            directory.display()
        );
        BucketError::new(what, "")
    };
    let beside = directory.parent().unwrap_or(directory);
    // Held to the end.
    let lock = fs::File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(beside.join(FETCHED))
        .map_err(error)?;
    lock.lock().map_err(error)?;
    let before: Versions = serde_json::from_reader(&lock).unwrap_or_default();
    let client = Client::new(access, Retries::Some)?;
    let objects = client.list().await?;
    let now: Versions = objects
        .iter()
        .filter_map(|it| version(access, it))
        .collect();
    for gone in before.keys().filter(|path| !now.contains_key(*path)) {
        removed(&within(directory, gone)?).map_err(error)?;
    }
    let changed = objects.iter().filter_map(|object| {
        let (path, version) = version(access, object)?;
        (before.get(&path) != Some(&version)).then_some((object, path))
    });
    let client = &client;
    stream::iter(changed.enumerate())
        .map(async |(number, (object, path))| {
            let new = beside.join(format!("{ON_ITS_WAY}-{number}"));
            let content = client.get(&object.location).await?;
            write(content, &new, &within(directory, &path)?)
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>()
        .await?;
    remember(&beside.join(FETCHED), &now).map_err(error)
}

fn version(access: &Access, object: &ObjectMeta) -> Option<(String, Version)> {
    let path = object.location.as_ref().strip_prefix(&access.prefix)?;
    let version = Version {
        bytes: object.size,
        etag: object.e_tag.clone(),
        modified: object.last_modified.to_rfc3339(),
    };
    Some((path.trim_start_matches('/').to_owned(), version))
}

/// An object's file. Its name is somebody else's word: it must not lead elsewhere.
fn within(directory: &Path, path: &str) -> Result<PathBuf, BucketError> {
    let mut parts = Path::new(path).components();
    match parts.all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(directory.join(path)),
        false => Err(BucketError::new(
            format!("no file can be called `{path}`"),
            "",
        )),
    }
}

/// Whole or not at all. An object that is gone since it was listed is none.
fn write(content: Option<bytes::Bytes>, new: &Path, file: &Path) -> Result<(), BucketError> {
    let Some(content) = content else {
        return Ok(());
    };
    let written = || {
        fs::create_dir_all(file.parent().unwrap_or(file))?;
        fs::write(new, &content)?;
        fs::rename(new, file)
    };
    let failed = |cause| BucketError::new(format!("write `{}`: {cause}", file.display()), "");
    written().map_err(failed)
}

fn removed(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// In place: it is locked.
fn remember(file: &Path, versions: &Versions) -> io::Result<()> {
    fs::write(file, serde_json::to_vec(versions)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_s_name_does_not_lead_elsewhere() {
        let directory = Path::new("/mirror");
        assert_eq!(within(directory, "a/b").unwrap(), Path::new("/mirror/a/b"));
        for elsewhere in ["../a", "a/../../b", "/etc/passwd"] {
            assert!(within(directory, elsewhere).is_err(), "{elsewhere}");
        }
    }
}
