//! The write-ahead log as files: what a file of an archive is by its name, and where in the log
//! a segment stands.
//!
//! Pure: who reads and who judges such files is elsewhere. No segment size is taken for granted.

pub mod lsn;

/// Bytes of a WAL segment, as the cluster was initialised with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize(pub u64);

impl SegmentSize {
    /// What `initdb` takes when nobody says otherwise.
    pub const DEFAULT: Self = Self(16 << 20);

    /// Number of the segment that holds the byte at a position.
    pub fn number(self, lsn: u64) -> u64 {
        lsn / self.0.max(1)
    }

    /// Position of a segment's first byte.
    pub fn start(self, number: u64) -> u64 {
        number.saturating_mul(self.0)
    }

    fn per_log(self) -> u64 {
        (1u64 << 32) / self.0.max(1)
    }
}

/// The timeline that every cluster begins on.
pub const FIRST_TIMELINE: u32 = 1;

/// A segment's place: timeline and number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentPosition {
    pub timeline: u32,
    /// Number on it, from the beginning of the log.
    pub number: u64,
}

impl SegmentPosition {
    /// `00000001000000000000000A…` → timeline 1, segment 10; none: no segment of that size.
    pub fn of(name: &str, size: SegmentSize) -> Option<Self> {
        let name = name.get(..24).filter(|name| is_hex(name))?;
        let part = |at: usize| u32::from_str_radix(&name[at..at + 8], 16).ok();
        let (log, within) = (u64::from(part(8)?), u64::from(part(16)?));
        (within < size.per_log()).then_some(Self {
            timeline: part(0)?,
            number: log * size.per_log() + within,
        })
    }

    pub fn name(self, size: SegmentSize) -> String {
        let (log, within) = (self.number / size.per_log(), self.number % size.per_log());
        format!("{:08X}{log:08X}{within:08X}", self.timeline)
    }
}

/// The header of a segment's first page, as a machine of little-endian order writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What PostgreSQL's version writes there; 0: no page at all.
    pub magic: u16,
    /// Timeline of the page's first record.
    pub timeline: u32,
    /// Where in the log the page stands.
    pub address: u64,
    /// `system_identifier` of the cluster that wrote it.
    pub system_identifier: u64,
}

impl Head {
    /// Reads it from a segment's first 32 bytes or more, hexadecimal; none: too short.
    pub fn read(head: &str) -> Option<Self> {
        let bytes = hex::decode(head).ok()?;
        let number = |at: usize, length: usize| {
            let bytes = bytes.get(at..at + length)?.iter().rev();
            Some(bytes.fold(0u64, |number, byte| number << 8 | u64::from(*byte)))
        };
        Some(Self {
            magic: u16::try_from(number(0, 2)?).ok()?,
            timeline: u32::try_from(number(4, 4)?).ok()?,
            address: number(8, 8)?,
            system_identifier: number(24, 8)?,
        })
    }
}

/// What a file of an archive is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A segment as PostgreSQL wrote it.
    Segment,
    /// A segment that a tool compressed or encrypted: `<segment>.gz` and the like.
    Packed,
    /// The last segment of an ended timeline, archived at promotion.
    Partial,
    /// Timeline or backup history.
    History,
    /// In the making, or left behind by a copy that was killed: a name that PostgreSQL gives, and
    /// an ending that neither PostgreSQL nor a known packer gives.
    InFlight,
    /// None of PostgreSQL's.
    Other,
}

/// Endings of files that a compressor made of others.
const COMPRESSED: [&str; 17] = [
    ".gz", ".gzip", ".lz4", ".zst", ".zstd", ".bz2", ".bzip2", ".xz", ".lzma", ".lz", ".lzo",
    ".br", ".sz", ".snappy", ".Z", ".7z", ".zip",
];
/// Endings of files that were encrypted.
const ENCRYPTED: [&str; 8] = [
    ".enc",
    ".encrypted",
    ".gpg",
    ".pgp",
    ".asc",
    ".age",
    ".aes",
    ".crypt",
];

impl Kind {
    /// By the name alone.
    pub fn of(name: &str) -> Self {
        if is_part(name) {
            return Self::InFlight;
        }
        let bare = unpacked(name);
        match Self::by_postgres(bare) {
            Self::Segment if bare != name => Self::Packed,
            kind => kind,
        }
    }

    /// Whether it is a segment's, as PostgreSQL wrote it or packed.
    pub fn is_segment(self) -> bool {
        matches!(self, Self::Segment | Self::Packed)
    }

    fn by_postgres(name: &str) -> Self {
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            [segment] if is_segment(segment) => Self::Segment,
            [segment, "partial"] if is_segment(segment) => Self::Partial,
            [timeline, "history"] if is_timeline(timeline) => Self::History,
            [segment, offset, "backup"]
                if is_segment(segment) && offset.len() == 8 && is_hex(offset) =>
            {
                Self::History
            }
            [segment, _, ..] if is_segment(segment) => Self::InFlight,
            [timeline, "history", _, ..] if is_timeline(timeline) => Self::InFlight,
            _ => Self::Other,
        }
    }
}

/// The name without the endings that packers gave it.
fn unpacked(name: &str) -> &str {
    let mut endings = COMPRESSED.iter().chain(&ENCRYPTED);
    match endings.find_map(|ending| name.strip_suffix(ending)) {
        Some(bare) => unpacked(bare),
        None => name,
    }
}

/// `….part.<process>`, as pgdrill's own archive script names what it writes.
fn is_part(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    matches!(parts.as_slice(), [.., "part", _process])
}

fn is_timeline(name: &str) -> bool {
    name.len() == 8 && is_hex(name)
}

fn is_segment(name: &str) -> bool {
    name.len() == 24 && is_hex(name)
}

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_its_name_are_one_whatever_the_segment_size() {
        for megabytes in [1, 16, 64, 1024] {
            let size = SegmentSize(megabytes << 20);
            for number in [0, 1, 3, 4, 255, 4096, 70_000] {
                let place = SegmentPosition {
                    timeline: 2,
                    number,
                };
                assert_eq!(SegmentPosition::of(&place.name(size), size), Some(place));
            }
        }
        let size = SegmentSize(1 << 30);
        assert_eq!(SegmentPosition::of("000000010000000000000005", size), None);
        assert_eq!(
            SegmentPosition::of("0000000100000000", SegmentSize::DEFAULT),
            None
        );
        assert_eq!(size.number(size.start(7)), 7);
    }

    #[test]
    fn a_segment_tells_where_it_is_from() {
        let text =
            "10d107000100000000000003000000007000000000000000f7f2108d4822076b0000000100200000";
        let head = Head {
            magic: 0xd110,
            timeline: 1,
            address: 0x300_0000,
            system_identifier: 0x6b07_2248_8d10_f2f7,
        };
        assert_eq!(Head::read(text), Some(head));
        assert_eq!(Head::read("10d1"), None);
        assert_eq!(Head::read(&"00".repeat(40)).unwrap().magic, 0);
    }

    #[test]
    fn files_are_told_by_their_names() {
        let kinds = [
            ("000000010000000000000002", Kind::Segment),
            ("000000010000000000000002.gz", Kind::Packed),
            ("000000010000000000000002.enc", Kind::Packed),
            ("000000010000000000000002.partial", Kind::Partial),
            ("000000010000000000000002.partial.zst", Kind::Partial),
            ("000000010000000000000002.00000028.backup", Kind::History),
            ("0000000A.history", Kind::History),
            ("0000000A.history.lz4", Kind::History),
            ("000000010000000000000002.zst.gpg", Kind::Packed),
            ("000000010000000000000002.bz2", Kind::Packed),
            ("000000010000000000000004.part.77", Kind::InFlight),
            ("000000010000000000000004.part", Kind::InFlight),
            ("000000010000000000000004.tmp", Kind::InFlight),
            ("000000010000000000000004.gz.part", Kind::InFlight),
            ("000000010000000000000004.tmp.gz", Kind::InFlight),
            ("000000010000000000000004.partial.part", Kind::InFlight),
            (
                "000000010000000000000002.00000028.backup.part",
                Kind::InFlight,
            ),
            ("0000000A.history.part", Kind::InFlight),
            ("00000001000000000000000g", Kind::Other),
            ("notes.txt", Kind::Other),
            ("notes.gz", Kind::Other),
        ];
        for (name, kind) in kinds {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
