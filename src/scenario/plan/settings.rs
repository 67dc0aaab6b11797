//! What a server's configuration files say when a drill makes it.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::{Plan, ServerPlan};

/// Settings that every drilled server is given on its command line, whatever its files say: by
/// them it is reached on its node, and its log is read. A scenario can't state them.
pub const OVERRIDDEN: [&str; 9] = [
    "data_directory",
    "listen_addresses",
    "log_destination",
    "log_line_prefix",
    "log_timezone",
    "logging_collector",
    "port",
    "restart_after_crash",
    "unix_socket_directories",
];

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
    let time: Option<crate::units::Time> = value
        .parse()
        .ok()
        .or_else(|| format!("{value}s").parse().ok());
    match time {
        Some(time) if scale > 1 => format!("{}s", time.0.as_secs() / u64::from(scale)),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_timeout_is_scaled() {
        assert_eq!(scaled("300s", 60), "5s");
        assert_eq!(scaled("5m", 60), "5s");
        assert_eq!(scaled("300", 60), "5s");
        assert_eq!(scaled("60s", 1), "60s");
    }
}
