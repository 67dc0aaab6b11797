//! Data models: the schema, the bulk data and the business rules that a drill runs on.
//!
//! A model is a folder of SQL files, rows and a manifest, read in `scenario::model`. Here it is
//! created and filled, the same bytes for the same size, seed and month. Live transactions
//! (`workload/`) and looking at what is there (`probe/`) do not belong here.

pub mod columns;
mod create;
mod encode;
mod extension;
mod generate;
mod install;
mod load;
pub mod text;
pub(crate) mod words;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{civil::Date, tz::TimeZone};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::{
    postgres::PgError,
    scenario::{
        model::{self, BusinessCheck, Manifest},
        plan::DatabasePlan,
        problem::{Problem, Problems},
    },
    units::{self, Bytes},
};

pub use create::Scripts;
pub use load::Loaded;

#[derive(Clone, Debug)]
pub struct Model {
    pub manifest: Arc<Manifest>,
    /// The first of the month in which it is loaded, in UTC: loaded rows lie before it and
    /// partitions around it, so that a drill is the same drill next year.
    pub month: Date,
    /// The database that it is created in.
    pub database: String,
    folder: model::Model,
}

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{0}")]
    Unreadable(#[from] Problems),
    #[error("data model `{0}` is not the one that was planned: its files have changed meanwhile")]
    Changed(String),
    #[error("data model `{model}`: {cause}")]
    Broken { model: String, cause: String },
    #[error("data model `{model}`: no password was given for login role `{role}`")]
    NoPassword { model: String, role: String },
    #[error("data model `{model}`: {cause}")]
    Server { model: String, cause: PgError },
}

impl From<Problem> for ModelError {
    fn from(problem: Problem) -> Self {
        Self::Unreadable(problem.into())
    }
}

impl Model {
    /// The model of this name: a shipped one, or a folder.
    pub fn named(name: &str) -> Result<Self, ModelError> {
        let folder = model::Model::open(name)?;
        Ok(Self {
            manifest: Arc::clone(&folder.manifest),
            month: this_month(),
            database: folder.manifest.database.clone(),
            folder,
        })
    }

    /// The model of a planned database.
    ///
    /// # Errors
    /// When it can't be read any more, or is another one now.
    pub fn planned(database: &str, plan: &DatabasePlan) -> Result<Self, ModelError> {
        let model = Self::named(&plan.model)?;
        if model.folder.identity != plan.identity {
            return Err(ModelError::Changed(plan.model.clone()));
        }
        Ok(Self {
            database: database.to_owned(),
            ..model
        })
    }

    /// The business checks, each with the business it belongs to.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &BusinessCheck)> {
        let all = self.manifest.checks.iter();
        all.flat_map(|(name, checks)| checks.iter().map(|check| (name.as_str(), check)))
    }

    /// The roles that log in; the harness sets their passwords.
    pub fn login_roles(&self) -> &[String] {
        &self.manifest.login_roles
    }

    /// Rows that generators make, by table.
    pub fn rows(&self, size: Bytes) -> BTreeMap<String, u64> {
        self.manifest.rows(size)
    }

    fn broken(&self, cause: impl Into<String>) -> ModelError {
        ModelError::Broken {
            model: self.folder.name.clone(),
            cause: cause.into(),
        }
    }

    fn server(&self, cause: PgError) -> ModelError {
        ModelError::Server {
            model: self.folder.name.clone(),
            cause,
        }
    }
}

/// A random stream that depends on these numbers alone.
pub fn stream(of: [u64; 3]) -> ChaCha12Rng {
    let mut seed = [0; 32];
    for (part, number) in seed.chunks_exact_mut(8).zip(of) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha12Rng::from_seed(seed)
}

pub fn this_month() -> Date {
    let now = units::wall_clock().to_zoned(TimeZone::UTC);
    now.date().first_of_month()
}
