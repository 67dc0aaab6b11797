//! The ledger: what the workloads tried and what the servers answered.
//!
//! One fixed-size record a transaction, appended to a file outside every failure
//! domain of the drill; nothing is kept in memory. The same record without its times
//! is what a readback finds in a restored server. Who writes it (`workload/`) and who
//! judges it (`check/ledger`) does not belong here.
//!
//! Format, little endian: 16 bytes header `PGDRILL-LEDGER2\n`, then records of 68
//! bytes, each closed by an xxh3-32 of its first 64 bytes. A torn last record ends it.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a record on disk.
pub const RECORD: usize = 68;
const MAGIC: &[u8; 16] = b"PGDRILL-LEDGER2\n";

/// How a transaction ended, in Jepsen's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The server acknowledged the COMMIT.
    Ok = 1,
    /// The server refused it: it must not be there.
    Fail = 2,
    /// The answer was lost: present and absent are both legal.
    Info = 3,
}

/// Which row a transaction wrote, in 64 bits: what the row's key column holds.
/// 6 bits workload, 6 bits table, 12 bits client, 40 bits number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// Keys count so many clients of a workload, from 0.
pub const CLIENTS: u16 = 4095;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The row; 0 for a transaction that only read.
    pub key: Key,
    /// The row's `row_version` after it: 0 insert, then 1, 2, … for updates; a deletion is
    /// one more.
    pub version: u32,
    pub outcome: Outcome,
    /// Index of the workload in the plan's (sorted) map.
    pub workload: u8,
    /// The tenant; 0 where there is none.
    pub tenant: u32,
    /// xxh3-64 of the payload; [`Record::TOMBSTONE`] of a row that it deleted.
    pub digest: u64,
    /// Intended start, in the drill's clock.
    pub intended_us: u64,
    pub sent_us: u64,
    /// When the answer came, or when the client gave up.
    pub acked_us: u64,
    /// `pg_current_wal_insert_lsn()` read right after the commit: not less than the
    /// commit's end; 0 when not known.
    pub lsn: u64,
    /// Its transaction id without the epoch, which the rows it wrote have as `xmin`; 0 when
    /// not known. Of a row read back: its `xmin`.
    pub xid: u32,
}

impl Key {
    /// The key of a transaction that wrote nothing.
    pub const NONE: Self = Self(0);

    /// Puts a key together; `number` counts from 1 within a client and table.
    pub fn new(workload: u8, table: u8, client: u16, number: u64) -> Self {
        debug_assert!(workload < 64 && table < 64 && client < 4096 && number < 1 << 40);
        Self(u64::from(workload) << 58 | u64::from(table) << 52 | u64::from(client) << 40 | number)
    }

    /// Of a row whose key this drill never gave out; `number` counts such rows from 1.
    pub fn of_nobody(workload: u8, table: u8, number: u64) -> Self {
        Self::new(workload, table, CLIENTS, number)
    }

    /// Whether no client wrote the row: see [`Key::of_nobody`].
    pub fn is_of_nobody(self) -> bool {
        self.client() == CLIENTS
    }

    pub fn workload(self) -> u8 {
        (self.0 >> 58) as u8
    }

    pub fn table(self) -> u8 {
        (self.0 >> 52 & 0x3f) as u8
    }

    pub fn client(self) -> u16 {
        (self.0 >> 40 & 0xfff) as u16
    }

    /// As a row holds it: the drill's nonce in the upper half, the key in the lower.
    pub fn to_uuid(self, nonce: u64) -> Uuid {
        Uuid::from_u64_pair(nonce, self.0)
    }

    /// Back from a row; none when it is another drill's, or not ours at all.
    pub fn from_uuid(uuid: Uuid, nonce: u64) -> Option<Self> {
        let (upper, lower) = uuid.as_u64_pair();
        (upper == nonce && lower != 0).then_some(Self(lower))
    }
}

impl Record {
    /// In place of the digest of a row that is no more.
    pub const TOMBSTONE: u64 = u64::MAX;

    pub fn deletes(&self) -> bool {
        self.key != Key::NONE && self.digest == Self::TOMBSTONE
    }

    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.key.0.to_le_bytes());
        put(&self.version.to_le_bytes());
        put(&[self.outcome as u8, self.workload, 0, 0]);
        put(&self.tenant.to_le_bytes());
        for field in [
            self.digest,
            self.intended_us,
            self.sent_us,
            self.acked_us,
            self.lsn,
        ] {
            put(&field.to_le_bytes());
        }
        put(&self.xid.to_le_bytes());
        let sum = xxh3_64(&bytes[..RECORD - 4]) as u32;
        bytes[RECORD - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        if u32_at(RECORD - 4) != xxh3_64(&bytes[..RECORD - 4]) as u32 {
            return None;
        }
        Some(Self {
            key: Key(u64_at(0)),
            version: u32_at(8),
            outcome: match bytes[12] {
                1 => Outcome::Ok,
                2 => Outcome::Fail,
                3 => Outcome::Info,
                _ => return None,
            },
            workload: bytes[13],
            tenant: u32_at(16),
            digest: u64_at(20),
            intended_us: u64_at(28),
            sent_us: u64_at(36),
            acked_us: u64_at(44),
            lsn: u64_at(52),
            xid: u32_at(60),
        })
    }
}

#[derive(Debug)]
pub struct Writer {
    out: BufWriter<File>,
}

impl Writer {
    pub fn create(file: &Path) -> std::io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, File::create_new(file)?);
        out.write_all(MAGIC)?;
        out.flush()?;
        Ok(Self { out })
    }

    /// Appends one record; it is on its way to disk after the next [`Writer::flush`].
    pub fn append(&mut self, record: &Record) -> std::io::Result<()> {
        self.out.write_all(&record.to_bytes())
    }

    pub fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Reads a ledger record by record. After the end, [`Reader::torn`] tells whether the
/// file ended in the middle of a record or with a damaged one.
#[derive(Debug)]
pub struct Reader {
    input: BufReader<File>,
    torn: bool,
}

impl Reader {
    pub fn open(file: &Path) -> std::io::Result<Self> {
        let mut input = BufReader::with_capacity(1 << 16, File::open(file)?);
        let mut magic = [0; 16];
        input.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(std::io::Error::other("not a pgdrill ledger"));
        }
        Ok(Self { input, torn: false })
    }

    /// Whether the ledger ended in a torn or damaged record: then it is no evidence.
    pub fn torn(&self) -> bool {
        self.torn
    }
}

impl Iterator for Reader {
    type Item = Record;
    fn next(&mut self) -> Option<Record> {
        if self.torn {
            return None;
        }
        let mut bytes = [0; RECORD];
        let mut filled = 0;
        while filled < RECORD {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return None,
                Ok(0) | Err(_) => {
                    self.torn = true;
                    return None;
                }
                Ok(count) => filled += count,
            }
        }
        let record = Record::from_bytes(&bytes);
        self.torn = record.is_none();
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: Key, version: u32, lsn: u64) -> Record {
        Record {
            key,
            version,
            outcome: Outcome::Ok,
            workload: 1,
            tenant: 7,
            digest: 42,
            intended_us: 1,
            sent_us: 2,
            acked_us: 3,
            lsn,
            xid: 0,
        }
    }

    proptest! {
        #[test]
        fn keys_survive_the_way_through_a_uuid(workload in 0u8..64, table in 0u8..64, client in 0u16..CLIENTS, number in 1u64..1 << 40, nonce: u64) {
            let key = Key::new(workload, table, client, number);
            prop_assert_eq!(Key::from_uuid(key.to_uuid(nonce), nonce), Some(key));
            prop_assert_eq!(Key::from_uuid(key.to_uuid(nonce), nonce ^ 1), None);
            prop_assert_eq!((key.workload(), key.table(), key.client()), (workload, table, client));
            prop_assert!(!key.is_of_nobody());
        }

        #[test]
        fn records_survive_the_disk(key in 1u64.., version: u32, lsn: u64, xid: u32) {
            let record = Record { xid, ..record(Key(key), version, lsn) };
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
    }

    #[test]
    fn a_torn_ledger_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ledger");
        let mut writer = Writer::create(&file).unwrap();
        writer.append(&record(Key(1), 0, 0)).unwrap();
        writer.append(&record(Key(2), 0, 0)).unwrap();
        writer.flush().unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
        let mut reader = Reader::open(&file).unwrap();
        assert_eq!(reader.by_ref().count(), 1);
        assert!(reader.torn());
    }
}
