//! The drills that a run set out to perform, written down before the first begins: a drill
//! whose records are gone is missed, and never a drill that nobody planned.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FORMAT, HistoryError};

pub const FILE: &str = "drills.json";

/// What a run set out to do.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    format: u32,
    /// The drills that it performs, by name.
    pub drills: Vec<String>,
    /// Those that were selected and can't be performed where it is.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
}

/// A drill that is not performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub drill: String,
    /// E.g. `backup "main" needs PostgreSQL >= 17`.
    pub why: String,
}

/// Writes the list into a run's directory.
///
/// # Errors
/// When it can't be written; nothing must be drilled then.
pub fn write<'d>(
    run: &Path,
    drills: impl IntoIterator<Item = &'d str>,
    skipped: Vec<Skipped>,
) -> Result<(), HistoryError> {
    let planned = Planned {
        format: FORMAT,
        drills: drills.into_iter().map(str::to_owned).collect(),
        skipped,
    };
    let file = place(run);
    let text = serde_json::to_string_pretty(&planned).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&file, text + "\n"))
        .map_err(|cause| HistoryError::new(&file, cause))
}

/// What a run set out to do.
///
/// # Errors
/// When nobody knows.
pub fn read(run: &Path) -> Result<Planned, HistoryError> {
    let file = place(run);
    let refused = |cause: &dyn std::fmt::Display| {
        HistoryError::new(&file, format!("the list of the run's drills: {cause}"))
    };
    let text = std::fs::read_to_string(&file).map_err(|cause| refused(&cause))?;
    serde_json::from_str(&text).map_err(|cause| refused(&cause))
}

fn place(run: &Path) -> PathBuf {
    run.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_as_written_and_none_is_an_error() {
        let run = tempfile::tempdir().unwrap();
        let refused = read(run.path()).unwrap_err().to_string();
        assert!(refused.contains("drills.json: the list of the run's drills"));
        let skipped = vec![Skipped {
            drill: "two-pg15".into(),
            why: "needs PostgreSQL ≥ 17".into(),
        }];
        write(run.path(), ["one-pg17", "two-pg17"], skipped.clone()).unwrap();
        let planned = read(run.path()).unwrap();
        assert_eq!(planned.drills, ["one-pg17", "two-pg17"]);
        assert_eq!(planned.skipped, skipped);
    }
}
