//! Data models: the schema, the bulk data and the business rules that a drill runs on.
//!
//! A model is a folder of SQL files and a manifest (`fixtures/models/NAME`), embedded
//! in the program. Here it is created and filled, the same bytes for the same size, seed and
//! month. Live transactions (`workload/`) and looking at what is there (`probe/`) do not
//! belong here.

mod create;
mod encode;
mod generate;
mod load;
mod manifest;
pub(crate) mod words;

use include_dir::{Dir, include_dir};
use jiff::{civil::Date, tz::TimeZone};

use crate::{postgres::PgError, units};

pub use load::Loaded;
pub use manifest::{
    Business, BusinessCheck, Column, Expectation, Files, Generator, Growth, Manifest, Table,
};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/models");

/// A data model that is shipped with the program.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the model's `model.yaml` states.
    pub manifest: Manifest,
    /// The first of the month in which it is loaded, in UTC: loaded rows lie before it and
    /// partitions around it, so that a drill is the same drill next year.
    pub month: Date,
    folder: &'static Dir<'static>,
}

/// Why a model could not be read, created or filled.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No model of that name.
    #[error("no data model `{name}` (hint: there are {})", shipped.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        shipped: Vec<String>,
    },
    /// The manifest is wrong, or names what is not there.
    #[error("data model `{model}`: {cause}")]
    Broken {
        model: String,
        /// What is wrong.
        cause: String,
    },
    /// A login role has no password to be set.
    #[error("data model `{model}`: no password was given for login role `{role}`")]
    NoPassword { model: String, role: String },
    /// The server refused.
    #[error("data model `{model}`: {cause}")]
    Server {
        model: String,
        /// What was tried and what the server said.
        cause: PgError,
    },
}

impl Model {
    /// The shipped model of this name.
    ///
    /// # Errors
    /// When there is none, or its manifest can't be read.
    pub fn named(name: &str) -> Result<Self, ModelError> {
        let folder = SHIPPED.get_dir(name).ok_or_else(|| ModelError::Unknown {
            name: name.to_owned(),
            shipped: Self::shipped(),
        })?;
        let mut model = Self {
            manifest: Manifest::default(),
            month: units::wall_clock()
                .to_zoned(TimeZone::UTC)
                .date()
                .first_of_month(),
            folder,
        };
        model.manifest.name = name.to_owned();
        let text = model.file("model.yaml")?;
        model.manifest =
            serde_saphyr::from_str(text).map_err(|cause| model.broken(cause.to_string()))?;
        Ok(model)
    }

    /// The names of all shipped models, sorted.
    pub fn shipped() -> Vec<String> {
        let mut names: Vec<String> = SHIPPED
            .dirs()
            .map(|dir| dir.path().display().to_string())
            .collect();
        names.sort();
        names
    }

    /// The business checks, each with the business it belongs to.
    pub fn business(&self) -> impl Iterator<Item = (&str, &BusinessCheck)> {
        let all = self.manifest.business.iter();
        all.flat_map(|(name, checks)| checks.iter().map(|check| (name.as_str(), check)))
    }

    /// The roles that log in; the harness sets their passwords.
    pub fn login_roles(&self) -> &[String] {
        &self.manifest.login_roles
    }

    fn file(&self, name: &str) -> Result<&'static str, ModelError> {
        let file = self.folder.get_file(self.folder.path().join(name));
        let text = file.and_then(|file| file.contents_utf8());
        text.ok_or_else(|| self.broken(format!("no file `{name}`")))
    }

    fn broken(&self, cause: impl Into<String>) -> ModelError {
        ModelError::Broken {
            model: self.manifest.name.clone(),
            cause: cause.into(),
        }
    }

    fn server(&self, cause: PgError) -> ModelError {
        ModelError::Server {
            model: self.manifest.name.clone(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_model_is_whole() {
        for name in Model::shipped() {
            let model = Model::named(&name).unwrap();
            let files = &model.manifest.files;
            for file in files.before_load.iter().chain(&files.after_load) {
                model.file(file).unwrap();
            }
            let roles = model.login_roles();
            for (business, check) in model.business() {
                assert!(model.manifest.businesses.contains_key(business));
                assert!(roles.contains(&check.role), "{}", check.name);
            }
        }
    }

    #[test]
    fn an_unknown_model_names_those_there_are() {
        let error = Model::named("triple-tenant").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no data model `triple-tenant` (hint: there are dual-tenant)"
        );
    }
}
