//! Whether segments hold what their server wrote, and still what they held when they arrived.
//!
//! The digest of the server's own file, taken while it was in `pg_wal`, decides. Of a segment
//! that nobody saw there its first page must be that of its name and of the cluster, and
//! `pg_waldump` must read its records.

use std::collections::BTreeMap;

use crate::{
    check::Context,
    event::{EventKind, Moment},
    observation::{ArchiveState, ArchivedFile, Observation},
    store::name_and_store,
    wal::{Head, Kind, SegmentPosition, SegmentSize},
};

/// How files begin that are compressed (by gzip, zstd, lz4, xz, bzip2), or encrypted as OpenSSL does.
const PACKED: [&str; 6] = [
    "1f8b",
    "28b52ffd",
    "04224d18",
    "fd377a585a00",
    "425a68",
    "53616c7465645f5f",
];

/// Why a file could not be looked into of which nothing else is known.
const UNKNOWN: &str = "compressed or encrypted in a way unknown here";

/// What `pg_waldump` says where a segment's records end in zeros: it was never filled.
const ENDS_IN_ZEROS: &str = ", got 0";

#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What is wrong, a line each.
    pub wrong: Vec<String>,
    /// What could not be looked into, a line each.
    pub closed: Vec<String>,
    /// Gaps that a server left which was lost while it archived, a line each.
    pub unfinished: Vec<String>,
    /// Number of segments that hold what their server wrote.
    pub as_written: usize,
}

pub(super) fn is_packed(file: &ArchivedFile) -> bool {
    PACKED.iter().any(|magic| file.head.starts_with(magic))
}

pub(super) fn judge(context: &Context<'_>, store: &str, state: &ArchiveState) -> Judged {
    let known = Known::of(context, store);
    let mut judged = Judged::default();
    for (name, file) in &state.files {
        known.judge(state, name, file, &mut judged);
    }
    judged
}

/// Judges every segment that is there, or was when it arrived.
pub(super) fn judge_with_gone(context: &Context<'_>, store: &str, state: &ArchiveState) -> Judged {
    let known = Known::of(context, store);
    let mut judged = judge(context, store, state);
    for (name, (_, file)) in &known.arrived {
        if !state.files.contains_key(*name) {
            known.judge(state, name, file, &mut judged);
        }
    }
    judged
}

/// What is known of segments from other looks than the one that is judged.
struct Known<'a> {
    /// By segment: the server that wrote it, and its digest there.
    written: BTreeMap<&'a str, (&'a str, &'a str)>,
    /// By file: the server that archived it, and what it held when it arrived.
    arrived: BTreeMap<&'a str, (&'a str, &'a ArchivedFile)>,
}

impl<'a> Known<'a> {
    /// The first look at each counts: as sampled, or in the steady state's listing.
    fn of(context: &Context<'a>, store: &str) -> Self {
        let mut known = Self {
            written: BTreeMap::new(),
            arrived: BTreeMap::new(),
        };
        for event in context.history.events {
            match &event.kind {
                EventKind::WalPosition(at) => {
                    known.add(store, &at.server, &at.arrived, &at.written);
                }
                EventKind::Observed {
                    moment,
                    server,
                    observation: Observation::Archive(state),
                    ..
                } => {
                    let listed = match moment {
                        Moment::Before => &state.files,
                        Moment::Gate | Moment::After => const { &BTreeMap::new() },
                    };
                    known.add(store, server, listed, &state.written);
                }
                _other => {}
            }
        }
        known
    }

    fn add(
        &mut self,
        store: &str,
        server: &'a str,
        arrived: &'a BTreeMap<String, ArchivedFile>,
        written: &'a BTreeMap<String, String>,
    ) {
        for (name, digest) in written {
            self.written.entry(name).or_insert((server, digest));
        }
        for (name, file) in arrived.iter().filter(|(_, file)| !file.digest.is_empty()) {
            let (name, of) = name_and_store(name);
            if of == store {
                self.arrived.entry(name).or_insert((server, file));
            }
        }
    }

    fn judge(&self, state: &ArchiveState, name: &str, file: &ArchivedFile, judged: &mut Judged) {
        let size = SegmentSize(state.segment_size);
        let whole = super::is_whole(name, file, size);
        let Some(place) =
            SegmentPosition::of(name, size).filter(|_| whole && !file.digest.is_empty())
        else {
            return;
        };
        let packed = Kind::of(name) == Kind::Packed || is_packed(file);
        let written = self.written.get(name.get(..24).unwrap_or_default());
        let (held, head) = match packed {
            true => (file.inside.as_deref(), file.inside_head.as_str()),
            false => (Some(file.digest.as_str()), file.head.as_str()),
        };
        match (held, written) {
            (Some(held), Some((_, digest))) if held == *digest => judged.as_written += 1,
            (Some(_), Some((server, _))) => {
                let told = strange(state, place, head).filter(|_| !packed || !head.is_empty());
                let why = told.unwrap_or_else(|| format!("is not what `{server}` wrote"));
                judged.wrong.push(format!("{name} {why}"));
            }
            (Some(_), None) if packed && head.is_empty() => judged.closed.push(format!(
                "whether {name} holds what its server wrote could not be told: nobody saw that"
            )),
            (Some(_), None) => judged.wrong.extend(unknown(state, place, name, head, file)),
            (None, _) => {
                let why = match file.closed.as_str() {
                    "" => UNKNOWN,
                    why => why,
                };
                judged
                    .closed
                    .push(format!("{name} could not be looked into: {why}"));
            }
        }
        judged.wrong.extend(self.overwritten(name, file));
    }

    fn overwritten(&self, name: &str, file: &ArchivedFile) -> Option<String> {
        let (server, first) = self.arrived.get(name)?;
        let text = || format!("{name} was overwritten: it is not what `{server}` archived");
        (first.digest != file.digest).then(text)
    }
}

/// A segment that nobody saw where it was written: what speaks against it by itself.
fn unknown(
    state: &ArchiveState,
    place: SegmentPosition,
    name: &str,
    head: &str,
    file: &ArchivedFile,
) -> Option<String> {
    if let Some(why) = strange(state, place, head) {
        return Some(format!("{name} {why}"));
    }
    let refused = !file.refused.is_empty() && !file.refused.ends_with(ENDS_IN_ZEROS);
    refused.then(|| format!("{name} can't be read: {}", file.refused))
}

/// What the first page of a segment, by its first bytes, says that is not of its name.
fn strange(state: &ArchiveState, place: SegmentPosition, head: &str) -> Option<String> {
    let size = SegmentSize(state.segment_size);
    let Some(head) = Head::read(head) else {
        return Some("begins with no page of WAL".into());
    };
    if head.magic == 0 {
        return Some("begins with zeros, not with a page of WAL".into());
    }
    if head.system_identifier != state.system_identifier {
        let (is, ours) = (head.system_identifier, state.system_identifier);
        return Some(format!(
            "is of another cluster: system identifier {is}, not {ours}"
        ));
    }
    if head.address != size.start(place.number) {
        let held = SegmentPosition {
            timeline: head.timeline,
            number: size.number(head.address),
        };
        return Some(format!("holds {}", held.name(size)));
    }
    let first = first_of_timeline(state, place);
    let other = head.timeline > place.timeline || (head.timeline < place.timeline && !first);
    other.then(|| format!("is of timeline {}", head.timeline))
}

/// The first segment of a timeline begins with what was written on the one it branched off.
fn first_of_timeline(state: &ArchiveState, place: SegmentPosition) -> bool {
    let size = SegmentSize(state.segment_size);
    let mut places = state
        .files
        .keys()
        .filter_map(|name| SegmentPosition::of(name, size));
    !places.any(|other| other.timeline == place.timeline && other.number < place.number)
}
