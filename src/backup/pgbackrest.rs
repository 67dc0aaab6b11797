//! pgBackRest, with a repository in each store, numbered as the backup's stores are.
//!
//! Each node that works with it has a configuration of its own, which says where that node's
//! server is; the repositories are the same for all. A backup is taken for each repository by
//! itself, WAL is archived into all of them, and fetched from whichever has it.

mod archive;
mod configuration;
mod info;
mod take;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use configuration::{authority, is_own, needed, passphrase, since_2_46};

use super::{
    Abilities, Asked, BackupError, BackupKind, BackupTool, Nature, Resolved, Site, Stores,
    TargetAction, VerifierWord, WalArchive, Wanted,
};
use crate::{
    event::Listed,
    runtime::{Exec, Output},
    units::is_default,
};

const TOOL: &str = "pgbackrest";

/// Where its configuration is on a node.
const CONFIGURATION: &str = "{run}/pgbackrest.conf";
/// Where its repository is in a store.
const REPOSITORY: &str = "pgbackrest";

/// Fetches WAL from whichever repository has it.
const FETCH: &str = "archive-get %f \"%p\"";

/// A stanza and options of pgBackRest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pgbackrest {
    /// The stanza's name. Default: `main`.
    #[serde(default = "main")]
    #[schemars(extend("format" = "name"))]
    pub stanza: String,
    /// Whether its repositories are encrypted (`aes-256-cbc`), with a passphrase of the drill.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encrypted: bool,
    /// Further options of its configuration file, as it names them: `compress-type: zst`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

fn main() -> String {
    "main".into()
}

impl Default for Pgbackrest {
    fn default() -> Self {
        Self {
            stanza: main(),
            encrypted: false,
            options: BTreeMap::new(),
        }
    }
}

impl BackupTool for Pgbackrest {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            nature: Nature::Physical,
            kinds: &[BackupKind::Full, BackupKind::Diff, BackupKind::Incr],
            restores: true,
            from_elsewhere: false,
            in_place: true,
            some_databases: true,
            some_tables: false,
            archives: true,
            stores: Stores::Each,
            speaks_s3: true,
            expires: true,
            verifier: Some("pgbackrest verify"),
            takes_label: false,
            aged_by_files: false,
            postgres: 0,
            demands: &[],
            needs: match self.states(since_2_46) {
                true => const { &[needed(46)] },
                false => const { &[needed(45)] },
            },
        }
    }

    fn wrong_options(&self) -> Vec<(&'static str, String)> {
        let own = self.options.keys().filter(|name| is_own(name));
        let wrong = |name| format!("`{name}` cannot be stated: pgdrill gives it to every node");
        own.map(|name| ("options", wrong(name))).collect()
    }

    fn paths(&self, label: &str) -> Vec<String> {
        vec![format!("{REPOSITORY}/backup/{}/{label}", self.stanza)]
    }

    fn archive(&self, to: &[String]) -> Option<WalArchive> {
        Some(self.wal_archive(to))
    }

    async fn configure(&self, site: &Site<'_>) -> Result<(), BackupError> {
        site.recorder.redact(passphrase(site).reveal());
        for (store, endpoint) in site.stores.endpoints {
            let file = site.fill_in(&authority(store));
            site.node
                .put(file.as_ref(), endpoint.ca.as_bytes(), 0o600)
                .await?;
        }
        let text = self.configuration(site);
        let file = site.fill_in(CONFIGURATION);
        Ok(site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?)
    }

    async fn prepare(&self, site: &Site<'_>) -> Result<(), BackupError> {
        self.perform(site, &["stanza-create"]).await
    }

    async fn take(
        &self,
        site: &Site<'_>,
        kind: BackupKind,
        _label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let mut all = Vec::new();
        for store in site.to {
            let taken = self.take_into(site, store, kind).await?;
            all.push(taken.in_store(store));
        }
        Ok(all)
    }

    async fn list(&self, site: &Site<'_>, store: &str) -> Result<Vec<Listed>, BackupError> {
        info::listed(&self.info(site, store).await?)
    }

    async fn hindrance(&self, site: &Site<'_>, store: &str) -> Result<Option<String>, BackupError> {
        info::hindrance(&self.info(site, store).await?)
    }

    async fn restore(&self, site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
        let mut arguments = restore_arguments(site, wanted);
        // The one that it writes by itself asks the repository of the backup alone.
        let fetch = site.fill_in(&self.command(FETCH));
        let command = wanted.restore_command.unwrap_or(&fetch);
        arguments.push(format!("--recovery-option=restore_command={command}"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.perform(site, &arguments).await?;
        Ok(Asked::ByTool)
    }

    /// It looks at the whole repository. That of 2.45 may end with 0 whatever it found, and tells
    /// it in its log at level `info` alone.
    async fn verify(
        &self,
        site: &Site<'_>,
        backup: &Listed,
    ) -> Result<Option<VerifierWord>, BackupError> {
        let repo = repo(site, &backup.store);
        let mut exec = self.exec(site, &["verify", "--log-level-console=info", &repo]);
        // Whatever it ends with is its word, but for what says that it was not called rightly.
        exec.allowed = (1..=255).filter(|code| !USAGE.contains(code)).collect();
        let output = site.node.exec(exec).await?;
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        Ok(Some(VerifierWord {
            verifier: "pgbackrest verify".into(),
            good: output.exit == 0 && !finds_fault(&String::from_utf8_lossy(&said)),
            output: Output::tail(&said, 10),
        }))
    }

    async fn expire(&self, site: &Site<'_>) -> Result<(), BackupError> {
        self.perform(site, &["expire"]).await
    }
}

/// Whether a verifier that ended with 0 tells of something wrong.
fn finds_fault(log: &str) -> bool {
    log.contains("status: error") || log.contains(" ERROR: ")
}

/// Exit codes for a wrong option or command, and of a shell that finds no program.
const USAGE: std::ops::RangeInclusive<i32> = 30..=37;

/// The option that names the repository of a store.
fn repo(site: &Site<'_>, store: &str) -> String {
    format!("--repo={}", number(site, store))
}

/// The number of the repository of a store.
fn number(site: &Site<'_>, store: &str) -> usize {
    let before = site.to.iter().take_while(|one| *one != store).count();
    before + 1
}

/// The options that name a repository and have it read from its directory, also where object storage
/// serves that.
fn read_directly(number: usize, directory: &str) -> [String; 3] {
    [
        format!("--repo={number}"),
        format!("--repo{number}-type=posix"),
        format!("--repo{number}-path={directory}"),
    ]
}

impl Pgbackrest {
    /// Whether one of its options is such a one.
    fn states(&self, such: impl Fn(&str, &str) -> bool) -> bool {
        self.options.iter().any(|(name, value)| such(name, value))
    }

    /// For a server's configuration, placeholders not yet filled in.
    fn command(&self, what: &str) -> String {
        let stanza = &self.stanza;
        format!("pgbackrest --config={CONFIGURATION} --stanza={stanza} {what}")
    }

    /// What it says of a repository; also what it can't read is told so, and by exit code 0.
    async fn info(&self, site: &Site<'_>, store: &str) -> Result<String, BackupError> {
        let exec = self.exec(site, &["info", "--output=json", &repo(site, store)]);
        Ok(site.node.exec(exec.unrecorded()).await?.text())
    }

    fn exec(&self, site: &Site<'_>, arguments: &[&str]) -> Exec {
        let configuration = site.fill_in(CONFIGURATION);
        let own = [
            "pgbackrest".to_owned(),
            format!("--config={configuration}"),
            format!("--stanza={}", self.stanza),
        ];
        let arguments = arguments.iter().map(|&one| one.to_owned());
        Exec::new(own.into_iter().chain(arguments)).within(site.deadline)
    }

    async fn perform(&self, site: &Site<'_>, arguments: &[&str]) -> Result<(), BackupError> {
        site.node.exec(self.exec(site, arguments)).await?;
        Ok(())
    }
}

fn restore_arguments(site: &Site<'_>, wanted: &Wanted<'_>) -> Vec<String> {
    let spaces = site.node.layout().tablespaces.display();
    let mut arguments = vec![
        "restore".to_owned(),
        repo(site, &wanted.backup.store),
        format!("--set={}", wanted.backup.label),
        format!("--tablespace-map-all={spaces}"),
    ];
    if wanted.in_place {
        arguments.push("--delta".into());
    }
    let databases = wanted.only.databases.iter();
    arguments.extend(databases.map(|name| format!("--db-include={name}")));
    arguments.extend(target_arguments(wanted.target, wanted.action));
    arguments
}

/// What says up to where recovery goes, along which timeline, and what the server does there.
fn target_arguments(target: &Resolved, action: Option<TargetAction>) -> Vec<String> {
    let mut arguments = Vec::new();
    let setting = |name: &str| {
        let mut settings = target.settings.iter();
        let (_, value) = settings.find(|(of, _)| of == name)?;
        Some(value.as_str())
    };
    for kind in ["time", "lsn", "xid", "name"] {
        if let Some(target) = setting(&format!("recovery_target_{kind}")) {
            arguments.extend([format!("--type={kind}"), format!("--target={target}")]);
        }
    }
    if setting("recovery_target").is_some() {
        arguments.push("--type=immediate".into());
    }
    if setting("recovery_target_inclusive") == Some("off") {
        arguments.push("--target-exclusive".into());
    }
    arguments.extend(
        target
            .timeline
            .map(|timeline| format!("--target-timeline={timeline}")),
    );
    if let Some(action) = action.filter(|_| !target.settings.is_empty()) {
        arguments.push(format!("--target-action={}", action.name()));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::TargetTimeline;

    #[test]
    fn a_timeline_is_followed_to_the_end_as_to_a_target() {
        let along = |settings: &[(&str, &str)], timeline| {
            let owned = settings
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()));
            let target = Resolved {
                settings: owned.collect(),
                by_lsn: None,
                by_us: None,
                timeline: Some(timeline),
            };
            target_arguments(&target, Some(TargetAction::Promote)).join(" ")
        };
        let old = along(&[], TargetTimeline::Number(1));
        assert_eq!(old, "--target-timeline=1");
        let point = [("recovery_target_name", "release")];
        let told = along(&point, TargetTimeline::Current);
        let wanted =
            "--type=name --target=release --target-timeline=current --target-action=promote";
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_verifier_that_ends_well_may_have_found_a_fault() {
        assert!(finds_fault(
            "P00   INFO: stanza: main\n  status: error\n    No usable backup.info file"
        ));
        assert!(!finds_fault(
            "P00   INFO: verify command end: completed successfully (566ms)"
        ));
    }
}
