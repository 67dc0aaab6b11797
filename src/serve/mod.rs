//! The report API (`pgdrill serve`): the reports of backups below a directory, by HTTP as JSON.
//!
//! `report` is what a report is, `file` how one is read from a directory that anybody may write
//! into, `index` what is known of them all, `query` what may be asked, `answer` what is answered,
//! `server` the connections. Reports are only read here; tools write them.

mod answer;
mod file;
mod index;
mod query;
mod report;
mod server;

pub use index::{Index, Reports};
pub use report::{BackupReport, Status};
pub use server::{ReportApi, ServeError};
