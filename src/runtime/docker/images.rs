//! The images that nodes run: which there are. Building those that are missing is
//! `images/build`.
//!
//! An image's tag carries the hash of what it was built from, so an image that is there
//! is the right one. Dockerfile, matrix and bootstrap script are in the program itself.

mod build;

use std::collections::HashMap;

use bollard::query_parameters::ListImagesOptionsBuilder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use build::ensure;

use super::{engine::Engine, leftover::status};
use crate::runtime::RuntimeError;

const DOCKERFILE: &str = include_str!("../../../fixtures/images/Dockerfile");
const MATRIX: &str = include_str!("../../../fixtures/images/matrix.yaml");

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
    /// Debian packages that are installed beside, for a drill that needs them.
    #[serde(default)]
    pub packages: Vec<String>,
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
    /// `pgdrill-server:<major>-<12 hex digits of what it is built from>`; where packages are installed
    /// beside, with 12 more of those.
    pub fn tag(&self) -> String {
        let tag = tag(DOCKERFILE, self);
        match self.packages.as_slice() {
            [] => tag,
            packages => {
                let hash = hex::encode(Sha256::digest(packages.join("\0")));
                format!("{tag}-{}", &hash[..12])
            }
        }
    }

    /// The same image with these packages.
    #[must_use]
    pub fn with(self, packages: &[String]) -> Self {
        let packages = packages.to_vec();
        Self { packages, ..self }
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
        hint: match row.packages.as_slice() {
            [] => format!("`pgdrill images build --postgres {}`", row.postgres),
            _ => "`pgdrill run` builds it".into(),
        },
    }
}

/// An image by its tag; `None` when the engine has none.
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
pub async fn outdated(engine: &Engine) -> Result<Vec<String>, RuntimeError> {
    let filters = HashMap::from([("label", vec!["pgdrill.image=server"])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let error = RuntimeError::engine("list the images");
    let images = engine.api.list_images(Some(options)).await.map_err(error)?;
    let current: Vec<String> = matrix().iter().map(Row::tag).collect();
    let tags = images.into_iter().flat_map(|image| image.repo_tags);
    let ours = tags.filter(|tag| tag.starts_with("pgdrill-server:"));
    let is_current = |tag: &String| current.iter().any(|one| tag.starts_with(one.as_str()));
    Ok(ours.filter(|tag| !is_current(tag)).collect())
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
        let plain = row.tag();
        let with = |package: &str| row.clone().with(&[package.into()]).tag();
        assert!(with("a").starts_with(&plain) && with("a") != plain && with("a") != with("b"));
    }
}
