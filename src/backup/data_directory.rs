//! Copies of a cluster's files, a directory each in `base/` of a store: taken by whatever fills
//! that directory, copied to further stores, listed by what lies there, copied back by `cp`.
//!
//! What such a backup is called, its directory is: `<backup>-<number>`, with `.tblspc/` beside it
//! for tablespaces.

use std::path::Path;

use super::{
    Abilities, Asked, BackupError, BackupKind, Nature, Site, Stores, VerifierWord, Wanted,
    contents::{Contents, Found},
    position::Position,
    tablespaces::{self, Tablespace},
};
use crate::{
    event::Listed,
    history::{Bytes, Progress},
    postgres::{Server, lsn},
    runtime::{Exec, Output, exec::quoted},
};

/// Lists the directories of a backup: facts, a line each.
const LIST: &str = include_str!("list-data-directories.sh");

/// What a tool can do that leaves such copies; its name and its programs are its own.
pub(super) const ABILITIES: Abilities = Abilities {
    tool: "",
    nature: Nature::Physical,
    kinds: &[BackupKind::Full],
    restores: true,
    from_elsewhere: false,
    in_place: true,
    some_databases: false,
    archives: false,
    stores: Stores::Copied,
    speaks_s3: false,
    expires: false,
    verifier: Some("pg_verifybackup"),
    takes_label: true,
    aged_by_files: true,
    postgres: 0,
    needs: &[],
};

/// Where a backup is, as a path in the node.
fn directory(site: &Site<'_>, store: &str, label: &str) -> String {
    site.stored(store, &format!("base/{label}"))
}

/// Where it is in a store: it is listed once the second is there.
pub(super) fn paths(label: &str) -> Vec<String> {
    vec![format!("base/{label}.tblspc"), format!("base/{label}")]
}

/// Has a directory filled, and says what was left there, if that is a backup, this step's, and
/// complete. `copy` is given the directory and the server's tablespaces.
pub(super) async fn take(
    site: &Site<'_>,
    tool: &'static str,
    label: &str,
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
    let found = found(site, &directory, &before).await?;
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

/// What lies in a store, oldest first.
pub(super) async fn list(
    site: &Site<'_>,
    tool: &'static str,
    store: &str,
) -> Result<Vec<Listed>, BackupError> {
    let exec = Exec::new(["sh", "-s"])
        .stdin(LIST)
        .env("BASE", site.stored(store, "base"))
        .env("NAME", site.name)
        .env("CONTROLDATA", site.program("pg_controldata"));
    let output = site.node.exec(exec.unrecorded()).await?;
    Ok(listed(&output.text(), tool))
}

fn listed(text: &str, tool: &'static str) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for line in text.lines() {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        if what == "backup" {
            all.extend(directory_of(rest, tool));
        } else if let Some(backup) = all.last_mut() {
            told(backup, what, rest);
        }
    }
    all.sort_by_key(|backup| (backup.ended, number(&backup.label)));
    all
}

/// `LABEL SECONDS BYTES`
fn directory_of(text: &str, tool: &'static str) -> Option<Listed> {
    let mut words = text.rsplitn(3, ' ');
    let bytes = words.next()?.parse().ok()?;
    let ended = words.next()?.parse().ok()?;
    Some(Listed {
        label: words.next()?.to_owned(),
        tool: tool.to_owned(),
        bytes,
        ended: jiff::Timestamp::from_second(ended).ok(),
        ..Listed::default()
    })
}

/// A line of its label, the segment that it begins with where it has none, or the end of its WAL.
fn told(backup: &mut Listed, what: &str, rest: &str) {
    let (name, value) = rest.split_once(": ").unwrap_or((rest, ""));
    match (what, name) {
        ("label", "START WAL LOCATION") => {
            backup.start_lsn = value.split(' ').next().and_then(lsn::parse);
            let file = value.split_once("(file ").map(|(_, file)| file);
            backup.first_segment = file.unwrap_or_default().trim_end_matches(')').to_owned();
        }
        ("label", "START TIME") => {
            let time = value.trim_end_matches(" UTC").replacen(' ', "T", 1) + "Z";
            backup.began = time.parse().ok();
        }
        ("label", "START TIMELINE") => backup.timeline = value.trim().parse().ok(),
        ("redo", _) => backup.first_segment = rest.trim().to_owned(),
        ("end", _) => backup.stop_lsn = lsn::parse(rest.trim()),
        _ => {}
    }
}

/// The number at the end of a label.
fn number(label: &str) -> u64 {
    let number = label.rsplit('-').next().map(str::parse);
    number.and_then(Result::ok).unwrap_or_default()
}

/// Copies a backup into the directories of a server: its files into the data directory, each
/// tablespace's into a place of the server's own. What `pg_tblspc` and `tablespace_map` say is
/// where the *source* kept them: a server begun so would run in another's directories.
pub(super) async fn restore(site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
    let script = copy_script(site, wanted.backup, wanted.in_place);
    site.exec(Exec::shell(script)).await?;
    Ok(Asked::NotYet)
}

fn copy_script(site: &Site<'_>, backup: &Listed, in_place: bool) -> String {
    let layout = site.node.layout();
    let path = |path: &Path| quoted(&path.display().to_string());
    let empty = match in_place {
        true => "find \"$data\" \"$spaces\" -mindepth 1 -delete\n",
        false => "",
    };
    format!(
        "set -eu\n\
         data={data} spaces={spaces}\n\
         mkdir -p \"$data\" \"$spaces\"\n\
         {empty}\
         cp -a {from}/. \"$data/\"\n\
         cd \"$data\"\n\
         chmod 700 .\n\
         [ -f backup_label ] || LC_ALL=C {controldata} -D . | grep -q 'state: *shut down$' || \
         {{ echo 'the backup has no `backup_label` any more' >&2; exit 1; }}\n\
         for entry in pg_tblspc/*; do\n\
         [ -d \"$entry\" ] || [ -L \"$entry\" ] || continue\n\
         space=$spaces/${{entry##*/}}\n\
         cp -a \"$(readlink -f \"$entry\")\" \"$space\"\n\
         rm -rf \"$entry\"\n\
         ln -s \"$space\" \"$entry\"\n\
         done\n\
         [ -f tablespace_map ] || exit 0\n\
         while read -r oid place || [ -n \"$oid\" ]; do\n\
         [ -z \"$oid\" ] && continue\n\
         [ -d \"$spaces/$oid\" ] || {{ echo \"\\`tablespace_map\\` names tablespace $oid in $place, of which the backup holds nothing\" >&2; exit 1; }}\n\
         echo \"$oid $spaces/$oid\"\n\
         done < tablespace_map > tablespace_map.new\n\
         mv tablespace_map.new tablespace_map\n",
        data = path(&layout.data),
        spaces = path(&layout.tablespaces),
        from = quoted(&directory(site, &backup.store, &backup.label)),
        controldata = quoted(&site.program("pg_controldata")),
    )
}

/// What `pg_verifybackup` says; none where there is no manifest for it. Of a backup that holds no
/// WAL it is not asked whether that can be read.
pub(super) async fn verify(
    site: &Site<'_>,
    backup: &Listed,
) -> Result<Option<VerifierWord>, BackupError> {
    let directory = directory(site, &backup.store, &backup.label);
    if !has_manifest(site, &directory).await? {
        return Ok(None);
    }
    let program = site.program("pg_verifybackup");
    let exec = Exec::shell(format!(
        "wal=; ls {directory}/pg_wal | grep -Eq '^[0-9A-F]{{24}}$' || wal=-n; \
         {program} -q $wal {directory}"
    ));
    let output = site.exec(exec.allow(1)).await?;
    Ok(Some(VerifierWord {
        verifier: "pg_verifybackup".into(),
        good: output.exit == 0,
        output: Output::tail(&output.stderr, 10),
    }))
}

async fn has_manifest(site: &Site<'_>, directory: &str) -> Result<bool, BackupError> {
    let manifest = format!("{directory}/backup_manifest");
    let exec = Exec::new(["test", "-f", &manifest]).allow(1).unrecorded();
    Ok(site.node.exec(exec).await?.exit == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_a_label_begins_where_its_server_was_shut_down() {
        let text = "backup cold-1 1800000000 4096\nredo 000000010000000000000007\n\
             backup cold-2 1800000009 4096\n\
             label START WAL LOCATION: 0/9000028 (file 000000010000000000000009)\n";
        let all = listed(text, "command");
        let first: Vec<&str> = all.iter().map(|one| one.first_segment.as_str()).collect();
        let segments = ["000000010000000000000007", "000000010000000000000009"];
        assert_eq!(first, segments);
    }
}
