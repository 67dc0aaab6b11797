//! The files in the WAL archive, wherever that is, and what segments hold, there
//! and in the server's own `pg_wal`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{ProbeError, ProbeTarget, pg, session};
use crate::{
    backup::WalArchive,
    observation::{ArchiveState, ArchivedFile, Observation},
    postgres::query::Cells,
    runtime::{Exec, Node, RuntimeError},
};

const LOOK: &str = include_str!("segments.sh");

/// Why a segment was refused by a program that does not say.
const SILENT: &str = "it could not be read";

/// Before the name of any segment, and behind all of them.
const FIRST: &str = "0";
const LAST: &str = "G";

const STATE: &str = "
SELECT a.archived_count, coalesce(left(a.last_archived_wal, 24), ''), i.bytes_per_wal_segment,
  s.system_identifier,
  CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
FROM pg_stat_archiver a, pg_control_init() i, pg_control_system() s";

/// Lists the archive, once the server has said what it takes for archived.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let row = client.query_one(STATE, &[]).await;
    let row = row.map_err(pg("read what the server archived"))?;
    // After that: what the server takes for archived by then must be there.
    target.mirrors.refresh().await?;
    let list = match target.archive {
        Some(archive) => list(target.node, archive).await?,
        None => String::new(),
    };
    let span = Span {
        after: FIRST,
        up_to: LAST,
        written_after: row.cell(4)?,
        written: row.cell(1)?,
    };
    let held = Box::pin(segments(target.node, target.archive, span, Records::Read)).await?;
    Ok(Observation::Archive(ArchiveState {
        archived: row.cell::<i64>(0)?.unsigned_abs(),
        segment_size: row.cell::<i32>(2)?.unsigned_abs().into(),
        system_identifier: row.cell::<i64>(3)?.cast_unsigned(),
        files: all_files(&list, held.files),
        written: held.written,
    }))
}

/// A line for each file: its bytes and name.
async fn list(node: &Node, archive: &WalArchive) -> Result<String, RuntimeError> {
    let script = archive.listing(node.layout())
        + "wal_files | while read -r name bytes file; do echo \"$bytes $name\"; done";
    let exec = Exec::new(["sh", "-s"]).stdin(script).unrecorded();
    Ok(node.exec(exec).await?.text())
}

/// Which segments to look at, by name.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Those in the archive follow this one.
    pub after: &'a str,
    /// The last of them.
    pub up_to: &'a str,
    /// Those in `pg_wal` follow this one.
    pub written_after: &'a str,
    /// The last of them; what is archived was written to its end.
    pub written: &'a str,
}

/// Whether `pg_waldump` reads the records of segments in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    Read,
    /// No: a segment is soon held against what the server wrote.
    Left,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// In the archive, by file name.
    pub files: BTreeMap<String, ArchivedFile>,
    /// Digests of those in the server's own `pg_wal`, by name.
    pub written: BTreeMap<String, String>,
}

/// Looks into segments, in the archive and where the server wrote them.
pub async fn segments(
    node: &Node,
    archive: Option<&WalArchive>,
    span: Span<'_>,
    records: Records,
) -> Result<Held, RuntimeError> {
    let layout = node.layout();
    let Some(archive) = archive else {
        return Ok(Held::default());
    };
    let waldump = match records {
        Records::Read => layout.program("pg_waldump"),
        Records::Left => String::new(),
    };
    let exec = Exec::new(["sh", "-s"])
        .stdin(archive.listing(layout) + &archive.reading(layout) + LOOK)
        .env("DATA", layout.data.display().to_string())
        .env("TMPDIR", layout.run.display().to_string())
        .env("AFTER", span.after)
        .env("UP_TO", span.up_to)
        .env("WRITTEN_AFTER", span.written_after)
        .env("WRITTEN", span.written)
        .env("WALDUMP", waldump);
    Ok(held(&node.exec(exec.unrecorded()).await?.text()))
}

fn held(text: &str) -> Held {
    let mut held = Held::default();
    for line in text.lines() {
        if let Some((name, file)) = line.strip_prefix("pgdrill-archived ").and_then(archived) {
            held.files.insert(name, file);
        } else if let Some(rest) = line.strip_prefix("pgdrill-refused ") {
            let (name, why) = rest.split_once(' ').unwrap_or((rest, ""));
            let why = if why.is_empty() { SILENT } else { why };
            held.files.entry(name.to_owned()).or_default().refused = why.to_owned();
        } else if let Some(rest) = line.strip_prefix("pgdrill-closed ")
            && let Some((name, why)) = rest.split_once(' ')
        {
            held.files.entry(name.to_owned()).or_default().closed = why.to_owned();
        } else if let Some(rest) = line.strip_prefix("pgdrill-written ")
            && let Some((name, digest)) = rest.split_once(' ')
        {
            held.written.insert(name.to_owned(), digest.to_owned());
        }
    }
    held
}

fn archived(line: &str) -> Option<(String, ArchivedFile)> {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let file = ArchivedFile {
        bytes: word()?.parse().ok()?,
        digest: word()?.to_owned(),
        head: word()?.trim_matches('-').to_owned(),
        inside: word().filter(|inside| *inside != "-").map(str::to_owned),
        inside_head: word()?.trim_matches('-').to_owned(),
        ..ArchivedFile::default()
    };
    Some((word()?.to_owned(), file))
}

/// Every file that was listed, with what is known of those that hold a segment.
fn all_files(
    list: &str,
    mut held: BTreeMap<String, ArchivedFile>,
) -> BTreeMap<String, ArchivedFile> {
    let listed = list.lines().filter_map(|line| line.split_once(' '));
    let files = listed.map(|(bytes, name)| {
        let bytes = bytes.parse().unwrap_or_default();
        let unread = || ArchivedFile {
            bytes,
            ..ArchivedFile::default()
        };
        (name.to_owned(), held.remove(name).unwrap_or_else(unread))
    });
    files.collect()
}
