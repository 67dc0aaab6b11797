//! From a run's directory to its reports: judge every drill, write `run.json`,
//! `junit.xml` and `report.html`.
//!
//! Needs nothing but the files of the run, so an old run can be told again.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
};

use super::{DrillReport, RunSummary, html, junit};
use crate::{
    bug,
    check::judge,
    history::planned::{self, Planned},
};

pub const RUN_JSON: &str = "run.json";
pub const JUNIT_XML: &str = "junit.xml";
pub const REPORT_HTML: &str = "report.html";
/// Directory of the drills' own directories.
pub const DRILLS: &str = "drills";

#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause} (hint: {hint})")]
pub struct WriteError {
    pub path: PathBuf,
    pub cause: String,
    pub hint: &'static str,
}

/// Judges the drills of a run and writes its three reports into its directory.
///
/// # Errors
/// When there are no drills, or a report can't be written. A drill that can't be read, or
/// that the run set out to perform and that is not there, is no error but makes the run
/// `unknown`.
pub fn write_run(run: &Path) -> Result<RunSummary, WriteError> {
    let planned = planned(run)?;
    let drills = drill_names(run, planned.drills)?.into_iter();
    let drills = drills.map(|name| report(&run.join(DRILLS), name));
    let mut summary = RunSummary::new(run_name(run), drills.collect());
    summary.skipped = planned.skipped;
    let json = serde_json::to_string_pretty(&summary).map_err(|cause| refused(run, cause))?;
    write(&run.join(RUN_JSON), &(json + "\n"))?;
    let xml = junit::render(&summary).map_err(|cause| refused(run, cause))?;
    write(&run.join(JUNIT_XML), &xml)?;
    write(&run.join(REPORT_HTML), &html::render(&summary))?;
    Ok(summary)
}

fn run_name(run: &Path) -> String {
    let whole = std::fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    whole
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn planned(run: &Path) -> Result<Planned, WriteError> {
    planned::read(run).map_err(|error| WriteError {
        path: error.path,
        cause: error.cause,
        hint: "only a whole run is judged: nobody else knows which drills are missing",
    })
}

/// The drills that were planned, and those that are there.
fn drill_names(run: &Path, planned: Vec<String>) -> Result<BTreeSet<String>, WriteError> {
    let there = std::fs::read_dir(run.join(DRILLS)).into_iter().flatten();
    let there = there.flatten().filter(|entry| entry.path().is_dir());
    let there = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names: BTreeSet<String> = planned.into_iter().chain(there).collect();
    if names.is_empty() {
        return Err(WriteError {
            path: run.join(DRILLS),
            cause: "there is no drill in it".into(),
            hint: "a run's directory holds `drills/`; `reports/latest` is the newest",
        });
    }
    Ok(names)
}

fn report(drills: &Path, name: String) -> DrillReport {
    let dir = drills.join(&name);
    if !dir.is_dir() {
        let why = format!("`{DRILLS}/{name}` is missing: the run set out to perform this drill");
        return DrillReport::unreadable(name, &why);
    }
    let judged = bug::caught(|| judge(&dir).map(DrillReport::of));
    match judged {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => DrillReport::unreadable(name, &error.cause),
        Err(bug) => DrillReport::unreadable(name, &bug),
    }
}

/// Writes beside and renames, so that nobody ever reads half a report.
fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(dir).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        set_readable(file.as_file())?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(|_| ()).map_err(|cause| refused(path, cause))
}

/// A temporary file is private; a report is for everybody who may enter the directory.
fn set_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

fn refused(path: &Path, cause: impl std::fmt::Display) -> WriteError {
    WriteError {
        path: path.to_owned(),
        cause: cause.to_string(),
        hint: "the run's directory must be writable and not full",
    }
}
