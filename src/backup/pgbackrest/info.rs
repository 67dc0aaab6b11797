//! What `pgbackrest info --output=json` says, as far as it is read: pgBackRest's user guide,
//! "Information".

use jiff::Timestamp;
use serde::Deserialize;

use super::TOOL;
use crate::{
    backup::BackupError, event::Listed, history::Bytes, postgres::lsn, scenario::plan::BackupKind,
};

#[derive(Deserialize)]
struct Stanza {
    #[serde(default)]
    backup: Vec<Backup>,
    #[serde(default)]
    repo: Vec<InRepository>,
    #[serde(default)]
    status: OfStanza,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OfStanza {
    lock: Lock,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Lock {
    backup: BackupLock,
}

/// What is told of a backup while it is taken: since 2.48, from the first file that it copies on.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct BackupLock {
    size: Option<u64>,
    size_cplt: Option<u64>,
}

/// A stanza in a repository.
#[derive(Deserialize)]
struct InRepository {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    /// 0: all is well.
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Backup {
    label: String,
    #[serde(rename = "type")]
    kind: BackupKind,
    prior: Option<String>,
    archive: Range<String>,
    lsn: Range<String>,
    timestamp: Range<i64>,
    info: Info,
}

#[derive(Deserialize)]
struct Range<T> {
    start: Option<T>,
    stop: Option<T>,
}

#[derive(Deserialize)]
struct Info {
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    /// With what it builds on; a repository of bundles does not say.
    size: Option<u64>,
    delta: u64,
}

/// How far the backup has come that is taken just now; none: there is none, or it is not told.
pub(super) fn under_way(info: &str) -> Option<Bytes> {
    let locks = stanzas(info).ok()?.into_iter();
    let mut told = locks.filter_map(|stanza| {
        let lock = stanza.status.lock.backup;
        Some(Bytes {
            done: lock.size_cplt?,
            total: lock.size?,
        })
    });
    told.next()
}

pub(super) fn listed(info: &str) -> Result<Vec<Listed>, BackupError> {
    let backups = stanzas(info)?.into_iter().flat_map(|stanza| stanza.backup);
    Ok(backups.map(Backup::listed).collect())
}

/// What is wrong with a stanza in its repository, if anything is.
pub(super) fn hindrance(info: &str) -> Result<Option<String>, BackupError> {
    let stanzas = stanzas(info)?;
    let mut repositories = stanzas.into_iter().flat_map(|stanza| stanza.repo);
    let bad = repositories.find(|one| one.status.code != 0);
    Ok(bad.map(|one| legible(&one.status.message)))
}

/// Of what it quotes it leaves control characters as they are, which JSON has none of within texts.
fn stanzas(info: &str) -> Result<Vec<Stanza>, BackupError> {
    let unescaped = |c: char| c.is_control() && !"\t\r\n".contains(c);
    serde_json::from_str(&info.replace(unescaped, "\u{fffd}")).map_err(|cause| {
        BackupError::Unreadable {
            what: "`pgbackrest info --output=json`".into(),
            cause: cause.to_string(),
        }
    })
}

/// Its lines on one, each once; it quotes what it could not make sense of, which may be no text.
fn legible(message: &str) -> String {
    let is_text = |c: char| !c.is_control() && c != char::REPLACEMENT_CHARACTER;
    let mut lines: Vec<&str> = Vec::new();
    for line in message.lines().filter(|line| line.chars().all(is_text)) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join(" ")
}

impl Backup {
    fn listed(self) -> Listed {
        let first_segment = self.archive.start.unwrap_or_default();
        let position = |lsn: &Option<String>| lsn.as_deref().and_then(lsn::parse);
        let instant = |seconds: Option<i64>| Timestamp::from_second(seconds?).ok();
        Listed {
            label: self.label,
            tool: TOOL.into(),
            kind: self.kind,
            parent: self.prior,
            start_lsn: position(&self.lsn.start),
            stop_lsn: position(&self.lsn.stop),
            timeline: (first_segment.get(..8)).and_then(|name| u32::from_str_radix(name, 16).ok()),
            first_segment,
            bytes: self
                .info
                .repository
                .size
                .unwrap_or(self.info.repository.delta),
            began: instant(self.timestamp.start),
            ended: instant(self.timestamp.stop),
            ..Listed::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"[{"name": "main", "backup": [{
        "label": "20261126-141940F_20261126-141948D", "type": "diff", "prior": "20261126-141940F",
        "archive": {"start": "000000010000000000000004", "stop": "000000010000000000000005"},
        "lsn": {"start": "0/4000028", "stop": "0/5000050"},
        "timestamp": {"start": 1795702788, "stop": 1795702790},
        "info": {"delta": 5038346, "repository": {"delta": 581057, "size": 3475410}, "size": 1}}]}]"#;

    #[test]
    fn a_backup_is_listed_as_info_tells_it() {
        let all = listed(INFO).unwrap();
        let [diff] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!(diff.kind, BackupKind::Diff);
        assert_eq!(diff.parent.as_deref(), Some("20261126-141940F"));
        assert_eq!(
            (diff.start_lsn, diff.stop_lsn),
            (Some(0x400_0028), Some(0x500_0050))
        );
        assert_eq!((diff.timeline, diff.bytes), (Some(1), 3_475_410));
    }

    #[test]
    fn a_backup_under_way_is_told_from_2_48_on() {
        let lock = |lock: &str| {
            let status = format!(r#"{{"code": 2, "lock": {lock}, "message": "no valid backups"}}"#);
            under_way(&format!(
                r#"[{{"backup": [], "name": "main", "status": {status}}}]"#
            ))
        };
        let told = Some(Bytes {
            done: 8_192,
            total: 160_549_093,
        });
        let of_2_55 = r#"{"backup": {"held": true, "size": 160549093, "size-cplt": 8192}}"#;
        assert_eq!(lock(of_2_55), told);
        let of_2_60 = r#"{"backup": {"held": true, "size": 160549093, "size-cplt": 8192,
            "repo": [{"key": 1, "size": 160549093, "size-cplt": 8192}]}, "restore": {"held": false}}"#;
        assert_eq!(lock(of_2_60), told);
        // Of 2.45, and of any before it copies.
        assert_eq!(lock(r#"{"backup": {"held": true}}"#), None);
        assert_eq!(under_way(INFO), None);
        assert_eq!(under_way("ERROR: [055]"), None);
    }

    #[test]
    fn a_stanza_that_is_not_there_has_no_backup() {
        let missing =
            r#"[{"name": "main", "status": {"code": 1, "message": "missing stanza path"}}]"#;
        assert_eq!(listed(missing).unwrap(), []);
        assert!(listed("ERROR: [055]").is_err());
    }

    #[test]
    fn what_keeps_it_from_listing_is_told_in_its_own_words() {
        let status = |code: u32, message: &str| {
            let status = serde_json::json!({"code": code, "message": message});
            let told =
                serde_json::json!([{"name": "main", "repo": [{"key": 1, "status": status}]}]);
            hindrance(&told.to_string()).unwrap()
        };
        assert_eq!(status(0, "ok"), None);
        let missing = status(1, "missing stanza path");
        assert_eq!(missing.as_deref(), Some("missing stanza path"));
        let garbled = "[FormatError] unable to load info file:\nFormatError: line 1: \u{fffd}k\u{8}\n\
                       HINT: has a stanza-create been performed?\n\
                       HINT: has a stanza-create been performed?";
        let legible =
            "[FormatError] unable to load info file: HINT: has a stanza-create been performed?";
        assert_eq!(status(99, garbled).as_deref(), Some(legible));
        let raw =
            r#"[{"name": "main", "repo": [{"status": {"code": 99, "message": "as it is: X"}}]}]"#;
        let raw = hindrance(&raw.replace('X', "\u{1}\u{b}")).unwrap();
        assert_eq!(raw.as_deref(), Some(""));
    }
}
