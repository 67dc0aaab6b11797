//! Order-independent digest of rows in PostgreSQL's binary COPY format.
//!
//! The sum of the rows' xxh3-128 modulo 2^128: the same rows give the same digest whatever their
//! order. A server sends each row as a message of its own (PostgreSQL's manual, "COPY Operations" of
//! the frontend/backend protocol), so rows need not be taken apart; before the first stands the
//! header, after the last the trailer. Which rows and columns are sent is `tables`.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, and the length of an extension, which no server sends yet.
const HEADER: usize = 19;
/// A count of -1 fields.
const TRAILER: [u8; 2] = [0xff, 0xff];

/// What a stream of rows comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub count: u64,
    /// Sum of their xxh3-128 modulo 2^128.
    pub sum: u128,
}

impl Rows {
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
    #[error("a binary COPY stream ended after {0} rows without its trailer")]
    Torn(u64),
    #[error("a binary COPY stream goes on after its trailer")]
    Excess,
}

/// Takes a binary COPY stream message by message, large ones in pieces.
#[derive(Default)]
pub struct CopyDigest {
    rows: Rows,
    header: Vec<u8>,
    /// The row whose pieces are coming.
    row: Option<Box<Xxh3Default>>,
    ended: bool,
}

impl CopyDigest {
    /// Takes the next piece of a message, the last one where it `ends`.
    pub fn update(&mut self, mut piece: &[u8], ends: bool) -> Result<(), CopyError> {
        if self.header.len() < HEADER {
            let count = piece.len().min(HEADER - self.header.len());
            self.header.extend_from_slice(&piece[..count]);
            piece = &piece[count..];
            if self.header.len() == HEADER && !self.header.starts_with(SIGNATURE) {
                return Err(CopyError::Signature);
            }
        }
        match (&mut self.row, ends) {
            _ if self.ended && !piece.is_empty() => return Err(CopyError::Excess),
            (None, _) if piece.is_empty() => {}
            (None, true) if piece == TRAILER => self.ended = true,
            (None, true) => self.rows.add(xxh3_128(piece)),
            (row, false) => row.get_or_insert_default().update(piece),
            (Some(row), true) => {
                row.update(piece);
                self.rows.add(row.digest128());
                self.row = None;
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Rows, CopyError> {
        match self.ended {
            true => Ok(self.rows),
            false => Err(CopyError::Torn(self.rows.count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages as a server sends them: the header with the first row.
    fn messages(rows: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut header = SIGNATURE.to_vec();
        header.extend([0; 8]);
        let mut all: Vec<Vec<u8>> = rows.to_vec();
        all.push(TRAILER.into());
        all[0].splice(..0, header);
        all
    }

    fn digest(messages: &[Vec<u8>], piece: usize) -> Result<Rows, CopyError> {
        let mut digest = CopyDigest::default();
        for message in messages {
            let pieces = message.chunks(piece);
            let last = pieces.len() - 1;
            for (at, piece) in pieces.enumerate() {
                digest.update(piece, at == last)?;
            }
        }
        digest.finish()
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 3..200), 0..20)
    }

    proptest! {
        #[test]
        fn pieces_of_large_rows_do_not_matter(rows in rows(), piece in 21usize..200) {
            let whole = digest(&messages(&rows), usize::MAX).unwrap();
            prop_assert_eq!(whole.count, rows.len() as u64);
            prop_assert_eq!(digest(&messages(&rows), piece), Ok(whole));
        }

        #[test]
        fn order_does_not_matter(rows in rows()) {
            let turned: Vec<Vec<u8>> = rows.iter().rev().cloned().collect();
            prop_assert_eq!(digest(&messages(&rows), 64), digest(&messages(&turned), 64));
        }

        #[test]
        fn every_byte_matters(rows in rows(), row: prop::sample::Index, at: prop::sample::Index, bit in 0u8..8) {
            prop_assume!(!rows.is_empty());
            let mut other = rows.clone();
            let row = row.index(rows.len());
            let at = at.index(rows[row].len());
            other[row][at] ^= 1 << bit;
            prop_assert_ne!(digest(&messages(&other), 64), digest(&messages(&rows), 64));
        }

        #[test]
        fn a_torn_stream_is_refused(rows in rows()) {
            let mut messages = messages(&rows);
            let _ = messages.pop();
            let torn = CopyError::Torn(rows.len() as u64);
            prop_assert_eq!(digest(&messages, 64), Err(torn));
        }
    }

    #[test]
    fn a_row_twice_is_not_a_row_once() {
        let row = b"\x00\x01\x00\x00\x00\x01x".to_vec();
        let once = digest(&messages(std::slice::from_ref(&row)), 64).unwrap();
        let twice = digest(&messages(&[row.clone(), row]), 64).unwrap();
        assert_eq!(twice.sum, once.sum.wrapping_mul(2));
        assert_eq!((once.count, twice.count), (1, 2));
    }

    #[test]
    fn what_is_no_copy_stream_is_refused() {
        assert_eq!(digest(&[vec![7; 40]], 40), Err(CopyError::Signature));
        let mut excess = messages(&[]);
        excess.push(vec![1]);
        assert_eq!(digest(&excess, 40), Err(CopyError::Excess));
    }
}
