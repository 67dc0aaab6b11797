//! The files in the WAL archive, `wal/` of the backup storage.

use super::{ProbeError, ProbeTarget};
use crate::{observation::Observation, runtime::Exec};

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
    Ok(sorted_out(&output.text()))
}

fn sorted_out(list: &str) -> Observation {
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
    Observation::Archive { segments, odd }
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
        };
        assert_eq!(sorted_out(list), expected);
    }
}
