//! Rows that clients write: their columns as text, and the digest over them.
//!
//! One definition for writing and for reading back: [`digest`] over the columns in the
//! order in which [`super::readback`] selects them, each in the form in which the server
//! prints it.

use jiff::civil::Date;
use rand_chacha::ChaCha12Rng;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    ledger::Key,
    model::{columns::Filled, stream, text},
};

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

/// Values of some columns, as text and, where they are whole numbers, as those.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    pub texts: Vec<Option<String>>,
    pub numbers: Vec<i64>,
}

/// What values are made of beside randomness.
#[derive(Clone, Debug)]
pub struct Source {
    pub seed: u64,
    pub nonce: u64,
    /// Every time lies before this day.
    pub until: Date,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub inserted: Filled,
    /// What it is set to by each update; none: it stays.
    pub updated: Option<Filled>,
}

impl Source {
    /// A version of a row: the same for the same key and version, so that nobody needs to
    /// remember what was written.
    pub fn row(&self, columns: &[Column], key: Key, version: u32) -> Values {
        let mut values = Values::default();
        let mut lasting = self.stream(key, 0);
        let mut changing = self.stream(key, version + 1);
        for column in columns {
            match &column.updated {
                Some(updated) if version > 0 => self.push(&mut values, updated, key, &mut changing),
                Some(_) => self.push(&mut values, &column.inserted, key, &mut changing),
                None => self.push(&mut values, &column.inserted, key, &mut lasting),
            }
        }
        values
    }

    pub fn push(&self, values: &mut Values, filled: &Filled, key: Key, rng: &mut ChaCha12Rng) {
        let number = filled.number(key.0 as i64, &values.numbers, rng);
        values.numbers.push(number.unwrap_or_default());
        values.texts.push(match number {
            Ok(number) => Some(number.to_string()),
            Err(generator) => {
                let email = format!("live.{:016x}.{:016x}@login.invalid", self.nonce, key.0);
                let mut out = Vec::new();
                let present = text::value(generator, &email, self.until, rng, &mut out);
                present.then(|| String::from_utf8_lossy(&out).into_owned())
            }
        });
    }

    fn stream(&self, key: Key, version: u32) -> ChaCha12Rng {
        stream([self.seed ^ self.nonce, key.0, u64::from(version)])
    }
}

impl Values {
    pub fn digest(&self) -> u64 {
        digest(self.texts.iter().map(Option::as_deref))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::scenario::plan::{Generator, Length};

    #[test]
    fn the_digest_knows_where_columns_end_and_null_from_empty() {
        let of = |columns: &[Option<&str>]| digest(columns.iter().copied());
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None]), of(&[Some("")]));
        assert_eq!(of(&[Some("a"), None]), of(&[Some("a"), None]));
    }

    #[test]
    fn rows_depend_on_seed_key_and_version_alone_and_an_update_leaves_what_lasts() {
        let text = Filled::Plain(Generator::Text(Length { min: 50, max: 90 }));
        let column = |updated: Option<&Filled>| Column {
            inserted: text.clone(),
            updated: updated.cloned(),
        };
        let columns = [column(Some(&text)), column(None), column(Some(&text))];
        let row = |seed, key, version| {
            let until = date(2027, 1, 1);
            let source = Source {
                seed,
                nonce: 9,
                until,
            };
            source.row(&columns, Key(key), version).texts
        };
        let first = row(1, 2, 0);
        assert_eq!(first, row(1, 2, 0));
        assert!(first.iter().zip(&row(2, 2, 0)).all(|(a, b)| a != b));
        assert!(first.iter().zip(&row(1, 3, 0)).all(|(a, b)| a != b));
        let changed = row(1, 2, 1);
        assert_eq!(first[1], changed[1]);
        assert!(first[0] != changed[0] && first[2] != changed[2]);
    }
}
