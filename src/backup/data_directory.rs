//! Copies of a cluster's files, a directory each in `base/` of a store: taken by whatever fills
//! that directory, copied to further stores, listed by what lies there, copied back by `cp` or
//! unpacked by `tar`.
//!
//! What such a backup is called, its directory is: `<backup>-<number>`, with `.tblspc/` beside it
//! for tablespaces; or it holds `base.tar`, `<OID>.tar` and `pg_wal.tar`, packed or not.

mod listing;

use super::{
    Abilities, Asked, BackupError, BackupKind, Nature, Site, Stores, VerifierWord, Wanted,
    chain::Start,
    contents::{Contents, Found},
    position::Position,
    tablespaces::{self, Tablespace},
};
use crate::{
    event::Listed,
    history::{Bytes, Progress},
    postgres::Server,
    runtime::{Exec, Output, exec::quoted},
};

pub(super) use listing::{links, list};

/// Functions of a shell that read a backup in tar format.
pub(super) const TARS: &str = include_str!("data_directory/tars.sh");
const RESTORE: &str = include_str!("data_directory/restore.sh");
const VERIFY: &str = include_str!("data_directory/verify.sh");

pub(super) const VERIFIER: &str = "pg_verifybackup";

/// What a tool can do that leaves such copies; its name and its programs are its own.
pub(super) const ABILITIES: Abilities = Abilities {
    tool: "",
    nature: Nature::Physical,
    kinds: &[BackupKind::Full],
    restores: true,
    from_elsewhere: false,
    in_place: true,
    some_databases: false,
    some_tables: false,
    archives: false,
    stores: Stores::Copied,
    speaks_s3: false,
    expires: false,
    verifier: Some(VERIFIER),
    takes_label: true,
    aged_by_files: true,
    postgres: 0,
    demands: &[],
    needs: &[],
};

/// Where a backup is, as a path in the node.
fn directory(site: &Site<'_>, store: &str, label: &str) -> String {
    site.stored(store, &format!("base/{label}"))
}

/// Where a listed one is.
pub(super) fn directory_of(site: &Site<'_>, backup: &Listed) -> String {
    directory(site, &backup.store, &backup.label)
}

/// Where it is in a store: it is listed once the second is there.
pub(super) fn paths(label: &str) -> Vec<String> {
    vec![format!("base/{label}.tblspc"), format!("base/{label}")]
}

/// Has a directory filled, and says what was left there, if that is a backup, this step's, complete,
/// and full, or incremental from `parent`. `copy` is given the directory and the server's tablespaces.
pub(super) async fn take(
    site: &Site<'_>,
    (tool, label): (&'static str, &str),
    parent: Option<Start>,
    copy: impl AsyncFnOnce(&str, &[Tablespace]) -> Result<(), BackupError>,
) -> Result<Vec<Listed>, BackupError> {
    let server = site.server;
    let directory = directory(site, site.first(), label);
    let before = (Position::of(server).await?, tablespaces::of(server).await?);
    let progress = Progress::begin(site.recorder, "backup");
    let taking = copy(&directory, &before.1);
    progress
        .during(taking, async || streamed(server).await)
        .await?;
    let found = found(site, &directory, &before, parent).await?;
    let now = Position::of(server).await?;
    let listed = list(site, tool, site.first()).await?;
    let mut taken = listed
        .into_iter()
        .find(|one| one.label == label)
        .ok_or_else(|| BackupError::Unfit(format!("`{label}` is not in its store")))?;
    taken.start_lsn = Some(found.start_lsn);
    // Without a manifest nothing says where it ended: it had, by now.
    taken.stop_lsn = taken.stop_lsn.or(Some(now.lsn));
    progress.end(taken.bytes);
    site.copied(taken, &paths(label)).await
}

/// What the tool left, if that is a backup, this step's, and complete.
async fn found(
    site: &Site<'_>,
    directory: &str,
    (position, spaces): &(Position, Vec<Tablespace>),
    parent: Option<Start>,
) -> Result<Found, BackupError> {
    let server = site.server;
    let contents = Contents::read(site.node, &site.stored(site.first(), ""), directory).await?;
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
    let found = contents.judge(position, started, postmaster.unwrap_or_default(), parent)?;
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

/// Copies or unpacks a backup into the directories of a server: its files into the data directory,
/// each tablespace's into a place of the server's own. What `pg_tblspc` and `tablespace_map` say is
/// where the *source* kept them: a server begun so would run in another's directories.
pub(super) async fn restore(site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
    let layout = site.node.layout();
    let in_place = if wanted.in_place { "yes" } else { "no" };
    let variables = [
        ("from", directory_of(site, wanted.backup)),
        ("data", layout.data.display().to_string()),
        ("spaces", layout.tablespaces.display().to_string()),
        ("in_place", in_place.to_owned()),
        ("controldata", site.program("pg_controldata")),
    ];
    let script = script(&variables, RESTORE);
    site.exec(Exec::shell(script)).await?;
    Ok(Asked::NotYet)
}

/// What `pg_verifybackup` says; none where there is no manifest for it. What is in tars is unpacked
/// for that, and removed again. It is asked whether the WAL can be read of a backup that must hold
/// it, and of any other that does.
pub(super) async fn verify(
    site: &Site<'_>,
    backup: &Listed,
    holds_wal: bool,
) -> Result<Option<VerifierWord>, BackupError> {
    let directory = directory_of(site, backup);
    if !has_manifest(site, &directory).await? {
        return Ok(None);
    }
    // 2: what tar ends with where it can't unpack it.
    let exec = Exec::shell(verifying(site, &[directory], holds_wal));
    let output = site.exec(exec.allow(1).allow(2)).await?;
    Ok(Some(word_of(&output)))
}

/// A script that asks `pg_verifybackup` of what lies in each of these, and ends with 0 if all are good.
pub(super) fn verifying(site: &Site<'_>, directories: &[String], holds_wal: bool) -> String {
    let run = site.node.layout().run.display();
    let directories = directories.iter().map(|directory| quoted(directory));
    let directories: Vec<String> = directories.collect();
    let wal = if holds_wal { "held" } else { "perhaps" };
    let variables = [
        ("scratch", format!("{run}/unpacked-backup")),
        ("wal", wal.to_owned()),
        ("verifybackup", site.program(VERIFIER)),
    ];
    format!(
        "set -- {}\n{}",
        directories.join(" "),
        script(&variables, VERIFY)
    )
}

/// What the verifier said by how it ended.
pub(super) fn word_of(output: &Output) -> VerifierWord {
    VerifierWord::of(VERIFIER, output)
}

/// A script that reads backups in either format, with what its variables hold; comments are for who
/// reads it here.
fn script(variables: &[(&str, String)], text: &str) -> String {
    let set = variables.iter();
    let set: String = set
        .map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect();
    let lines = TARS.lines().chain(text.lines());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    set + &lines.map(|line| format!("{line}\n")).collect::<String>()
}

async fn has_manifest(site: &Site<'_>, directory: &str) -> Result<bool, BackupError> {
    let manifest = format!("{directory}/backup_manifest");
    let exec = Exec::new(["test", "-f", &manifest]).allow(1).unrecorded();
    Ok(site.node.exec(exec).await?.exit == 0)
}
