//! Dumps, a directory each in `dumps/` of a store: made by whatever fills that directory, copied to
//! further stores, listed by what is said beside them, restored by `pg_restore` or `psql`.
//!
//! What such a backup is called, its directory is: `<backup>-<number>`. In it `contents.json` says
//! which file holds which database: a dump has no catalog of its own.

mod file;
mod restore;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use file::{Encryption, Format, file_name};
pub(super) use restore::{Restoring, restore};

use super::{
    Abilities, BackupError, BackupKind, Nature, Needed, Site, Stores, VerifierWord, remote,
};
use crate::{
    event::Listed,
    history::{Bytes, Progress},
    postgres::{Server, lsn},
    runtime::{Exec, exec::quoted},
};

const VERIFIER: &str = "pg_restore --list";

/// What a tool can do that leaves dumps; its name is its own.
pub(super) const ABILITIES: Abilities = Abilities {
    tool: "",
    nature: Nature::Logical,
    kinds: &[BackupKind::Logical],
    restores: true,
    from_elsewhere: false,
    in_place: false,
    some_databases: true,
    some_tables: true,
    archives: false,
    stores: Stores::Copied,
    speaks_s3: true,
    expires: false,
    verifier: Some(VERIFIER),
    takes_label: true,
    aged_by_files: true,
    postgres: 0,
    demands: &[],
    needs: &const {
        [
            Needed::of_postgres("pg_dump"),
            Needed::of_postgres("pg_restore"),
        ]
    },
};

/// What lies beside the dumps.
pub(super) const CONTENTS: &str = "contents.json";
pub(super) const GLOBALS: &str = "globals.sql";

/// What a directory of dumps holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Contents {
    /// Everything committed before this position is in each of the dumps.
    pub snapshot_lsn: u64,
    /// Begin, in seconds of the epoch.
    pub began: i64,
    /// Each database's file, or directory.
    pub databases: BTreeMap<String, String>,
    /// The tables, where there is nothing else.
    pub tables: Vec<String>,
    /// The file with roles and tablespaces.
    pub globals: Option<String>,
}

impl Contents {
    /// Nothing yet: what is dumped from now on holds what is committed by now.
    pub async fn begin(server: &Server) -> Result<Self, BackupError> {
        let begin = "select floor(extract(epoch from clock_timestamp()))::bigint || ' ' \
                     || pg_current_wal_insert_lsn()";
        let began = server.value(begin).await?;
        let (seconds, position) = began.split_once(' ').unwrap_or_default();
        Ok(Self {
            snapshot_lsn: lsn::parse(position).unwrap_or_default(),
            began: seconds.parse().unwrap_or_default(),
            ..Self::default()
        })
    }

    /// Begin, as people write it.
    pub fn began(&self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_second(self.began).ok()
    }

    async fn read(site: &Site<'_>, directory: &str) -> Result<Self, BackupError> {
        let file = format!("{directory}/{CONTENTS}");
        let text = site.node.get(file.as_ref()).await?;
        serde_json::from_slice(&text).map_err(|cause| BackupError::Unreadable {
            what: format!("`{file}`"),
            cause: cause.to_string(),
        })
    }

    /// Is written last: from then on it is listed.
    pub async fn write(&self, site: &Site<'_>, directory: &str) -> Result<(), BackupError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let file = format!("{directory}/{CONTENTS}");
        Ok(site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?)
    }
}

/// The files of a store that such a backup consists of.
pub(super) fn paths(label: &str) -> Vec<String> {
    vec![format!("dumps/{label}")]
}

/// Has a directory filled, copies it into each store, and says what is listed then. `fill` is given
/// the directory.
pub(super) async fn take(
    site: &Site<'_>,
    tool: &'static str,
    label: &str,
    fill: impl AsyncFnOnce(&str) -> Result<Contents, BackupError>,
) -> Result<Vec<Listed>, BackupError> {
    let root = remote::written_below(site, site.first());
    let directory = format!("{root}/dumps/{label}");
    let make = ["mkdir", "-p", "-m", "700", &directory];
    site.node.exec(Exec::new(make).unrecorded()).await?;
    let progress = Progress::begin(site.recorder, "backup");
    let contents = filling(site, &directory, &progress, Box::pin(fill(&directory))).await?;
    contents.write(site, &directory).await?;
    let taken = list_below(site, tool, &root).await?.into_iter();
    let taken = taken.rev().find(|one| one.label == label);
    let taken =
        taken.ok_or_else(|| BackupError::Unfit(format!("`{label}` is not in its store")))?;
    progress.end(taken.bytes);
    site.copied(taken, &paths(label)).await
}

/// Tells what lies in a directory while it is filled.
pub(super) async fn filling<T>(
    site: &Site<'_>,
    directory: &str,
    progress: &Progress<'_>,
    work: impl Future<Output = T>,
) -> T {
    let written = async || {
        let done = super::size(site.node, directory).await.ok()?;
        Some(Bytes { done, total: 0 })
    };
    progress.during(work, written).await
}

/// Says which databases the dumps hold that somebody left in a directory: an archive tells its own, by
/// `pg_restore --list`, and what is called `*globals*.sql` is no database's.
pub(super) async fn look(
    site: &Site<'_>,
    directory: &str,
    contents: &mut Contents,
) -> Result<(), BackupError> {
    let script = format!(
        "cd {} 2> /dev/null || exit 0\n\
         for file in *; do\n\
         case $file in *.sha256|*.json|*.log|'*') continue ;; *globals*.sql*) printf '%s\\n' \"globals $file\"; continue ;; esac\n\
         name=$({} --list \"$file\" 2> /dev/null | sed -n 's/^; *dbname: //p')\n\
         [ -z \"$name\" ] || printf '%s\\n' \"$file/$name\"\n\
         done\n",
        quoted(directory),
        quoted(&site.program("pg_restore")),
    );
    let exec = Exec::new(["sh", "-s"]).stdin(script).unrecorded();
    for line in site.exec(exec).await?.text().lines() {
        if let Some(file) = line.strip_prefix("globals ") {
            contents.globals = Some(file.to_owned());
        } else if let Some((file, database)) = line.split_once('/') {
            contents.databases.insert(database.into(), file.into());
        }
    }
    Ok(())
}

/// The database of an archive, as the head of `pg_restore --list` says.
fn database_of(listed: &str) -> Option<&str> {
    let mut lines = listed.lines();
    lines.find_map(|line| line.strip_prefix(';')?.trim().strip_prefix("dbname: "))
}

/// Writes the hash of a file, or of each of a directory's, beside it, as `sha256sum` does.
pub(super) async fn hash(site: &Site<'_>, directory: &str, name: &str) -> Result<(), BackupError> {
    let (directory, name) = (quoted(directory), quoted(name));
    let script =
        format!("cd {directory} && find {name} -type f -exec sha256sum {{}} + > {name}.sha256");
    site.exec(Exec::shell(script).unrecorded()).await?;
    Ok(())
}

/// What lies in a store, oldest first.
pub(super) async fn list(
    site: &Site<'_>,
    tool: &'static str,
    store: &str,
) -> Result<Vec<Listed>, BackupError> {
    site.stores.refresh().await?;
    list_below(site, tool, &remote::root(site, store)).await
}

async fn list_below(
    site: &Site<'_>,
    tool: &'static str,
    root: &str,
) -> Result<Vec<Listed>, BackupError> {
    let script = format!(
        "cd {root}/dumps 2> /dev/null || exit 0\n\
         for dump in {name}-*; do\n\
         case ${{dump#{name}-}} in *[!0-9]*) continue ;; esac\n\
         [ -f \"$dump/{CONTENTS}\" ] || continue\n\
         printf '%s\\n' \"$dump $(stat -c %Y \"$dump\") $(du -sb \"$dump\" | cut -f 1) $(cat \"$dump/{CONTENTS}\")\"\n\
         done\n",
        root = quoted(root),
        name = site.name,
    );
    let exec = Exec::new(["sh", "-s"]).stdin(script).unrecorded();
    let output = site.node.exec(exec).await?;
    let lines = output.text();
    let listed = lines.lines().filter_map(|line| listed(line, tool));
    let mut all: Vec<Listed> = listed.collect();
    all.sort_by_key(|dump| (dump.ended, dump.snapshot_lsn));
    Ok(all)
}

/// `LABEL SECONDS BYTES CONTENTS`
fn listed(line: &str, tool: &'static str) -> Option<Listed> {
    let mut words = line.splitn(4, ' ');
    let label = words.next()?.to_owned();
    let ended = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().ok()?;
    let contents: Contents = serde_json::from_str(words.next()?).ok()?;
    Some(Listed {
        label,
        tool: tool.into(),
        kind: BackupKind::Logical,
        nature: Nature::Logical,
        snapshot_lsn: Some(contents.snapshot_lsn),
        began: contents.began(),
        databases: contents.databases.into_keys().collect(),
        tables: contents.tables,
        bytes,
        ended: jiff::Timestamp::from_second(ended).ok(),
        ..Listed::default()
    })
}

/// What `pg_restore --list` says of each archive; none where none can be asked: a plain dump is
/// SQL, and an encrypted one is not decrypted for it.
pub(super) async fn verify(
    site: &Site<'_>,
    backup: &Listed,
) -> Result<Option<VerifierWord>, BackupError> {
    let directory = site.stored(&backup.store, &format!("dumps/{}", backup.label));
    let contents = Contents::read(site, &directory).await?;
    let archives = contents.databases.values();
    let archives = archives.filter(|name| file::is_readable_archive(name));
    let archives: Vec<String> = archives.map(|name| quoted(name)).collect();
    if archives.is_empty() {
        return Ok(None);
    }
    let exec = Exec::shell(format!(
        "cd {} && for dump in {}; do {} --list \"$dump\" > /dev/null || exit 1; done",
        quoted(&directory),
        archives.join(" "),
        site.program("pg_restore"),
    ));
    let output = site.exec(exec.allow(1)).await?;
    Ok(Some(VerifierWord::of(VERIFIER, &output)))
}
