//! Quantities as people write them in a scenario: `10s`, `200MB`, `300/s`.
//!
//! One type a quantity, each with its parser, its display and its JSON Schema.
//! What a quantity is used for does not belong here.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written `250ms`, `10s`, `5m`, `1h 30m`, `30d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// An amount of bytes, written `16MB`, `1.5GiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Arrivals of transactions: so many a second, or as fast as the clients can.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Open loop: arrivals by a Poisson process, in transactions a second.
    PerSecond(f64),
    /// Closed loop: each client starts its next transaction when the last ended.
    Max,
}

/// Whether a value is the one that it has where nothing is said. The published schema tells such
/// defaults in words.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Rate {
    /// The most that is taken, in transactions a second: more than any server commits.
    const MOST: f64 = 1_000_000.0;
}

/// What was wrong with a quantity's text; the message says what was expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UnitError(pub String);

impl Time {
    /// Its text, however small the parts of a second it is of.
    fn whole(&self) -> String {
        format!("{}ns", self.0.as_nanos())
    }
}

impl Bytes {
    /// Its text to the byte.
    fn whole(&self) -> String {
        format!("{}B", self.0)
    }
}

impl Rate {
    fn whole(&self) -> String {
        self.to_string()
    }
}

/// The wall clock, for names and for people. It may step back, so it measures nothing:
/// durations are `history::Recorder`'s and `Instant`'s, which are monotonic.
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
pub fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

impl Time {
    /// Whole microseconds, the unit of all times in a history.
    pub fn micros(self) -> u64 {
        self.0.as_micros() as u64
    }
}

impl FromStr for Time {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || {
            UnitError(format!(
                "`{text}` is not a length of time, like `10s`, `5m` or `1h 30m`"
            ))
        };
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let span: jiff::Span = text.parse().map_err(|_| bad())?;
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        let signed = span.to_duration(days).map_err(|_| bad())?;
        Duration::try_from(signed).map(Self).map_err(|_| bad())
    }
}

impl FromStr for Bytes {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let parsed: Result<bytesize::ByteSize, _> = text.parse();
        parsed.map(|size| Self(size.as_u64())).map_err(|_| {
            UnitError(format!(
                "`{text}` is not an amount of bytes, like `16MB` or `1GiB`"
            ))
        })
    }
}

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || {
            UnitError(format!(
                "`{text}` is not a rate, like `20/s`, `30/m` or `max`"
            ))
        };
        if text == "max" {
            return Ok(Self::Max);
        }
        let (count, unit) = text.split_once('/').ok_or_else(bad)?;
        let count: f64 = count.trim().parse().map_err(|_| bad())?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        if !count.is_finite() || count <= 0.0 {
            return Err(bad());
        }
        let rate = count / seconds;
        if rate > Self::MOST {
            return Err(UnitError(format!(
                "`{text}` is too much: at most `1000000/s`; `max` is as fast as the clients can"
            )));
        }
        Ok(Self::PerSecond(rate))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.micros();
        match us {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{us}us"),
            1_000..1_000_000 => write!(f, "{}ms", us as f64 / 1e3),
            _ => f.write_str(&clock(us)),
        }
    }
}

/// Microseconds as `1d 2h 3m 4.5s`, leaving out the units that are zero.
fn clock(us: u64) -> String {
    let minutes = us / 60_000_000;
    let parts = [
        ((minutes / 1_440) as f64, "d"),
        ((minutes / 60 % 24) as f64, "h"),
        ((minutes % 60) as f64, "m"),
        ((us % 60_000_000) as f64 / 1e6, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0.0)
        .map(|(n, u)| format!("{n}{u}"))
        .collect();
    shown.join(" ")
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&bytesize::ByteSize(self.0).display().si(), f)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}/s"),
            Self::Max => f.write_str("max"),
        }
    }
}

macro_rules! text_form {
    ($type:ty, $name:literal, $what:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // As people write it, unless that would lose something.
                let text = self.to_string();
                let same = text.parse() == Ok(*self);
                let text = if same { text } else { self.whole() };
                serializer.serialize_str(&text)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $name, "description": $what, "examples": [$example]})
            }
        }
    };
}
text_form!(
    Time,
    "time",
    "A length of time, like `10s`, `5m`, `1h 30m` or `30d`",
    "10s"
);
text_form!(
    Bytes,
    "bytes",
    "An amount of bytes, like `16MB` or `1GiB`",
    "200MB"
);
text_form!(
    Rate,
    "rate",
    "Transactions a second, minute or hour, or `max`",
    "300/s"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_written() {
        for (text, shown) in [
            ("10s", "10s"),
            ("90s", "1m 30s"),
            ("30d", "30d"),
            ("250ms", "250ms"),
            ("0s", "0s"),
            ("1h 30m", "1h 30m"),
            ("90.5s", "1m 30.5s"),
            ("1.5ms", "1.5ms"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), shown);
        }
        assert!("ten".parse::<Time>().is_err());
        assert!("-5s".parse::<Time>().is_err());
    }

    #[test]
    fn rates_read_as_written() {
        assert_eq!("30/m".parse(), Ok(Rate::PerSecond(0.5)));
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert!("0/s".parse::<Rate>().is_err());
        assert!("5".parse::<Rate>().is_err());
    }

    #[test]
    fn rates_end_where_no_server_follows() {
        for text in ["1000000/s", "60000000/m", "1e6/s"] {
            assert_eq!(text.parse(), Ok(Rate::PerSecond(1e6)), "{text}");
        }
        for text in ["1000001/s", "1e15/s", "61000000/m", "1e300/h"] {
            let refused = text.parse::<Rate>().unwrap_err().to_string();
            assert!(refused.starts_with(&format!("`{text}` is too much")));
        }
    }

    #[test]
    fn a_quantity_loses_nothing_as_json() {
        fn again<T: Serialize + serde::de::DeserializeOwned>(it: T) -> T {
            serde_json::from_str(&serde_json::to_string(&it).unwrap()).unwrap()
        }
        for nanos in [
            0,
            1,
            999,
            1_500,
            250_500_000,
            90_500_000_000,
            86_400_000_000_007,
        ] {
            let time = Time(Duration::from_nanos(nanos));
            assert_eq!(again(time), time);
        }
        for bytes in [0, 1, 999, 10_000_001, 20_449_999, 1 << 30, 100_000_000_001] {
            assert_eq!(again(Bytes(bytes)), Bytes(bytes));
        }
        for rate in [0.1, 1.0 / 3.0, 1e6, 0.000_123_456_789] {
            assert_eq!(again(Rate::PerSecond(rate)), Rate::PerSecond(rate));
        }
        assert_eq!(
            serde_json::to_string(&Bytes(20_000_000)).unwrap(),
            "\"20.0 MB\""
        );
    }

    #[test]
    fn bytes_read_as_written() {
        assert_eq!("200MB".parse(), Ok(Bytes(200_000_000)));
        assert_eq!("1GiB".parse(), Ok(Bytes(1 << 30)));
        assert!("much".parse::<Bytes>().is_err());
    }
}
