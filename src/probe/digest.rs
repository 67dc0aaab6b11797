//! Order-independent digest of rows in PostgreSQL's binary COPY format.
//!
//! The sum of the rows' xxh3-128 modulo 2^128: the same rows give the same digest
//! whatever their order and however the stream was cut into chunks. Nothing is copied
//! and nothing is kept but one row's position. Which rows and columns are sent is
//! `tables`.

mod partial_row;

use partial_row::{PartialRow, RowEnd};
use xxhash_rust::xxh3::xxh3_128;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the header's extension.
const HEADER: usize = 19;

/// What a stream of rows comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub count: u64,
    /// Sum of their xxh3-128 modulo 2^128.
    pub sum: u128,
}

impl Rows {
    /// The digest as 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }

    fn add(&mut self, hash: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

impl std::ops::AddAssign for Rows {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// The stream is not what PostgreSQL sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    #[error("no binary COPY stream: its signature is missing")]
    Signature,
    #[error("row {row} of a binary COPY stream has a field of {length} bytes")]
    Field { row: u64, length: i32 },
    #[error("row {row} of a binary COPY stream has {fields} fields")]
    Count { row: u64, fields: i16 },
    #[error("a binary COPY stream ended after {0} rows without its trailer")]
    Torn(u64),
    #[error("a binary COPY stream goes on after its trailer")]
    Excess,
}

/// Takes a binary COPY stream in chunks of any size.
#[derive(Debug, Default)]
pub struct CopyDigest {
    rows: Rows,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Header(Header),
    BetweenRows,
    InRow(Box<PartialRow>),
    Ended,
}

impl Default for Place {
    fn default() -> Self {
        Self::Header(Header::default())
    }
}

impl CopyDigest {
    /// Takes the next chunk.
    pub fn update(&mut self, mut chunk: &[u8]) -> Result<(), CopyError> {
        while !chunk.is_empty() {
            let used = match &mut self.place {
                Place::Header(header) => {
                    let used = header.take(chunk)?;
                    if header.complete() {
                        self.place = Place::BetweenRows;
                    }
                    used
                }
                Place::BetweenRows => self.whole_rows(chunk)?,
                Place::InRow(row) => {
                    let used = row.take(chunk, self.rows.count)?;
                    self.close_row();
                    used
                }
                Place::Ended => return Err(CopyError::Excess),
            };
            chunk = &chunk[used..];
        }
        Ok(())
    }

    /// What the rows came to.
    pub fn finish(self) -> Result<Rows, CopyError> {
        match self.place {
            Place::Ended => Ok(self.rows),
            Place::Header(_) | Place::BetweenRows | Place::InRow(_) => {
                Err(CopyError::Torn(self.rows.count))
            }
        }
    }

    /// The fast way: hashes the rows that lie wholly in the chunk.
    fn whole_rows(&mut self, chunk: &[u8]) -> Result<usize, CopyError> {
        let mut used = 0;
        while let Some(length) = whole_row(&chunk[used..], self.rows.count)? {
            self.rows.add(xxh3_128(&chunk[used..used + length]));
            used += length;
        }
        if used < chunk.len() {
            self.place = Place::InRow(Box::default());
        }
        Ok(used)
    }

    fn close_row(&mut self) {
        let Place::InRow(row) = &self.place else {
            return;
        };
        match row.end() {
            Some(RowEnd::Row(hash)) => {
                self.rows.add(hash);
                self.place = Place::BetweenRows;
            }
            Some(RowEnd::Trailer) => self.place = Place::Ended,
            None => {}
        }
    }
}

/// Length of the row at the beginning of `bytes`; none when its end, or the trailer, is not there.
fn whole_row(bytes: &[u8], row: u64) -> Result<Option<usize>, CopyError> {
    let Some((head, mut rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let fields = i16::from_be_bytes(*head);
    if fields < 0 {
        return Ok(None);
    }
    for _ in 0..fields {
        let Some((head, data)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = field_length(*head, row)?;
        let Some(after) = data.get(length..) else {
            return Ok(None);
        };
        rest = after;
    }
    Ok(Some(bytes.len() - rest.len()))
}

fn field_length(head: [u8; 4], row: u64) -> Result<usize, CopyError> {
    match i32::from_be_bytes(head) {
        -1 => Ok(0),
        length if length < -1 => Err(CopyError::Field { row, length }),
        length => Ok(length.unsigned_abs() as usize),
    }
}

/// The stream's header, which may straddle chunks too.
#[derive(Debug, Default)]
struct Header {
    bytes: [u8; HEADER],
    filled: usize,
    extension: usize,
}

impl Header {
    fn take(&mut self, chunk: &[u8]) -> Result<usize, CopyError> {
        if self.filled == HEADER {
            let skipped = self.extension.min(chunk.len());
            self.extension -= skipped;
            return Ok(skipped);
        }
        let count = chunk.len().min(HEADER - self.filled);
        self.bytes[self.filled..self.filled + count].copy_from_slice(&chunk[..count]);
        self.filled += count;
        if self.filled == HEADER {
            if !self.bytes.starts_with(SIGNATURE) {
                return Err(CopyError::Signature);
            }
            let length = self.bytes[HEADER - 4..].try_into().expect("4 bytes");
            self.extension = u32::from_be_bytes(length) as usize;
        }
        Ok(count)
    }

    fn complete(&self) -> bool {
        self.filled == HEADER && self.extension == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = Vec<Option<Vec<u8>>>;

    fn encode(rows: &[Row]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for row in rows {
            bytes.extend((row.len() as i16).to_be_bytes());
            for field in row {
                let length = field.as_ref().map_or(-1, |data| data.len() as i32);
                bytes.extend(length.to_be_bytes());
                bytes.extend(field.iter().flatten());
            }
        }
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    fn digest(bytes: &[u8], chunk: usize) -> Result<Rows, CopyError> {
        let mut digest = CopyDigest::default();
        for chunk in bytes.chunks(chunk) {
            digest.update(chunk)?;
        }
        digest.finish()
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let field = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
        prop::collection::vec(prop::collection::vec(field, 0..5), 0..20)
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(rows in rows(), chunk in 1usize..200) {
            let bytes = encode(&rows);
            let whole = digest(&bytes, bytes.len()).unwrap();
            prop_assert_eq!(whole.count, rows.len() as u64);
            prop_assert_eq!(digest(&bytes, chunk), Ok(whole));
        }

        #[test]
        fn order_does_not_matter(rows in rows(), turn in 0usize..20) {
            let mut turned = rows.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
                turned.reverse();
            }
            prop_assert_eq!(digest(&encode(&rows), 64), digest(&encode(&turned), 64));
        }

        #[test]
        fn every_byte_matters(rows in rows(), at: prop::sample::Index, bit in 0u8..8) {
            let bytes = encode(&rows);
            prop_assume!(bytes.len() > HEADER + 2);
            let mut other = bytes.clone();
            let at = HEADER + at.index(bytes.len() - HEADER);
            other[at] ^= 1 << bit;
            prop_assert_ne!(digest(&other, 64), digest(&bytes, 64));
        }

        #[test]
        fn a_torn_stream_is_refused(rows in rows(), cut: prop::sample::Index, chunk in 1usize..50) {
            let bytes = encode(&rows);
            let cut = cut.index(bytes.len());
            prop_assert!(matches!(digest(&bytes[..cut], chunk), Err(CopyError::Torn(_))));
        }
    }

    #[test]
    fn a_row_twice_is_not_a_row_once() {
        let row = vec![Some(b"x".to_vec())];
        let once = digest(&encode(std::slice::from_ref(&row)), 64).unwrap();
        let twice = digest(&encode(&[row.clone(), row]), 64).unwrap();
        assert_eq!(twice.sum, once.sum.wrapping_mul(2));
        assert_eq!((once.count, twice.count), (1, 2));
    }

    #[test]
    fn what_is_no_copy_stream_is_refused() {
        assert_eq!(digest(&[7; 40], 40), Err(CopyError::Signature));
        let mut excess = encode(&[]);
        excess.push(1);
        assert_eq!(digest(&excess, 40), Err(CopyError::Excess));
        let mut field = encode(&[]);
        field.truncate(HEADER);
        field.extend([0, 1, 255, 255, 255, 254]);
        let error = CopyError::Field { row: 0, length: -2 };
        assert_eq!(digest(&field, 40), Err(error));
    }
}
