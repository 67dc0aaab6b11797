//! Taking a backup into one of its repositories, and how far that has come.

use super::{Pgbackrest, REPOSITORY, info, number, read_directly, repo};
use crate::{
    backup::{BackupError, BackupKind, BackupTool, Site, size},
    event::Listed,
    history::{Bytes, Progress},
};

impl Pgbackrest {
    pub(super) async fn take_into(
        &self,
        site: &Site<'_>,
        store: &str,
        kind: BackupKind,
    ) -> Result<Listed, BackupError> {
        let before = self.list(site, store).await?;
        let progress = Progress::begin(site.recorder, "backup");
        let held = held(site, store).await.unwrap_or_default();
        let come = async || self.come(site, store, held).await;
        let kind_option = format!("--type={}", type_of(kind));
        let arguments = ["backup", &kind_option, &repo(site, store)];
        progress
            .during(self.perform(site, &arguments), come)
            .await?;
        let after = self.list(site, store).await?;
        let taken = taken(&before, after, kind)?;
        progress.end(taken.bytes);
        Ok(taken)
    }

    /// How far it has come: as pgBackRest tells by itself, from 2.48 on and once it copies, or else by
    /// what the repository, which `held` so much before, has come to.
    async fn come(&self, site: &Site<'_>, store: &str, held_before: u64) -> Option<Bytes> {
        if let Some(told) = self.told(site, store).await {
            return Some(told);
        }
        let done = held(site, store).await?.saturating_sub(held_before);
        Some(Bytes { done, total: 0 })
    }

    /// The store is not asked, which may count what it is asked for, or be slow.
    async fn told(&self, site: &Site<'_>, store: &str) -> Option<Bytes> {
        let repository = site.stored(store, REPOSITORY);
        let [repo, kind, path] = read_directly(number(site, store), &repository);
        let exec = self.exec(site, &["info", "--output=json", &repo, &kind, &path]);
        let output = site.node.exec(exec.unrecorded()).await.ok()?;
        info::under_way(&output.text())
    }
}

/// Bytes of the backups in a store's repository.
async fn held(site: &Site<'_>, store: &str) -> Option<u64> {
    let backups = site.stored(store, &format!("{REPOSITORY}/backup"));
    size(site.node, &backups).await.ok()
}

/// The one that was not there before, of the kind that was asked for.
fn taken(before: &[Listed], after: Vec<Listed>, kind: BackupKind) -> Result<Listed, BackupError> {
    let is_new = |one: &Listed| !before.iter().any(|other| other.label == one.label);
    let taken = after.into_iter().rev().find(is_new).ok_or_else(|| {
        BackupError::Unfit("`pgbackrest info` lists no backup that was not there before".into())
    })?;
    if taken.kind != kind {
        let (made, asked) = (taken.kind.word(), kind.word());
        let label = &taken.label;
        return Err(BackupError::Unfit(format!(
            "pgBackRest made a {made} backup, `{label}`, where a {asked} one was asked for"
        )));
    }
    Ok(taken)
}

fn type_of(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Diff => "diff",
        BackupKind::Incr => "incr",
        BackupKind::Full | BackupKind::Logical => "full",
    }
}
