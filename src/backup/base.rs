//! Full backups: `pg_basebackup` in plain format, or the user's own script that
//! fills a directory; then what lies there, and what `pg_verifybackup` says of it.

use std::{path::Path, time::Duration};

use serde::Deserialize;

use super::{
    BackupError,
    contents::{Contents, Found},
    position::Position,
    tablespaces::{self, Tablespace},
};
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
    let directory = directory_of(server, label);
    let before = (Position::of(server).await?, tablespaces::of(server).await?);
    let progress = Progress::begin(recorder, "backup");
    let taking = copy(server, how, &directory, &before.1, deadline);
    progress
        .during(taking, async || streamed(server).await)
        .await?;
    let found = found(server, &directory, &before).await?;
    let manifest = Path::new(&directory).join("backup_manifest");
    let manifest = server.node.get(&manifest).await.ok();
    let end_lsn = match &manifest {
        Some(manifest) => end_of_manifest(manifest)?,
        // The backup ended before.
        None => Position::of(server).await?.lsn,
    };
    let record = BackupRecord {
        label: label.into(),
        kind: "full".into(),
        server: server.name.clone(),
        start_lsn: found.start_lsn,
        end_lsn,
        labelled: found.labelled,
        manifest: manifest.is_some(),
        began_us,
        bytes: size(server, &format!("{directory} {directory}.tblspc")).await?,
    };
    progress.end(record.bytes);
    recorder.record(EventKind::BackupTaken(record.clone()));
    // Without a manifest it has nothing to hold the files against.
    if manifest.is_some() {
        verify(server, label, false, deadline, recorder).await?;
    }
    Ok(record)
}

async fn copy(
    server: &Server,
    how: &FullBackup,
    directory: &str,
    spaces: &[Tablespace],
    deadline: Duration,
) -> Result<(), BackupError> {
    match how {
        FullBackup::PgBasebackup(options) => {
            pg_basebackup(server, options, directory, spaces, deadline).await
        }
        FullBackup::Command(command) => {
            own_command(server, command, directory, spaces, deadline).await
        }
    }
}

/// What the tool left, if that is a backup, this step's, and complete.
async fn found(
    server: &Server,
    directory: &str,
    (position, spaces): &(Position, Vec<Tablespace>),
) -> Result<Found, BackupError> {
    let contents = Contents::read(server, directory).await?;
    let started = match contents.start_time() {
        Some(time) => {
            epoch(
                server,
                &format!("'{time}'::timestamp AT TIME ZONE current_setting('log_timezone')"),
            )
            .await?
        }
        None => None,
    };
    let postmaster = epoch(server, "pg_postmaster_start_time()").await?;
    let found = contents.judge(position, started, postmaster.unwrap_or_default())?;
    let mut needed = tablespaces::of(server).await?;
    needed.retain(|space| spaces.contains(space));
    contents.holds(&needed)?;
    Ok(found)
}

/// An instant in whole seconds of the epoch.
async fn epoch(server: &Server, instant: &str) -> Result<Option<i64>, BackupError> {
    let query = format!("SELECT floor(extract(epoch FROM {instant}))::bigint");
    Ok(server.value(&query).await?.parse().ok())
}

async fn pg_basebackup(
    server: &Server,
    options: &[String],
    directory: &str,
    spaces: &[Tablespace],
    deadline: Duration,
) -> Result<(), BackupError> {
    let mut arguments = ["-D", directory, "-F", "plain", "-X", "stream", "-c", "fast"]
        .map(String::from)
        .to_vec();
    arguments.extend(tablespaces::mapping(spaces, directory));
    arguments.extend(options.iter().map(|option| server.fill_in(option)));
    server.tool("pg_basebackup", &arguments, deadline).await?;
    Ok(())
}

async fn own_command(
    server: &Server,
    command: &str,
    directory: &str,
    spaces: &[Tablespace],
    deadline: Duration,
) -> Result<(), BackupError> {
    let layout = server.node.layout();
    let command = server.fill_in(command).replace(
        "{tablespaces}",
        &tablespaces::mapping_words(spaces, directory),
    );
    let exec = Exec::shell(format!("mkdir -p {directory} && {command}"))
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

fn directory_of(server: &Server, label: &str) -> String {
    let store = &server.node.layout().store;
    store.join("base").join(label).display().to_string()
}

/// What `pg_verifybackup` says; its word is recorded, not believed. Of a backup that holds no WAL
/// it is not asked whether that can be read.
///
/// # Errors
/// When it can't be run.
pub async fn verify(
    server: &Server,
    label: &str,
    again: bool,
    deadline: Duration,
    recorder: &Recorder,
) -> Result<(), BackupError> {
    let (program, directory) = (
        server.program("pg_verifybackup"),
        directory_of(server, label),
    );
    let exec = Exec::shell(format!(
        "wal=; ls {directory}/pg_wal | grep -Eq '^[0-9A-F]{{24}}$' || wal=-n; \
         {program} -q $wal {directory}"
    ));
    let output = server.node.exec(exec.within(deadline).allow(1)).await?;
    recorder.record(EventKind::VerifierSaid {
        tool: "pg_verifybackup".into(),
        object: label.into(),
        good: Some(output.exit == 0),
        again,
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
    #[serde(rename = "End-LSN")]
    end: String,
}

/// Last LSN of the WAL that the backup needs, from its manifest.
fn end_of_manifest(manifest: &[u8]) -> Result<u64, BackupError> {
    let bad = |cause: String| BackupError::Unreadable {
        what: "backup_manifest".into(),
        cause,
    };
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|cause| bad(cause.to_string()))?;
    let last = manifest
        .wal_ranges
        .last()
        .ok_or_else(|| bad("no WAL range".into()))?;
    lsn::parse(&last.end).ok_or_else(|| bad(format!("`{}` is no LSN", last.end)))
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
    fn the_end_comes_from_the_manifest() {
        let manifest = br#"{"Files": [], "WAL-Ranges": [{"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000138"}]}"#;
        assert_eq!(end_of_manifest(manifest).unwrap(), 0x200_0138);
        assert!(end_of_manifest(b"{}").is_err());
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
}
