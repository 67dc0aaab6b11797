//! Full backups: `pg_basebackup` in plain format, or the user's own script that
//! fills a directory; then what `pg_verifybackup` says of it.

use std::{path::Path, time::Duration};

use serde::Deserialize;

use super::BackupError;
use crate::{
    event::{BackupRecord, EventKind},
    history::{Bytes, Progress, Recorder},
    postgres::{Server, lsn},
    runtime::{Exec, Output},
    scenario::plan::FullBackup,
};

/// Takes a full backup named `label` and records it.
///
/// # Errors
/// When the tool fails or leaves something that is no backup.
pub async fn take(
    server: &Server,
    how: &FullBackup,
    label: &str,
    deadline: Duration,
    recorder: &Recorder,
) -> Result<BackupRecord, BackupError> {
    let began_us = recorder.now_us();
    let directory = server
        .node
        .layout()
        .store
        .join("base")
        .join(label)
        .display()
        .to_string();
    let progress = Progress::begin(recorder, "backup");
    let taking = async {
        match how {
            FullBackup::PgBasebackup(options) => {
                pg_basebackup(server, options, &directory, deadline).await
            }
            FullBackup::Command(command) => {
                own_command(server, command, &directory, deadline).await
            }
        }
    };
    progress
        .during(taking, async || streamed(server).await)
        .await?;
    let path = Path::new(&directory);
    let manifest = server.node.get(&path.join("backup_manifest")).await.ok();
    let (start_lsn, end_lsn) = match &manifest {
        Some(manifest) => range_of_manifest(manifest)?,
        None => range_of_label(server, path).await?,
    };
    let record = BackupRecord {
        label: label.into(),
        kind: "full".into(),
        server: server.name.clone(),
        start_lsn,
        end_lsn,
        began_us,
        bytes: size(server, &format!("{directory} {directory}.tblspc")).await?,
    };
    progress.end(record.bytes);
    recorder.record(EventKind::BackupTaken(record.clone()));
    // Without a manifest it has nothing to hold the files against.
    if manifest.is_some() {
        verify(server, label, &directory, deadline, recorder).await?;
    }
    Ok(record)
}

async fn pg_basebackup(
    server: &Server,
    options: &[String],
    directory: &str,
    deadline: Duration,
) -> Result<(), BackupError> {
    let mut arguments = ["-D", directory, "-F", "plain", "-X", "stream", "-c", "fast"]
        .map(String::from)
        .to_vec();
    let query =
        "select string_agg(pg_tablespace_location(oid), ',') from pg_tablespace where oid > 16383";
    for space in server
        .value(query)
        .await?
        .split(',')
        .filter(|space| !space.is_empty())
    {
        let name = space.rsplit('/').next().unwrap_or(space);
        arguments.extend(["-T".into(), format!("{space}={directory}.tblspc/{name}")]);
    }
    arguments.extend(options.iter().map(|option| server.fill_in(option)));
    server.tool("pg_basebackup", &arguments, deadline).await?;
    Ok(())
}

async fn own_command(
    server: &Server,
    command: &str,
    directory: &str,
    deadline: Duration,
) -> Result<(), BackupError> {
    let layout = server.node.layout();
    let exec = Exec::shell(format!(
        "mkdir -p {directory} && {}",
        server.fill_in(command)
    ))
    .env("PGDRILL_BACKUP", directory)
    .env("PGDRILL_STORE", layout.store.display().to_string())
    .env("PGDRILL_DATA", layout.data.display().to_string())
    .envs(server.environment())
    .within(deadline);
    server.node.exec(exec).await?;
    Ok(())
}

/// How far a base backup that runs now has come; none before it streams.
async fn streamed(server: &Server) -> Option<Bytes> {
    let query = "select backup_streamed || ' ' || coalesce(backup_total, 0) \
                 from pg_stat_progress_basebackup where phase ~ 'streaming' limit 1";
    streamed_of(&server.value(query).await.ok()?)
}

fn streamed_of(row: &str) -> Option<Bytes> {
    let (done, total) = row.split_once(' ')?;
    Some(Bytes {
        done: done.parse().ok()?,
        total: total.parse().ok()?,
    })
}

/// What `pg_verifybackup` says; its word is recorded, not believed.
async fn verify(
    server: &Server,
    label: &str,
    directory: &str,
    deadline: Duration,
    recorder: &Recorder,
) -> Result<(), BackupError> {
    let exec = Exec::new([
        server.program("pg_verifybackup"),
        "-q".into(),
        directory.into(),
    ])
    .within(deadline)
    .allow(1);
    let output = server.node.exec(exec).await?;
    recorder.record(EventKind::VerifierSaid {
        tool: "pg_verifybackup".into(),
        object: label.into(),
        good: output.exit == 0,
        output: Output::tail(&output.stderr, 10),
    });
    Ok(())
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "WAL-Ranges")]
    wal_ranges: Vec<WalRange>,
}

#[derive(Deserialize)]
struct WalRange {
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

/// The WAL that a backup without a manifest needs: from the start in its `backup_label` to
/// where the server is now, for the backup ended before.
async fn range_of_label(server: &Server, directory: &Path) -> Result<(u64, u64), BackupError> {
    let label = server.node.get(&directory.join("backup_label")).await?;
    let start = start_of_label(&String::from_utf8_lossy(&label))?;
    let now = server.value("select pg_current_wal_lsn()").await?;
    let end = lsn::parse(&now).ok_or_else(|| BackupError::Unreadable {
        what: "pg_current_wal_lsn()".into(),
        cause: format!("`{now}` is no LSN"),
    })?;
    Ok((start, end))
}

/// First and last LSN of the WAL that the backup needs, from its manifest.
fn range_of_manifest(manifest: &[u8]) -> Result<(u64, u64), BackupError> {
    let bad = |cause: String| BackupError::Unreadable {
        what: "backup_manifest".into(),
        cause,
    };
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|cause| bad(cause.to_string()))?;
    let first = manifest
        .wal_ranges
        .first()
        .ok_or_else(|| bad("no WAL range".into()))?;
    let last = manifest.wal_ranges.last().unwrap_or(first);
    let number = |text: &str| lsn::parse(text).ok_or_else(|| bad(format!("`{text}` is no LSN")));
    Ok((number(&first.start)?, number(&last.end)?))
}

fn start_of_label(label: &str) -> Result<u64, BackupError> {
    label
        .strip_prefix("START WAL LOCATION: ")
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(lsn::parse)
        .ok_or_else(|| BackupError::Unreadable {
            what: "backup_label".into(),
            cause: "no start location".into(),
        })
}

/// Bytes below these paths of the store; those that do not exist count nothing.
pub async fn size(server: &Server, paths: &str) -> Result<u64, BackupError> {
    let command = format!("du -sbc {paths} 2>/dev/null | tail -n 1 | cut -f 1");
    let output = server.node.exec(Exec::shell(command).unrecorded()).await?;
    Ok(output.text().trim().parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wal_range_comes_from_the_manifest() {
        let manifest = br#"{"Files": [], "WAL-Ranges": [{"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000138"}]}"#;
        assert_eq!(
            range_of_manifest(manifest).unwrap(),
            (0x200_0028, 0x200_0138)
        );
        assert!(range_of_manifest(b"{}").is_err());
    }

    #[test]
    fn the_server_tells_how_far_a_backup_has_come() {
        let (done, total) = (8192, 20_000_000);
        let bytes = Bytes { done, total };
        assert_eq!(streamed_of("8192 20000000"), Some(bytes));
        let unknown = Bytes { done, total: 0 };
        assert_eq!(streamed_of("8192 0"), Some(unknown));
        // No backup streams.
        assert_eq!(streamed_of(""), None);
    }

    #[test]
    fn the_start_comes_from_the_label_where_there_is_no_manifest() {
        let label = "START WAL LOCATION: 0/5000028 (file 000000010000000000000005)\nCHECKPOINT LOCATION: 0/5000060\n";
        assert_eq!(start_of_label(label).unwrap(), 0x500_0028);
        assert!(start_of_label("nothing").is_err());
    }
}
