//! Formats of text: what the schema calls `format` and how each is read.

use crate::{
    postgres::lsn,
    units::{Bytes, Rate, Time},
};

/// Reads a text as the format demands; the message says what was expected.
///
/// # Errors
/// The text does not have the format. A format that is not known here is free text.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    match format {
        "time" => text.parse::<Time>().map(drop).map_err(|e| e.0),
        "bytes" => text.parse::<Bytes>().map(drop).map_err(|e| e.0),
        "rate" => text.parse::<Rate>().map(drop).map_err(|e| e.0),
        "lsn" => lsn::parse(text)
            .map(drop)
            .ok_or_else(|| not(text, "a WAL position, like `0/3000148`")),
        "instant" => instant(text),
        "name" => name(text),
        "qualified-name" => qualified_name(text),
        "plain-identifier" => plain_identifier(text),
        "package" => package(text),
        _ => Ok(()),
    }
}

/// What a format is, in words; none for free text.
pub fn describe(format: &str) -> Option<&'static str> {
    match format {
        "time" => Some("a length of time, like `10s` or `30d`"),
        "bytes" => Some("an amount of bytes, like `200MB`"),
        "rate" => Some("a rate, like `20/s` or `max`"),
        "lsn" => Some("a WAL position, like `0/3000148`"),
        "instant" => Some("a point in time with its zone, like `2026-01-31T12:00:00Z`"),
        "name" => Some("a name of lower-case letters, digits and hyphens"),
        "qualified-name" => Some("a name with its schema, like `sales.orders`"),
        "plain-identifier" => Some("a name that SQL takes without quotes, like `sales`"),
        "package" => Some("a Debian package, like `postgresql-17-pgvector`"),
        _ => None,
    }
}

fn not(text: &str, what: &str) -> String {
    format!("`{text}` is not {what}")
}

fn instant(text: &str) -> Result<(), String> {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(());
    }
    if text.parse::<jiff::civil::DateTime>().is_ok() {
        return Err(format!(
            "`{text}` has no zone: elsewhere it is another instant"
        ));
    }
    Err(not(
        text,
        "a point in time with its zone, like `2026-01-31T12:00:00Z`",
    ))
}

fn name(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.len() <= 63 && text.chars().all(good) && !text.starts_with('-') {
        return Ok(());
    }
    Err(not(
        text,
        "a name of lower-case letters, digits and `-` (at most 63)",
    ))
}

fn qualified_name(text: &str) -> Result<(), String> {
    match text.split_once('.') {
        Some((schema, name)) if !schema.is_empty() && !name.is_empty() => Ok(()),
        _ => Err(not(text, "a name with its schema, like `sales.orders`")),
    }
}

fn plain_identifier(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    if text.starts_with(first) && text.len() <= 63 && text.chars().all(good) {
        return Ok(());
    }
    Err(not(
        text,
        "a name that SQL takes without quotes: lower-case letters, digits and `_` (at most 63)",
    ))
}

fn package(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let named = text.replace("{postgres}", "17");
    let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if named.len() > 1 && named.starts_with(begins) && named.chars().all(good) {
        return Ok(());
    }
    Err(not(text, "a Debian package, like `postgresql-17-pgvector`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_a_zone() {
        assert!(check("instant", "2026-01-31T12:00:00+02:00").is_ok());
        let error = check("instant", "2026-01-31 12:00:00").unwrap_err();
        assert!(error.contains("zone"), "{error}");
        assert!(check("instant", "yesterday").is_err());
    }

    #[test]
    fn names_are_plain() {
        assert!(check("name", "oa-table-dropped").is_ok());
        for bad in ["", "OA", "a b", "-a", "a/b"] {
            assert!(check("name", bad).is_err(), "{bad}");
        }
    }
}
