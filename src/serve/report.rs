//! The report of one backup: what tools write, and what is served.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

/// How a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Success,
    Failed,
}

/// The report of one backup, as a tool or a script leaves it in `report.json` or `*.report.json`.
/// The keys that are named here have these types and no others; further ones are passed through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    pub status: Status,
    /// When the backup began, RFC 3339.
    pub started_at: Timestamp,
    /// Never negative.
    #[serde(deserialize_with = "seconds")]
    pub duration_seconds: f64,
    pub size_bytes: u64,
    /// What it is of.
    pub database: String,
    /// What was written.
    pub file: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a success lacks, e.g. its copy elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    #[serde(flatten)]
    pub further: Map<String, Value>,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    match seconds >= 0.0 {
        true => Ok(seconds),
        false => Err(D::Error::custom(format!("a backup took {seconds} seconds"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> Value {
        json!({
            "status": "SUCCESS", "startedAt": "2026-03-01T02:00:00Z", "durationSeconds": 12.5,
            "sizeBytes": 1_048_576, "database": "shop", "file": "shop_20260301.dump",
        })
    }

    #[test]
    fn a_report_is_served_as_it_was_written_with_what_nobody_asked_for() {
        let mut report = written();
        report["warning"] = "remote copy failed".into();
        report["storage"] = json!({ "mode": "both", "objects": [1, "two", null] });
        let read: BackupReport = serde_json::from_value(report.clone()).unwrap();
        assert_eq!(read.status, Status::Success);
        assert_eq!(read.further.len(), 1);
        assert_eq!(serde_json::to_value(read).unwrap(), report);
    }

    #[test]
    fn a_key_that_is_missing_or_of_another_type_makes_it_none() {
        let wrong = [
            ("status", json!("success")),
            ("status", json!("RUNNING")),
            ("startedAt", json!("yesterday")),
            ("startedAt", json!("2026-03-01T02:00:00")),
            ("startedAt", json!(1_772_330_400)),
            ("durationSeconds", json!("12")),
            ("durationSeconds", json!(-1)),
            ("sizeBytes", json!(1.5)),
            ("sizeBytes", json!(-1)),
            ("sizeBytes", json!("1 MB")),
            ("database", json!(null)),
            ("file", json!(["a", "b"])),
            ("error", json!(7)),
            ("warning", json!({})),
        ];
        let refused = |report| serde_json::from_value::<BackupReport>(report).is_err();
        for (key, value) in wrong {
            let mut report = written();
            report[key] = value;
            assert!(refused(report.clone()), "{report}");
        }
        for key in written().as_object().unwrap().keys() {
            let mut report = written();
            report.as_object_mut().unwrap().remove(key);
            assert!(refused(report), "without {key}");
        }
        assert!(!refused(written()));
    }
}
