//! The payload of a row: its columns as text, and the digest over them.
//!
//! One definition for writing and for reading back: [`digest`] over the columns in the
//! order in which [`super::readback`] selects them, each in the form in which the server
//! prints it.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use xxhash_rust::xxh3::Xxh3;

use crate::{ledger::Key, model::words};

/// xxh3-64 of a row's payload columns.
pub fn digest<'a>(columns: impl IntoIterator<Item = Option<&'a str>>) -> u64 {
    let mut hash = Xxh3::new();
    for column in columns {
        let length = column.map_or(u32::MAX, |text| text.len() as u32);
        hash.update(&length.to_le_bytes());
        hash.update(column.unwrap_or("").as_bytes());
    }
    hash.digest()
}

/// What is random in a row: the same for the same key and version, so that nobody needs
/// to remember what was written.
#[derive(Debug)]
pub struct Content(ChaCha12Rng);

impl Content {
    /// Of this version of this row.
    pub fn of(seed: u64, key: Key, version: u32) -> Self {
        let mut bytes = [0; 32];
        let parts = [seed, key.0, u64::from(version)];
        for (part, number) in bytes.chunks_exact_mut(8).zip(parts) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        Self(ChaCha12Rng::from_seed(bytes))
    }

    /// A whole number from 1 up to this.
    pub fn one_of(&mut self, count: u64) -> u64 {
        self.0.random_range(1..=count.max(1))
    }

    /// Words, of a length between these.
    pub fn text(&mut self, min: usize, max: usize) -> String {
        let length = self.0.random_range(min..=max);
        self.filled(length, words::text)
    }

    /// A person's name.
    pub fn name(&mut self) -> String {
        let mut out = Vec::new();
        words::name(&mut self.0, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// A JSON object as `jsonb` prints it, of a length between these.
    pub fn object(&mut self, min: usize, max: usize) -> String {
        let length = self.0.random_range(min..=max);
        self.filled(length, words::object)
    }

    /// So many hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut bytes = vec![0; digits / 2];
        self.0.fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// An amount of money with so many digits after the point.
    pub fn amount(&mut self, scale: u32) -> String {
        let unit = 10u32.pow(scale);
        let cents = self.0.random_range(0..10_000 * unit);
        let (whole, rest) = (cents / unit, cents % unit);
        format!("{whole}.{rest:0width$}", width = scale as usize)
    }

    fn filled(&mut self, length: usize, fill: fn(&mut ChaCha12Rng, usize, &mut Vec<u8>)) -> String {
        let mut out = Vec::with_capacity(length + 256);
        fill(&mut self.0, length, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_knows_where_columns_end_and_null_from_empty() {
        let of = |columns: &[Option<&str>]| digest(columns.iter().copied());
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None]), of(&[Some("")]));
        assert_eq!(of(&[Some("a"), None]), of(&[Some("a"), None]));
    }

    #[test]
    fn content_depends_on_seed_key_and_version_alone() {
        let text = |seed, key, version| Content::of(seed, Key(key), version).text(50, 90);
        assert_eq!(text(1, 2, 3), text(1, 2, 3));
        for other in [text(0, 2, 3), text(1, 0, 3), text(1, 2, 0)] {
            assert_ne!(text(1, 2, 3), other);
        }
    }
}
