//! A store of objects that speaks S3 over TLS, with its objects as files below a directory: a
//! program of its own that runs in a node, and misbehaves when it is told to.
//!
//! What a drill makes of it is `store/`; here nothing is known of drills, backups or servers. Harness
//! and program talk by files: [`Settings`] before it starts, [`CA`] once it serves, [`CONDUCT`] at
//! any time, [`TALLY`] with what it has done.

mod answer;
mod ask;
mod conduct;
mod interruption;
mod objects;
mod pace;
mod server;
mod stale;
mod tally;
mod tls;

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use self::{
    ask::{Answer, ask},
    conduct::{Conduct, Refusal},
    interruption::Interruption,
    server::serve,
    tally::Tally,
};

/// Below its root, where the files are by which it is told, and tells: no bucket can be called so.
pub const STATE: &str = ".object-store";
/// In [`STATE`]: the certificate to trust, PEM. It is there once requests are served.
pub const CA: &str = "ca.pem";
/// In [`STATE`]: how it is to behave, a [`Conduct`].
pub const CONDUCT: &str = "conduct.json";
/// In [`STATE`]: what was asked of it, a [`Tally`].
pub const TALLY: &str = "tally.json";

/// What it is started with.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The directory that has a directory for each bucket, and [`STATE`].
    pub root: PathBuf,
    /// The bucket to begin with.
    pub bucket: String,
    /// Host name or address that its certificate is for.
    pub host: String,
    /// Address and port to listen at.
    pub listen: String,
    pub access_key: String,
    pub secret_key: String,
}

impl Settings {
    /// Where the files are by which it is told, and tells.
    fn state(&self) -> PathBuf {
        self.root.join(STATE)
    }
}

/// Why it could not serve.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {cause}")]
pub struct ObjectStoreError {
    doing: String,
    cause: String,
}

impl ObjectStoreError {
    fn new<C: std::fmt::Display>(doing: impl Into<String>) -> impl FnOnce(C) -> Self {
        let doing = doing.into();
        move |cause| Self {
            doing,
            cause: cause.to_string(),
        }
    }
}

/// Writes a file that is seen whole or not at all.
fn write_whole(path: &std::path::Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)?;
    fs::rename(new, path)
}
