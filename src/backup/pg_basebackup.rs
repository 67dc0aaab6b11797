//! `pg_basebackup`, in plain format: PostgreSQL's own base backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, BackupError, BackupTool, Needed, Site, Text, data_directory,
    tablespaces::{self, Tablespace},
};
use crate::{event::Listed, scenario::plan::BackupKind};

const TOOL: &str = "pg-basebackup";

/// Options of `pg_basebackup`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PgBasebackup {
    /// Further options, beside `-D`, `-F plain`, `-X stream` and `-c fast`.
    #[serde(default)]
    pub options: Vec<String>,
}

impl PgBasebackup {
    async fn copy(
        &self,
        site: &Site<'_>,
        directory: &str,
        spaces: &[Tablespace],
    ) -> Result<(), BackupError> {
        let mut arguments = ["-D", directory, "-F", "plain", "-X", "stream", "-c", "fast"]
            .map(String::from)
            .to_vec();
        arguments.extend(tablespaces::mapping(spaces, directory));
        let further = self.options.iter();
        arguments.extend(further.map(|option| site.fill_in(option)));
        site.tool("pg_basebackup", &arguments).await?;
        Ok(())
    }
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

    fn texts(&self) -> Vec<Text<'_>> {
        let options = self.options.iter();
        let text = |text| Text {
            option: "options",
            text,
            further: &[],
        };
        options.map(String::as_str).map(text).collect()
    }

    async fn take(
        &self,
        site: &Site<'_>,
        _kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let copy =
            async |directory: &str, spaces: &[Tablespace]| self.copy(site, directory, spaces).await;
        data_directory::take(site, TOOL, label, copy).await
    }
}
