//! Values as text, in the form in which the server prints them: of rows that clients write, and of
//! loaded ones in columns of other types than the generators'.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;

use super::words;
use crate::scenario::plan::{Generator, Length};

/// Appends a value that is no whole number of 8 bytes; false where it is NULL. `email`: an address
/// of this row's alone; `until`: every time lies in the days before.
pub fn value(
    generator: &Generator,
    email: &str,
    until: Date,
    rng: &mut ChaCha12Rng,
    out: &mut Vec<u8>,
) -> bool {
    let mut put = |text: String| out.extend_from_slice(text.as_bytes());
    match generator {
        Generator::Int(numbers) => put(rng.random_range(numbers.min..=numbers.max).to_string()),
        Generator::Text(length) => {
            let length = of(*length, rng);
            words::text(rng, length, out);
        }
        Generator::Name => words::name(rng, out),
        Generator::Email => put(email.to_owned()),
        Generator::Hash => put(digits(32, rng)),
        Generator::Uuid => {
            let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
            put(id.to_string());
        }
        Generator::Bytes(length) => put(format!("\\x{}", digits(of(*length, rng), rng))),
        Generator::Jsonb(length) => {
            let length = of(*length, rng);
            words::object(rng, length, out);
        }
        Generator::Numeric(scale) => put(amount(*scale, rng)),
        Generator::Timestamptz(days) => put(time(until, *days, rng)),
        Generator::Bool(percent) => put((rng.random_range(0..100) < *percent).to_string()),
        Generator::Enum(values) => put(values[rng.random_range(0..values.len())].clone()),
        Generator::TextArray(n) => array(*n, out, |out| words::word(rng, out)),
        Generator::IntArray(n) => array(*n, out, |out| {
            let number: u32 = rng.random_range(0..1_000_000);
            out.extend_from_slice(number.to_string().as_bytes());
        }),
        Generator::Pattern(pattern) => {
            let digit = |c| match c {
                '#' => char::from(b'0' + rng.random_range(0..10u8)),
                other => other,
            };
            put(pattern.chars().map(digit).collect());
        }
        Generator::None => return false,
        Generator::Serial
        | Generator::Bigint
        | Generator::Ref(_)
        | Generator::BelongsTo(_)
        | Generator::SameAs(_) => unreachable!("whole numbers are made by `Columns`"),
    }
    true
}

/// A length between these.
pub fn of(length: Length, rng: &mut ChaCha12Rng) -> usize {
    rng.random_range(length.min..=length.max)
}

fn digits(bytes: usize, rng: &mut ChaCha12Rng) -> String {
    let mut random = vec![0; bytes];
    rng.fill_bytes(&mut random);
    hex::encode(random)
}

fn amount(scale: u16, rng: &mut ChaCha12Rng) -> String {
    let unit = 10u32.pow(u32::from(scale));
    let all = rng.random_range(0..10_000 * unit);
    match scale {
        0 => all.to_string(),
        _ => format!(
            "{}.{:0width$}",
            all / unit,
            all % unit,
            width = usize::from(scale)
        ),
    }
}

/// In whole seconds of UTC.
fn time(until: Date, days: u32, rng: &mut ChaCha12Rng) -> String {
    let before = rng.random_range(1..=i64::from(days) * 86_400);
    let until = until.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let at = until.and_then(|until| until.checked_sub(before.seconds()));
    at.unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%d %H:%M:%S+00")
        .to_string()
}

fn array(n: usize, out: &mut Vec<u8>, mut element: impl FnMut(&mut Vec<u8>)) {
    out.push(b'{');
    for at in 0..n {
        if at > 0 {
            out.push(b',');
        }
        element(out);
    }
    out.push(b'}');
}
