//! One PostgreSQL server on one node, and connections to it.
//!
//! How a server is made and started is `server`, what it is told is `configuration`; how one
//! talks to it is `session`, `access`, `query` and, for many rows, `copy`, how long it takes to
//! answer `metered`; what tells its files from another's `identifier`; numbers in PostgreSQL's own notation are
//! `lsn`. Backups, restores and workloads do not belong here.

pub mod access;
pub mod configuration;
pub mod copy;
pub use crate::wal::lsn;
mod identifier;
mod metered;
pub mod query;
pub mod server;
mod session;

pub use access::{Access, PgError};
pub use query::literal;
pub use server::{DATABASE_TEMPLATE, Passwords, Server, ServerError};
