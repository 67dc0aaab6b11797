//! Formats of text: what the schema calls `format` and how each is read.

use crate::{
    postgres::lsn,
    units::{Bytes, Rate, Time},
};

/// Whether a text is as the format demands; the message says what was expected.
///
/// # Errors
/// The text does not have the format. A format that is not known here is free text.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    let named = |good: fn(char) -> bool| (1..=63).contains(&text.len()) && text.chars().all(good);
    let fits = match format {
        "time" => return text.parse::<Time>().map(drop).map_err(|e| e.0),
        "bytes" => return text.parse::<Bytes>().map(drop).map_err(|e| e.0),
        "rate" => return text.parse::<Rate>().map(drop).map_err(|e| e.0),
        "lsn" => lsn::parse(text).is_some(),
        "instant" => has_a_zone(text)?,
        "name" => named(|c| is_plain(c) || c == '-') && !text.starts_with('-'),
        "qualified-name" => text
            .split_once('.')
            .is_some_and(|(schema, name)| !schema.is_empty() && !name.is_empty()),
        "database" if ["template0", "template1"].contains(&text) => {
            return Err(format!("`{text}` is a template of PostgreSQL's"));
        }
        "plain-identifier" | "database" => {
            named(|c| is_plain(c) || c == '_') && !text.starts_with(|c: char| c.is_ascii_digit())
        }
        "restore-point" => (1..=63).contains(&text.len()),
        "sqlstate" => is_sqlstate(text),
        "package" => is_package(&text.replace("{postgres}", "17")),
        _ => true,
    };
    match describe(format) {
        Some(what) if !fits => Err(format!("`{text}` is not {what}")),
        _ => Ok(()),
    }
}

/// What a format is, in words; none for free text.
pub fn describe(format: &str) -> Option<&'static str> {
    Some(match format {
        "time" => "a length of time, like `10s` or `30d`",
        "bytes" => "an amount of bytes, like `200MB`",
        "rate" => "a rate, like `20/s` or `max`",
        "lsn" => "a WAL position, like `0/3000148`",
        "instant" => "a point in time with its zone, like `2026-01-31T12:00:00Z`",
        "name" => "a name of lower-case letters, digits and `-` (at most 63)",
        "qualified-name" => "a name with its schema, like `sales.orders`",
        "plain-identifier" | "database" => {
            "a name that SQL takes without quotes: lower-case letters, digits and `_` (at most 63)"
        }
        "restore-point" => "a restore point's name (at most 63 bytes)",
        "sqlstate" => "an SQLSTATE, like `42501`",
        "package" => "a Debian package, like `postgresql-17-pgvector`",
        _ => return None,
    })
}

fn has_a_zone(text: &str) -> Result<bool, String> {
    let fits = text.parse::<jiff::Timestamp>().is_ok();
    match text.parse::<jiff::civil::DateTime>() {
        Ok(_) if !fits => Err(format!(
            "`{text}` has no zone: elsewhere it is another instant"
        )),
        _ => Ok(fits),
    }
}

fn is_package(name: &str) -> bool {
    let good = |c: char| is_plain(c) || "+-.".contains(c);
    name.len() > 1 && name.starts_with(is_plain) && name.chars().all(good)
}

fn is_sqlstate(code: &str) -> bool {
    let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    code.len() == 5 && code.chars().all(good)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
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
