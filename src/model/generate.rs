//! Rows of one table, deterministic chunk by chunk.
//!
//! Each chunk has its own random stream, derived from seed, table and chunk, so the
//! rows do not depend on who makes them and when.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;

use super::{Model, columns::Filled, encode, stream, text, words};
use crate::scenario::{
    model::{Column, Table},
    plan::Generator,
};

pub const CHUNK: u64 = 512;
/// PostgreSQL counts from this day on.
const EPOCH: Date = date(2000, 1, 1);
/// In microseconds.
const DAY: i64 = 86_400_000_000;

/// Makes the rows of one table.
#[derive(Debug)]
pub struct TableRows<'a> {
    pub table: &'a Table,
    pub rows: u64,
    index: u64,
    seed: u64,
    /// Every time lies before this day.
    until: Date,
    columns: Vec<Filled>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Binary,
    Text,
}

impl<'a> TableRows<'a> {
    /// For the table at this index of the manifest; what is wrong with it otherwise.
    pub fn new(
        model: &'a Model,
        index: usize,
        rows: &BTreeMap<String, u64>,
        seed: u64,
    ) -> Result<Self, String> {
        let table = &model.manifest.tables[index];
        let filled = |(at, column): (usize, &Column)| {
            let earlier = table.columns[..at].iter().map(|other| other.name.as_str());
            Filled::new(&column.r#gen, earlier, rows)
        };
        let columns = table.columns.iter().enumerate().map(filled);
        Ok(Self {
            table,
            rows: rows.get(&table.name).copied().unwrap_or_default(),
            index: index as u64,
            seed,
            until: model.month,
            columns: columns.collect::<Result<_, _>>()?,
        })
    }

    pub fn chunks(&self) -> u64 {
        self.rows.div_ceil(CHUNK)
    }

    /// Appends a chunk's rows; returns how many.
    pub fn chunk(&self, chunk: u64, format: Format, out: &mut Vec<u8>) -> u64 {
        let mut rng = stream([self.seed, self.index, chunk]);
        let first = chunk * CHUNK + 1;
        let last = (first + CHUNK - 1).min(self.rows);
        let mut numbers = vec![0; self.columns.len()];
        for serial in first..=last {
            match format {
                Format::Binary => self.binary_row(serial as i64, &mut numbers, &mut rng, out),
                Format::Text => self.text_row(serial as i64, &mut numbers, &mut rng, out),
            }
        }
        last + 1 - first
    }

    fn binary_row(
        &self,
        serial: i64,
        numbers: &mut [i64],
        rng: &mut ChaCha12Rng,
        out: &mut Vec<u8>,
    ) {
        encode::row(out, self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            match column.number(serial, numbers, rng) {
                Ok(number) => {
                    encode::bytes(out, &number.to_be_bytes());
                    numbers[at] = number;
                }
                Err(generator) => self.value(generator, serial, rng, out),
            }
        }
    }

    fn text_row(&self, serial: i64, numbers: &mut [i64], rng: &mut ChaCha12Rng, out: &mut Vec<u8>) {
        let mut value = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            value.clear();
            let present = match column.number(serial, numbers, rng) {
                Ok(number) => {
                    numbers[at] = number;
                    value.extend_from_slice(number.to_string().as_bytes());
                    true
                }
                Err(generator) => {
                    text::value(generator, &email(serial), self.until, rng, &mut value)
                }
            };
            if at > 0 {
                out.push(b'\t');
            }
            match present {
                true => encode::escaped(out, &value),
                false => out.extend_from_slice(b"\\N"),
            }
        }
        out.push(b'\n');
    }

    /// Appends a column that is no whole number of 8 bytes.
    fn value(&self, generator: &Generator, serial: i64, rng: &mut ChaCha12Rng, out: &mut Vec<u8>) {
        match generator {
            Generator::Int(numbers) => {
                encode::bytes(
                    out,
                    &rng.random_range(numbers.min..=numbers.max).to_be_bytes(),
                );
            }
            Generator::Email => encode::bytes(out, email(serial).as_bytes()),
            Generator::Hash => {
                let mut digits = [0; 64];
                let bytes: [u8; 32] = rng.random();
                hex::encode_to_slice(bytes, &mut digits).expect("64 digits for 32 bytes");
                encode::bytes(out, &digits);
            }
            Generator::Uuid => {
                let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
                encode::bytes(out, id.as_bytes());
            }
            Generator::Bytes(length) => {
                let length = text::of(*length, rng);
                encode::sized(out, |out| {
                    let at = out.len();
                    out.resize(at + length, 0);
                    rng.fill_bytes(&mut out[at..]);
                });
            }
            Generator::Jsonb(_) => encode::sized(out, |out| {
                out.push(1); // the version of jsonb's binary form
                text::value(generator, "", self.until, rng, out);
            }),
            Generator::Numeric(scale) => {
                let unit = 10u16.pow(4 - u32::from((*scale).min(4)));
                let fraction = rng.random_range(0..10_000u16) / unit * unit;
                encode::numeric(out, rng.random_range(0..10_000), fraction, *scale);
            }
            Generator::Timestamptz(days) => {
                let until = i64::from((self.until - EPOCH).get_days()) * DAY;
                let at = until - rng.random_range(1..=i64::from(*days) * DAY);
                encode::bytes(out, &at.to_be_bytes());
            }
            Generator::Bool(percent) => {
                encode::bytes(out, &[u8::from(rng.random_range(0..100) < *percent)]);
            }
            Generator::TextArray(n) => {
                encode::text_array(out, *n, |out| words::word(rng, out));
            }
            Generator::IntArray(n) => {
                encode::int_array(out, *n, || rng.random_range(0..1_000_000));
            }
            Generator::Text(_) | Generator::Name | Generator::Enum(_) | Generator::Pattern(_) => {
                encode::sized(out, |out| {
                    text::value(generator, "", self.until, rng, out);
                })
            }
            Generator::None => encode::null(out),
            Generator::Serial
            | Generator::Bigint
            | Generator::Ref(_)
            | Generator::BelongsTo(_)
            | Generator::SameAs(_) => unreachable!("whole numbers are made by `Filled`"),
        }
    }
}

fn email(serial: i64) -> String {
    const DOMAINS: [&str; 4] = ["example.com", "example.org", "mail.example", "büro.example"];
    format!("person.{serial}@{}", DOMAINS[serial as usize % 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn bytes_of(seed: u64) -> Vec<Vec<u8>> {
        bytes_in(seed, date(2027, 11, 1))
    }

    fn bytes_in(seed: u64, month: Date) -> Vec<Vec<u8>> {
        let mut model = Model::named("dual-tenant").unwrap();
        model.month = month;
        let rows = model.rows(Bytes(30_000_000));
        let tables = 0..model.manifest.tables.len();
        tables
            .map(|index| {
                let table = TableRows::new(&model, index, &rows, seed).unwrap();
                let mut out = Vec::new();
                let chunks = 0..table.chunks().min(3);
                let made: u64 = chunks
                    .map(|chunk| table.chunk(chunk, Format::Binary, &mut out))
                    .sum();
                assert_eq!(made, table.rows.min(3 * CHUNK));
                out
            })
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let first = bytes_of(42);
        assert!(first == bytes_of(42));
        let other = bytes_of(43);
        assert!(first.iter().zip(&other).all(|(a, b)| a != b));
    }

    #[test]
    fn loaded_times_lie_right_before_the_month() {
        let mut rng = stream([1, 2, 3]);
        let mut model = Model::named("dual-tenant").unwrap();
        model.month = date(2000, 3, 1);
        let rows = model.rows(Bytes(10_000_000));
        let table = TableRows::new(&model, 0, &rows, 1).unwrap();
        let times: Vec<i64> = (0..1000)
            .map(|_| {
                let mut out = Vec::new();
                table.value(&Generator::Timestamptz(2), 1, &mut rng, &mut out);
                i64::from_be_bytes(out[4..].try_into().unwrap())
            })
            .collect();
        // Leap day: 31 + 29 days after the epoch.
        assert!(times.iter().all(|at| (58 * DAY..60 * DAY).contains(at)));
        assert!(times.iter().any(|at| *at >= 59 * DAY) && times.iter().any(|at| *at < 59 * DAY));
    }

    #[test]
    fn another_month_gives_the_same_rows_at_other_times() {
        let (one, next) = (
            bytes_in(42, date(2027, 11, 1)),
            bytes_in(42, date(2028, 11, 1)),
        );
        assert!(one != next);
        let sizes = |tables: &[Vec<u8>]| tables.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&one), sizes(&next));
    }

    #[test]
    fn chunks_do_not_depend_on_the_order_in_which_they_are_made() {
        let model = Model::named("dual-tenant").unwrap();
        let rows = model.rows(Bytes(30_000_000));
        let tables = model.manifest.tables.iter();
        let messages = tables
            .map(|table| table.name.as_str())
            .position(|name| name == "external_agent.messages");
        let table = TableRows::new(&model, messages.unwrap(), &rows, 1).unwrap();
        let (mut early, mut late) = (Vec::new(), Vec::new());
        table.chunk(0, Format::Binary, &mut early);
        table.chunk(1, Format::Text, &mut Vec::new());
        table.chunk(0, Format::Binary, &mut late);
        assert!(early == late);
    }
}
