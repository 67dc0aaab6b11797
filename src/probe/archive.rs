//! The files in the WAL archive, `wal/` of the backup storage, and what segments hold.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::{ProbeError, ProbeTarget, session};
use crate::{
    observation::Observation,
    postgres::{PgError, query::one_value},
    runtime::Exec,
};

/// Bytes of a WAL segment.
const SEGMENT: u64 = 16 << 20;

/// Lists the archive.
///
/// # Errors
/// When it can't be read.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let archive = target.node.layout().store.join("wal").display().to_string();
    let find = ["find", &archive, "-mindepth", "1", "-printf", "%s %f\\n"];
    let output = target.node.exec(Exec::new(find).unrecorded()).await?;
    let client = session(&target.access).await?;
    let digests = digests(&client, &archive, Span::ALL).await?;
    Ok(sorted_out(&output.text(), digests))
}

/// Segments by name: from after one up to another.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// They follow this one.
    pub after: &'a str,
    /// The last of them.
    pub up_to: &'a str,
}

impl Span<'_> {
    /// Whatever is there: no name of a segment begins with a `G`.
    const ALL: Self = Self {
        after: "",
        up_to: "G",
    };
}

/// Digests of segments in an archive, by name. The server reads them: 20 ms each, where a
/// command in its node takes 100 ms to begin.
///
/// # Errors
/// When the server refuses.
pub async fn digests(
    client: &Client,
    archive: &str,
    span: Span<'_>,
) -> Result<BTreeMap<String, String>, PgError> {
    let text = one_value(client, &digests_sql(archive, span)).await?;
    let segments = text.lines().filter_map(|line| line.split_once(' '));
    Ok(segments
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .collect())
}

/// A segment that vanishes meanwhile has no digest.
fn digests_sql(archive: &str, Span { after, up_to }: Span<'_>) -> String {
    let archive = archive.replace('\'', "''");
    format!(
        "select string_agg(name || ' ' || left(encode(sha256(content), 'hex'), 32), e'\\n') \
         from pg_ls_dir('{archive}', true, false) name, \
         pg_read_binary_file('{archive}/' || name, 0, {SEGMENT}, true) content \
         where name ~ '^[0-9A-F]{{24}}$' and name collate \"C\" > '{after}' \
         and name collate \"C\" <= '{up_to}'"
    )
}

fn sorted_out(list: &str, digests: BTreeMap<String, String>) -> Observation {
    let mut segments = Vec::new();
    let mut odd = Vec::new();
    for line in list.lines() {
        let (size, name) = line.split_once(' ').unwrap_or(("", line));
        let whole = size.parse() == Ok(SEGMENT);
        match kind(name) {
            Kind::Segment if whole => segments.push(name.to_owned()),
            Kind::Partial if whole => {}
            Kind::History | Kind::InFlight => {}
            Kind::Segment | Kind::Partial | Kind::Other => {
                odd.push(format!("{name} ({size} bytes)"))
            }
        }
    }
    segments.sort();
    odd.sort();
    Observation::Archive {
        segments,
        odd,
        digests,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Segment,
    /// The last segment of an ended timeline, archived at promotion.
    Partial,
    /// Timeline or backup history.
    History,
    /// Being written by pgdrill's own archive script.
    InFlight,
    Other,
}

fn kind(name: &str) -> Kind {
    let digits = |text: &str, count| {
        text.len() == count
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    };
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [segment] if digits(segment, 24) => Kind::Segment,
        [segment, "partial"] if digits(segment, 24) => Kind::Partial,
        [timeline, "history"] if digits(timeline, 8) => Kind::History,
        [segment, offset, "backup"] if digits(segment, 24) && digits(offset, 8) => Kind::History,
        [.., "part", _process] => Kind::InFlight,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_sorted_out() {
        let list = "16777216 000000010000000000000002\n16777216 000000010000000000000001\n\
                    41 00000002.history\n338 000000010000000000000002.00000028.backup\n\
                    16777216 000000010000000000000003.partial\n5 000000010000000000000004.part.77\n\
                    8192 000000010000000000000005\n3 notes.txt\n";
        let expected = Observation::Archive {
            segments: vec![
                "000000010000000000000001".into(),
                "000000010000000000000002".into(),
            ],
            odd: vec![
                "000000010000000000000005 (8192 bytes)".into(),
                "notes.txt (3 bytes)".into(),
            ],
            digests: BTreeMap::new(),
        };
        assert_eq!(sorted_out(list, BTreeMap::new()), expected);
    }
}
