//! `pg_basebackup --incremental`, from PostgreSQL 17 on: a full backup, and what changed since the one
//! before, link by link; `pg_combinebackup` makes a data directory of a chain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, Asked, BackupError, BackupTool, Needed, Site, Text, VerifierWord, Wanted,
    chain::{Link, Start, chain},
    data_directory, pg_basebackup,
    tablespaces::{self, Tablespace},
};
use crate::{
    event::{EventKind, Listed},
    runtime::{Exec, exec::quoted},
    scenario::plan::{BackupKind, Phase},
    units::is_default,
};

const TOOL: &str = "pg-basebackup-incremental";

const COMBINE: &str = "pg_combinebackup";

/// Options of `pg_basebackup` and `pg_combinebackup`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PgBasebackupIncremental {
    /// How `pg_combinebackup` brings files to their place that it need not put together. Default: `copy`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub combine: Combine,
    /// Further options of `pg_basebackup`, beside `-D`, `-X stream`, `-c fast` and `--incremental`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// As `pg_combinebackup` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Combine {
    /// It reads and writes them.
    #[default]
    Copy,
    /// Both share their blocks, on file systems that can (`--clone`).
    Clone,
    /// The kernel copies them (`--copy-file-range`).
    CopyFileRange,
}

impl Combine {
    fn option(self) -> Option<&'static str> {
        match self {
            Self::Copy => None,
            Self::Clone => Some("--clone"),
            Self::CopyFileRange => Some("--copy-file-range"),
        }
    }
}

impl BackupTool for PgBasebackupIncremental {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            postgres: 17,
            kinds: &[BackupKind::Full, BackupKind::Incr],
            from_elsewhere: true,
            demands: &[("summarize_wal", "on")],
            needs: &const {
                [
                    Needed::of_postgres("pg_basebackup"),
                    Needed::of_postgres(COMBINE),
                ]
            },
            ..data_directory::ABILITIES
        }
    }

    fn texts(&self) -> Vec<Text<'_>> {
        pg_basebackup::texts(&self.options)
    }

    async fn take(
        &self,
        site: &Site<'_>,
        kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let parent = match kind {
            BackupKind::Incr => Some(newest(site).await?),
            _full => None,
        };
        let copy = async |directory: &str, spaces: &[Tablespace]| {
            let mut arguments = pg_basebackup::arguments(directory);
            arguments.extend(tablespaces::beside(spaces, directory));
            arguments.extend(parent.iter().map(|(since, _)| since.clone()));
            arguments.extend(self.options.iter().map(|option| site.fill_in(option)));
            site.tool("pg_basebackup", &arguments).await.map(drop)
        };
        let start = parent.as_ref().map(|(_, start)| *start);
        data_directory::take(site, (TOOL, label), start, copy).await
    }

    /// What comes of the chain must be what the links' manifests promise: its verifier is asked before
    /// and after, and a bad word either time ends the restore.
    async fn restore(&self, site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
        let links = links_of(site, wanted.backup).await?;
        let chain = chain(&links, &wanted.backup.label).map_err(BackupError::Unfit)?;
        site.exec(Exec::shell(
            self.verifying(site, &directories(site, &chain)),
        ))
        .await?;
        site.exec(Exec::shell(emptying(site, wanted.in_place)))
            .await?;
        let phase = Phase::Combine;
        site.recorder.record(EventKind::PhaseBegan { phase });
        let layout = site.node.layout();
        let data = layout.data.display().to_string();
        let spaces = layout.tablespaces.display().to_string();
        site.exec(self.combining(site, &chain, (&data, &spaces)))
            .await?;
        site.exec(Exec::shell(self.verifying(site, &[data])))
            .await?;
        Ok(Asked::NotYet)
    }

    /// Of every link of its chain, and whether `pg_combinebackup` takes them for one.
    async fn verify(
        &self,
        site: &Site<'_>,
        backup: &Listed,
    ) -> Result<Option<VerifierWord>, BackupError> {
        let links = links_of(site, backup).await?;
        let chain = match chain(&links, &backup.label) {
            Ok(chain) => chain,
            Err(why) => {
                return Ok(Some(VerifierWord {
                    verifier: data_directory::VERIFIER.into(),
                    good: false,
                    output: why,
                }));
            }
        };
        let nowhere = format!("{}/combined", site.node.layout().run.display());
        let to = (nowhere.as_str(), nowhere.as_str());
        let combining = self.combining(site, &chain, to).arg("--dry-run");
        let script = self.verifying(site, &directories(site, &chain)) + &combining.command_line();
        let output = site.exec(Exec::shell(script).allow(1)).await?;
        Ok(Some(data_directory::word_of(&output)))
    }
}

impl PgBasebackupIncremental {
    /// A script that has each directory verified, and ends at the first that is not good.
    fn verifying(&self, site: &Site<'_>, all: &[String]) -> String {
        data_directory::verifying(site, all, pg_basebackup::holds_wal(&self.options))
    }

    /// `pg_combinebackup` of a chain into a data directory and one for the tablespaces.
    fn combining(&self, site: &Site<'_>, chain: &[&Link], (data, below): (&str, &str)) -> Exec {
        let spaces = chain.last().map_or(&[][..], |newest| &newest.tablespaces);
        let spaces = spaces.iter().map(|(oid, at)| (*oid, at.as_str()));
        let mut words = vec![site.program(COMBINE), "-o".into(), data.into()];
        words.extend(tablespaces::mapping(spaces, below));
        words.extend(self.combine.option().map(str::to_owned));
        words.extend(directories(site, chain));
        Exec::new(words)
    }
}

/// What lies in a backup's store.
async fn links_of(site: &Site<'_>, backup: &Listed) -> Result<Vec<Link>, BackupError> {
    data_directory::links(site, TOOL, &backup.store).await
}

/// Where the links of a chain lie.
fn directories(site: &Site<'_>, chain: &[&Link]) -> Vec<String> {
    let links = chain.iter();
    links
        .map(|link| data_directory::directory_of(site, &link.listed))
        .collect()
}

/// The one that the next is to build on, if its own chain is whole: the option that says so, and
/// where it begins.
async fn newest(site: &Site<'_>) -> Result<(String, Start), BackupError> {
    let unfit = |why: String| BackupError::Unfit(why);
    let links = data_directory::links(site, TOOL, site.first()).await?;
    let newest = links.last().ok_or_else(|| {
        let name = site.name;
        unfit(format!("there is no backup of `{name}` to build on"))
    })?;
    let listed = &newest.listed;
    chain(&links, &listed.label).map_err(unfit)?;
    let start = newest.start().ok_or_else(|| {
        let label = &listed.label;
        unfit(format!(
            "`{label}` does not say where it begins: it has no `backup_label`"
        ))
    })?;
    let directory = data_directory::directory_of(site, listed);
    Ok((format!("--incremental={directory}/backup_manifest"), start))
}

/// `pg_combinebackup` writes into directories that are empty.
fn emptying(site: &Site<'_>, in_place: bool) -> String {
    let layout = site.node.layout();
    let path = |path: &std::path::Path| quoted(&path.display().to_string());
    let (data, spaces) = (path(&layout.data), path(&layout.tablespaces));
    let make = format!("mkdir -p {data} {spaces} && chmod 700 {data}");
    match in_place {
        true => format!("{make} && find {data} {spaces} -mindepth 1 -delete"),
        false => make,
    }
}
