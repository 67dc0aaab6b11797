//! Row images: every row that clients may have written, as a hash, from one look at a server.
//!
//! Clients write more than the row that the ledger names: through their statement, a
//! trigger, a cascade. An image is what is left of such a row: its table, the transaction
//! that wrote it, which row it is and all that it holds. Who takes images is
//! `probe/row_images`, who holds them against each other `measure/row_images`.
//!
//! Format, little endian: 16 bytes header `PGDRILL-IMAGES1\n`, then images of 32 bytes, each
//! closed by an xxh3-32 of its first 28 bytes.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Error, Read, Result, Write},
    path::Path,
};

use xxhash_rust::xxh3::xxh3_64;

const SIZE: usize = 32;
const MAGIC: &[u8; 16] = b"PGDRILL-IMAGES1\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its table: the place in the list that goes with the file.
    pub table: u16,
    /// Whether its key column is not NULL, so that a client wrote it.
    pub keyed: bool,
    /// Its `xmin`: the transaction that left it as it is.
    pub xid: u32,
    /// Hash of the columns that tell which row it is.
    pub identity: u64,
    /// Hash of all its columns.
    pub content: u64,
}

impl Image {
    fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..2].copy_from_slice(&self.table.to_le_bytes());
        bytes[2] = u8::from(self.keyed);
        bytes[4..8].copy_from_slice(&self.xid.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.identity.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.content.to_le_bytes());
        let sum = xxh3_64(&bytes[..SIZE - 4]) as u32;
        bytes[SIZE - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; SIZE]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        if u32_at(SIZE - 4) != xxh3_64(&bytes[..SIZE - 4]) as u32 {
            return None;
        }
        Some(Self {
            table: u16::from_le_bytes([bytes[0], bytes[1]]),
            keyed: bytes[2] == 1,
            xid: u32_at(4),
            identity: u64_at(8),
            content: u64_at(16),
        })
    }
}

/// Writes the images of one look.
#[derive(Debug)]
pub struct Writer {
    out: BufWriter<File>,
    pub rows: u64,
}

impl Writer {
    pub fn create(file: &Path) -> Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, File::create_new(file)?);
        out.write_all(MAGIC)?;
        Ok(Self { out, rows: 0 })
    }

    pub fn append(&mut self, image: &Image) -> Result<()> {
        self.rows += 1;
        self.out.write_all(&image.to_bytes())
    }

    pub fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}

/// Reads all the images of a look, `stated` of which the file must hold.
///
/// # Errors
/// When the file can't be read, is torn, or holds another number.
pub fn read(file: &Path, stated: u64) -> Result<Vec<Image>> {
    let mut input = BufReader::with_capacity(1 << 16, File::open(file)?);
    let mut magic = [0; 16];
    input.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(Error::other("not a file of row images"));
    }
    let mut images = Vec::new();
    let mut bytes = [0; SIZE];
    for _ in 0..stated {
        input.read_exact(&mut bytes)?;
        let image = Image::from_bytes(&bytes);
        images.push(image.ok_or_else(|| Error::other("a row image is damaged"))?);
    }
    match input.read(&mut bytes)? {
        0 => Ok(images),
        _ => Err(Error::other(format!("more than {stated} row images"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Vec<Image> {
        let image = |number: u64| Image {
            table: number as u16,
            keyed: number.is_multiple_of(2),
            xid: u32::MAX - number as u32,
            identity: number << 40,
            content: !number,
        };
        (0..5).map(image).collect()
    }

    #[test]
    fn images_survive_the_disk_and_a_torn_file_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("images");
        let mut writer = Writer::create(&file).unwrap();
        for image in images() {
            writer.append(&image).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(read(&file, writer.rows).unwrap(), images());
        assert!(read(&file, 4).is_err() && read(&file, 6).is_err());
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(read(&file, 5).unwrap_err().to_string().contains("damaged"));
    }
}
