//! The report of one run, as monitoring and `pgdrill serve` read it.

use jiff::Timestamp;
use serde_json::json;

use super::{BackupError, Contents, Site};
use crate::{
    backup,
    runtime::{Exec, exec::quoted},
    serve::{BackupReport, Status},
};

const FILE: &str = "report.json";

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
    let report = BackupReport {
        started_at: started_at.unwrap_or_default(),
        duration_seconds: took_us as f64 / 1e6,
        ..report(label, size_bytes, dumped)
    };
    let text = serde_json::to_string_pretty(&report).unwrap_or_default();
    let file = format!("{directory}/{FILE}");
    Ok(site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?)
}

/// Without when it was: of the databases by name, a comma between two, and of the
/// directory that their files lie in.
fn report(label: &str, size_bytes: u64, dumped: &Result<Contents, BackupError>) -> BackupReport {
    let contents = dumped.as_ref().ok();
    let databases = contents.map(|one| &one.databases).into_iter().flatten();
    let names: Vec<&str> = databases.clone().map(|(name, _)| name.as_str()).collect();
    let files: Vec<&String> = databases.map(|(_, file)| file).collect();
    BackupReport {
        status: match dumped {
            Ok(_) => Status::Success,
            Err(_) => Status::Failed,
        },
        started_at: Timestamp::default(),
        duration_seconds: 0.0,
        size_bytes,
        database: names.join(", "),
        file: label.to_owned(),
        error: dumped.as_ref().err().map(ToString::to_string),
        warning: None,
        further: [("files".to_owned(), json!(files))].into_iter().collect(),
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
            serde_json::to_value(report("daily-2", 4096, dumped)).unwrap()
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
