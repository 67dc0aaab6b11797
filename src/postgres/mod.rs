//! One PostgreSQL server on one node, and connections to it.
//!
//! How a server is made and started is `server`, what it is told is `configuration`; how one
//! talks to it is `session`, `access`, `query` and, for many rows, `copy`, how long it takes to
//! answer `metered`; how one logs in to somebody's server is `url`, `passfile` and `tls`; what tells its files from another's `identifier`; numbers in PostgreSQL's own notation are
//! `lsn`. Backups, restores and workloads do not belong here.

pub mod access;
pub mod configuration;
pub mod copy;
pub use crate::wal::lsn;
mod identifier;
mod metered;
mod passfile;
pub mod query;
pub mod server;
mod session;
mod tls;
mod url;

pub use access::{Access, PgError};
pub use query::literal;
pub use server::{DATABASE_TEMPLATE, Passwords, Server, ServerError};
pub use tls::{Tls, Verified};
pub use url::Stated;
