//! A bucket of object storage that was there before the drill, and is somebody's: R2, OSS, MinIO, S3.
//! How it is named in a scenario, reached, tried, mirrored, and rid of what a drill put there.
//!
//! What a drill makes of it is `store/`; here nothing is known of drills, nodes or backups. Nothing
//! outside of the prefix is read or written.

mod client;
mod connection;
mod mirror;
mod names;
mod record;

use serde::{Deserialize, Serialize};

pub use self::{
    client::{empty, look, try_out},
    connection::THIS_MACHINE,
    mirror::mirror,
    names::{Bucket, UriStyle},
    record::Record,
};

/// With what a bucket is reached: it has the secrets, and is never printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Access {
    pub bucket: Bucket,
    /// What every object's name begins with, without a slash at the end.
    pub prefix: String,
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
    /// The certificates of the authorities to trust, PEM.
    pub authorities: String,
}

/// Why something could not be done with a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct BucketError {
    pub cause: String,
    /// What to do; empty: nobody knows.
    pub help: String,
}

impl BucketError {
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            help: help.into(),
        }
    }
}
