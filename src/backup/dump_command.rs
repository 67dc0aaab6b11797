//! The user's own script, which leaves dumps: in a directory of the first store, in one of each
//! further store that it uploads to, or in both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, BackupError, BackupKind, BackupTool, Site, Stores, Text,
    dumps::{self, Contents},
    remote,
};
use crate::{
    event::Listed,
    history::Progress,
    runtime::{Exec, exec::quoted},
};

const TOOL: &str = "dump-command";

/// A shell command, placeholders not yet filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct DumpCommand(pub String);

/// What a script's own report says, if it leaves one: a `*report.json` beside the dumps.
#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warning: Option<String>,
}

impl BackupTool for DumpCommand {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            stores: Stores::Each,
            ..dumps::ABILITIES
        }
    }

    fn texts(&self) -> Vec<Text<'_>> {
        let text = self.0.as_str();
        vec![Text {
            option: "",
            text,
            further: &[],
        }]
    }

    async fn configure(&self, site: &Site<'_>) -> Result<(), BackupError> {
        remote::configure(site).await
    }

    async fn take(
        &self,
        site: &Site<'_>,
        _kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let begun = Contents::begin(site.server).await?;
        let progress = Progress::begin(site.recorder, "backup");
        let directory = directory(site, site.first(), label);
        let performed = Box::pin(self.perform(site, label));
        dumps::filling(site, &directory, &progress, performed).await?;
        let said = said(site, label).await?;
        let mut all = Vec::new();
        for store in site.to {
            let listed = note(site, store, label, &begun).await?;
            all.extend(listed.map(|one| Listed {
                warning: said.warning.clone().unwrap_or_default(),
                ..one
            }));
        }
        let missing = site
            .to
            .iter()
            .find(|store| all.iter().all(|one| one.store != **store));
        match missing {
            Some(_) if all.is_empty() => Err(unfit(label, "left no dump in any store".into())),
            Some(store) if said.warning.is_none() => Err(unfit(
                label,
                format!("left nothing in `{store}`, and its report does not say so"),
            )),
            _ => {
                progress.end(all[0].bytes);
                Ok(all)
            }
        }
    }
}

impl DumpCommand {
    async fn perform(&self, site: &Site<'_>, label: &str) -> Result<(), BackupError> {
        let directory = directory(site, site.first(), label);
        let make = format!("mkdir -p -m 700 {}", quoted(&directory));
        let command = site.fill_in(&self.0);
        let exec = Exec::shell(format!("{make} && {{ {command}\n}}"))
            .env("PGDRILL_BACKUP", &directory)
            .env("PGDRILL_LABEL", label)
            .envs(remote::environment(site))
            .envs(site.environment());
        let ended = site.exec(exec).await;
        // What it says itself of a failure says more than how it ended.
        let said = said(site, label).await.unwrap_or_default();
        match said.status.as_str() {
            "FAILED" => Err(unfit(
                label,
                format!("was reported as FAILED: {}", said.error.unwrap_or_default()),
            )),
            _ => ended.map(drop),
        }
    }
}

fn unfit(label: &str, what: String) -> BackupError {
    BackupError::Unfit(format!("`{label}` {what}"))
}

fn directory(site: &Site<'_>, store: &str, label: &str) -> String {
    format!("{}/dumps/{label}", remote::root(site, store))
}

/// What its report says; nothing where it leaves none.
async fn said(site: &Site<'_>, label: &str) -> Result<Said, BackupError> {
    let directory = directory(site, site.first(), label);
    let find = format!(
        "for report in {}/*report.json; do [ ! -f \"$report\" ] || cat \"$report\"; done",
        quoted(&directory)
    );
    let output = site.node.exec(Exec::shell(find).unrecorded()).await?;
    let text = output.text();
    if text.trim().is_empty() {
        return Ok(Said::default());
    }
    serde_json::from_str(&text).map_err(|cause| BackupError::Unreadable {
        what: format!("the report of `{label}`"),
        cause: cause.to_string(),
    })
}

/// Writes beside the dumps, in a store that has any, what they are, and lists them.
async fn note(
    site: &Site<'_>,
    store: &str,
    label: &str,
    begun: &Contents,
) -> Result<Option<Listed>, BackupError> {
    site.stores.refresh().await?;
    let mut contents = begun.clone();
    dumps::look(site, &directory(site, store, label), &mut contents).await?;
    if contents.databases.is_empty() {
        return Ok(None);
    }
    let root = remote::written_below(site, store);
    let beside = format!("{root}/dumps/{label}");
    let make = ["mkdir", "-p", &beside];
    site.node.exec(Exec::new(make).unrecorded()).await?;
    contents.write(site, &beside).await?;
    if remote::is_remote(site, store) {
        remote::put(site, store, &root, &dumps::paths(label)).await?;
        remote::forget(site).await?;
    }
    let listed = dumps::list(site, TOOL, store).await?.into_iter();
    Ok(listed
        .rev()
        .find(|one| one.label == label)
        .map(|one| one.in_store(store)))
}
