//! What a server's configuration files say when a drill makes it.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::{Plan, ServerPlan};

/// Settings as a scenario writes them: each text, a number, or true/false.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let text = |value| match value {
        Json::String(text) => text,
        Json::Bool(true) => "on".into(),
        Json::Bool(false) => "off".into(),
        other => other.to_string(),
    };
    let written = BTreeMap::<String, Json>::deserialize(deserializer)?.into_iter();
    Ok(written.map(|(name, value)| (name, text(value))).collect())
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let value = json_schema!({
        "type": ["string", "number", "boolean"], "description": "A server setting's value"
    });
    json_schema!({"type": "object", "additionalProperties": value})
}

impl Plan {
    /// Settings of a server: the strategy's, the archive's and its own, scaled; placeholders not
    /// yet filled in.
    pub fn settings(&self, own: &ServerPlan) -> BTreeMap<String, String> {
        let mut settings = self.strategy.settings.clone();
        let (name, value) = match self.strategy.archive() {
            Some(archive) => ("archive_command", archive.archive_command),
            None => ("archive_mode", "off".to_owned()),
        };
        settings.insert(name.into(), value);
        settings.extend(own.settings.clone());
        if let Some(timeout) = settings.get_mut("archive_timeout") {
            *timeout = scaled(timeout, self.scale);
        }
        settings
    }
}

/// A setting in seconds divided by the scale; validation saw to it that it stays whole.
fn scaled(value: &str, scale: u32) -> String {
    match seconds(value) {
        Some(seconds) if scale > 1 => format!("{}s", seconds / u64::from(scale)),
        _ => value.to_owned(),
    }
}

/// A setting's seconds as PostgreSQL reads them; none when it would refuse.
pub fn seconds(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let count: u64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    count.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_timeout_is_scaled() {
        assert_eq!(scaled("300s", 60), "5s");
        assert_eq!(scaled("5min", 60), "5s");
        assert_eq!(scaled("300", 60), "5s");
        assert_eq!(scaled("60s", 1), "60s");
    }

    #[test]
    fn settings_read_as_postgresql_reads_them() {
        assert_eq!(seconds("60"), Some(60));
        assert_eq!(seconds("5min"), Some(300));
        assert_eq!(seconds("1 h"), Some(3_600));
        assert_eq!(seconds("5m"), None);
        assert_eq!(seconds("soon"), None);
    }
}
