//! The drills that a run set out to perform, written down before the first begins: a drill
//! whose records are gone is missed, and never a drill that nobody planned.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FORMAT, HistoryError};

pub const FILE: &str = "drills.json";

#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    format: u32,
    drills: Vec<String>,
}

/// Writes the list into a run's directory.
///
/// # Errors
/// When it can't be written; nothing must be drilled then.
pub fn write<'d>(
    run: &Path,
    drills: impl IntoIterator<Item = &'d str>,
) -> Result<(), HistoryError> {
    let planned = Planned {
        format: FORMAT,
        drills: drills.into_iter().map(str::to_owned).collect(),
    };
    let file = place(run);
    let text = serde_json::to_string_pretty(&planned).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&file, text + "\n"))
        .map_err(|cause| HistoryError::new(&file, cause))
}

/// The drills that a run set out to perform, by name.
pub fn read(run: &Path) -> Result<Vec<String>, HistoryError> {
    let file = place(run);
    let refused = |cause: &dyn std::fmt::Display| {
        HistoryError::new(&file, format!("the list of the run's drills: {cause}"))
    };
    let text = std::fs::read_to_string(&file).map_err(|cause| refused(&cause))?;
    let planned: Planned = serde_json::from_str(&text).map_err(|cause| refused(&cause))?;
    Ok(planned.drills)
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
        write(run.path(), ["one-pg17", "two-pg17"]).unwrap();
        assert_eq!(read(run.path()).unwrap(), ["one-pg17", "two-pg17"]);
    }
}
