//! The user's own script, which fills a directory with a copy of the cluster's files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, BackupError, BackupTool, Site, Text, data_directory,
    tablespaces::{self, Tablespace},
};
use crate::{event::Listed, runtime::Exec, scenario::plan::BackupKind};

const TOOL: &str = "command";

/// A shell command, placeholders not yet filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Command(pub String);

/// What stands in such a command for the options that lay tablespaces beside the backup.
const TABLESPACES: &str = "{tablespaces}";

impl Command {
    async fn copy(
        &self,
        site: &Site<'_>,
        directory: &str,
        spaces: &[Tablespace],
    ) -> Result<(), BackupError> {
        let layout = site.node.layout();
        let words = tablespaces::beside_words(spaces, directory);
        let command = site.fill_in(&self.0).replace(TABLESPACES, &words);
        let exec = Exec::shell(format!("mkdir -p {directory} && {command}"))
            .env("PGDRILL_BACKUP", directory)
            .env(
                "PGDRILL_STORE",
                layout.store(site.first()).display().to_string(),
            )
            .env("PGDRILL_DATA", layout.data.display().to_string())
            .envs(site.environment());
        site.exec(exec).await?;
        Ok(())
    }
}

impl BackupTool for Command {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            ..data_directory::ABILITIES
        }
    }

    fn texts(&self) -> Vec<Text<'_>> {
        let text = self.0.as_str();
        vec![Text {
            option: "",
            text,
            further: &["tablespaces"],
        }]
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
}
