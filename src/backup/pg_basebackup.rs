//! `pg_basebackup`, plain or in tars: PostgreSQL's own base backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, BackupError, BackupTool, Needed, Site, Text, VerifierWord, data_directory,
    tablespaces::{self, Tablespace},
};
use crate::{event::Listed, scenario::plan::BackupKind, units::is_default};

const TOOL: &str = "pg-basebackup";

/// Options of `pg_basebackup`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PgBasebackup {
    /// Whether files are copied as they are, or into tars. Default: `plain`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: Format,
    /// How tars are packed: `gzip`, `lz4` or `zstd`, with `client-` or `server-` before it and `:5`
    /// behind, which is the level. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<String>,
    /// Further options, beside `-D`, `-F`, `-X stream`, `-c fast` and `--compress`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// As `pg_basebackup --format` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Format {
    /// Files as they are, tablespaces beside them.
    #[default]
    Plain,
    /// `base.tar`, one for each tablespace, and `pg_wal.tar`.
    Tar,
}

impl PgBasebackup {
    async fn copy(
        &self,
        site: &Site<'_>,
        directory: &str,
        spaces: &[Tablespace],
    ) -> Result<(), BackupError> {
        let mut arguments = arguments(directory);
        match self.format {
            Format::Plain => arguments.extend(tablespaces::beside(spaces, directory)),
            Format::Tar => arguments.extend(["-F", "tar"].map(String::from)),
        }
        let compress = self.compress.iter();
        arguments.extend(compress.map(|how| format!("--compress={how}")));
        arguments.extend(self.options.iter().map(|option| site.fill_in(option)));
        site.tool("pg_basebackup", &arguments).await?;
        Ok(())
    }
}

/// What each base backup is taken with.
pub(super) fn arguments(directory: &str) -> Vec<String> {
    let arguments = ["-D", directory, "-X", "stream", "-c", "fast"];
    arguments.map(String::from).to_vec()
}

/// The options as such that may hold placeholders.
pub(super) fn texts(options: &[String]) -> Vec<Text<'_>> {
    let text = |text| Text {
        option: "options",
        text,
        further: &[],
    };
    options.iter().map(String::as_str).map(text).collect()
}

/// Whether a backup has the WAL that it needs: unless the options say otherwise.
pub(super) fn holds_wal(options: &[String]) -> bool {
    let method = |option: &String| option.starts_with("-X") || option.starts_with("--wal-method");
    !options.iter().any(method)
}

/// What is wrong with `--compress`, if anything is.
fn wrong_compression(how: &str, format: Format) -> Option<String> {
    let on_server = how.strip_prefix("server-");
    let method = on_server.or(how.strip_prefix("client-")).unwrap_or(how);
    let (method, level) = method.split_once(':').unwrap_or((method, ""));
    let levels = match method {
        "gzip" => 1..=9,
        "lz4" => 1..=12,
        "zstd" => 1..=22,
        _other => {
            return Some(format!(
                "`{how}` is no compression: gzip, lz4 or zstd, as in `server-zstd:5`"
            ));
        }
    };
    let known = level.is_empty() && !how.contains(':');
    if !known
        && !level
            .parse::<u8>()
            .is_ok_and(|level| levels.contains(&level))
    {
        let (least, most) = levels.into_inner();
        return Some(format!(
            "`{level}` is no level of {method}: {least} to {most}"
        ));
    }
    let unpacked = format == Format::Plain && on_server.is_none();
    unpacked.then(|| "only a backup in tars is packed: `format: tar`".to_owned())
}

impl BackupTool for PgBasebackup {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            from_elsewhere: true,
            needs: &const { [Needed::of_postgres("pg_basebackup")] },
            ..data_directory::ABILITIES
        }
    }

    fn wrong_options(&self) -> Vec<(&'static str, String)> {
        let wrong = |how| wrong_compression(how, self.format);
        let wrong = self.compress.as_deref().and_then(wrong);
        wrong.map(|why| ("compress", why)).into_iter().collect()
    }

    fn texts(&self) -> Vec<Text<'_>> {
        texts(&self.options)
    }

    async fn take(
        &self,
        site: &Site<'_>,
        _kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let copy =
            async |directory: &str, spaces: &[Tablespace]| self.copy(site, directory, spaces).await;
        data_directory::take(site, (TOOL, label), None, copy).await
    }

    async fn verify(
        &self,
        site: &Site<'_>,
        backup: &Listed,
    ) -> Result<Option<VerifierWord>, BackupError> {
        data_directory::verify(site, backup, holds_wal(&self.options)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compression_is_as_pg_basebackup_has_it() {
        let tar = |how: &str| wrong_compression(how, Format::Tar);
        for how in ["gzip", "client-lz4:12", "server-zstd:22", "gzip:9"] {
            assert_eq!(tar(how), None, "{how}");
        }
        let told: Vec<String> = ["bzip2", "server-gzip:10", "zstd:", "lz4:fast"]
            .into_iter()
            .filter_map(tar)
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        `bzip2` is no compression: gzip, lz4 or zstd, as in `server-zstd:5`
        `10` is no level of gzip: 1 to 9
        `` is no level of zstd: 1 to 22
        `fast` is no level of lz4: 1 to 12
        ");
        assert!(wrong_compression("gzip", Format::Plain).is_some());
        assert_eq!(wrong_compression("server-gzip", Format::Plain), None);
    }

    #[test]
    fn options_may_leave_the_wal_out() {
        let holds = |option: &str| holds_wal(&[option.to_owned()]);
        assert!(holds_wal(&[]) && holds("--no-sync"));
        assert!(!holds("-Xnone") && !holds("--wal-method=none"));
    }
}
