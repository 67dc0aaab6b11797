//! The report of one run, as monitoring and `pgdrill serve` read it.

use jiff::Timestamp;
use serde::Serialize;

use super::{BackupError, Contents, Site};
use crate::{
    backup,
    runtime::{Exec, exec::quoted},
};

const FILE: &str = "report.json";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// `SUCCESS` or `FAILED`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    duration_seconds: f64,
    /// Of all files together.
    size_bytes: u64,
    /// The databases' names, a comma between two of them.
    database: String,
    /// The backup's label: the directory that the files lie in.
    file: &'a str,
    files: Vec<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes what came of a run beside its dumps; of one that failed nothing else is left there.
pub(super) async fn write(
    site: &Site<'_>,
    directory: &str,
    label: &str,
    (started_at, took_us): (Option<Timestamp>, u64),
    dumped: &Result<Contents, BackupError>,
) -> Result<(), BackupError> {
    if dumped.is_err() {
        let clear = format!("rm -rf {}/*", quoted(directory));
        site.node.exec(Exec::shell(clear).unrecorded()).await?;
    }
    let size_bytes = backup::size(site.node, &quoted(directory)).await?;
    let report = Report {
        started_at,
        duration_seconds: took_us as f64 / 1e6,
        ..Report::of(label, size_bytes, dumped)
    };
    let text = serde_json::to_string_pretty(&report).unwrap_or_default();
    let file = format!("{directory}/{FILE}");
    Ok(site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?)
}

impl<'a> Report<'a> {
    fn of(label: &'a str, size_bytes: u64, dumped: &'a Result<Contents, BackupError>) -> Self {
        let contents = dumped.as_ref().ok();
        let databases = contents.map(|one| &one.databases).into_iter().flatten();
        let names: Vec<&str> = databases.clone().map(|(name, _)| name.as_str()).collect();
        Self {
            status: if dumped.is_ok() { "SUCCESS" } else { "FAILED" },
            started_at: None,
            duration_seconds: 0.0,
            size_bytes,
            database: names.join(", "),
            file: label,
            files: databases.map(|(_, file)| file).collect(),
            error: dumped.as_ref().err().map(ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_came_of_it() {
        let databases = [("shop".to_owned(), "shop.dump".to_owned())].into();
        let contents = Contents {
            databases,
            ..Contents::default()
        };
        let told = |dumped: &Result<Contents, BackupError>| {
            serde_json::to_value(Report::of("daily-2", 4096, dumped)).unwrap()
        };
        let report = told(&Ok(contents));
        assert_eq!(report["status"], "SUCCESS");
        assert_eq!(report["sizeBytes"], 4096);
        assert_eq!(report["files"][0], "shop.dump");
        assert_eq!(report.get("error"), None);
        let report = told(&Err(BackupError::Unfit("no space left".into())));
        assert_eq!(
            (&report["status"], &report["error"]),
            (&"FAILED".into(), &"no space left".into())
        );
    }
}
