//! Backup tools: what takes a backup, lists, verifies, restores and expires it.
//!
//! One file a tool, and one line in the list below: nothing outside such a file knows a tool by
//! name. What it can do it says itself ([`Abilities`]), and scenarios are validated by that. What
//! comes after the files of a backup are back (recovery, replay, rows) is `restore/`.
//!
//! Beside the tools: `data_directory` for those that leave a copy of a cluster's files (`contents`
//! says whether that is a backup, `position` that it is not from before the step, `tablespaces`
//! where those go, `chain` what an incremental one builds on), `dumps` for those that leave dumps,
//! `remote` for how what they leave comes into object storage and back, `archive` for where WAL is
//! archived, `retention` for what goes when.

mod abilities;
pub mod archive;
mod chain;
mod contents;
mod data_directory;
mod dumps;
mod position;
mod remote;
pub mod retention;
mod site;
pub mod tablespaces;
mod target;
pub mod wal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use abilities::{Abilities, BackupKind, Nature, Needed, Stores, Version};
pub use archive::WalArchive;
pub use site::Site;
pub use target::{Resolved, TargetAction, TargetTimeline};

use dumps::Restoring;

use crate::{
    event::Listed,
    postgres::ServerError,
    runtime::{Exec, Node, Output, RuntimeError},
    units::wall_clock,
};

/// What is to be restored.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub backup: &'a Listed,
    /// Up to where.
    pub target: &'a Resolved,
    /// What the server does there; none: PostgreSQL's own, which is to pause.
    pub action: Option<TargetAction>,
    /// A `restore_command` in place of the tool's own, placeholders filled in.
    pub restore_command: Option<&'a str>,
    /// Whether there are files of the server in its data directory.
    pub in_place: bool,
    pub only: Only<'a>,
}

/// A part of a backup; what names none means all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Only<'a> {
    pub databases: &'a [String],
    /// The rows of these schemas, of a dump.
    pub schemas: &'a [String],
    /// The rows of these tables, of a dump.
    pub tables: &'a [String],
}

impl Only<'_> {
    /// Whether it is but some schemas or tables of a database.
    pub fn is_of_a_database(&self) -> bool {
        !self.schemas.is_empty() || !self.tables.is_empty()
    }
}

/// What a tool's own verifier said of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierWord {
    /// E.g. `pg_verifybackup`.
    pub verifier: String,
    pub good: bool,
    /// The last lines of its output.
    pub output: String,
}

impl VerifierWord {
    /// What it said by how it ended.
    fn of(verifier: &str, output: &Output) -> Self {
        Self {
            verifier: verifier.to_owned(),
            good: output.exit == 0,
            output: Output::tail(&output.stderr, 10),
        }
    }
}

/// An option that may hold placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// The option's name; empty: the tool has but this one.
    pub option: &'static str,
    pub text: &'a str,
    /// What may stand in it beside the placeholders of every command.
    pub further: &'static [&'static str],
}

/// Who asks for recovery after a restore of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The tool did, in the configuration that it wrote.
    ByTool,
    /// Nobody yet.
    NotYet,
}

/// What every tool can be told to do, verb by verb as [`Tool`] says. Verbs that a tool has not are
/// not in its [`Abilities`], and validation sees to it that nobody asks for them. A tool that says
/// nothing else leaves copies of a cluster's files, or, where its backups are logical, dumps.
trait BackupTool {
    fn abilities(&self) -> Abilities;

    fn wrong_options(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn texts(&self) -> Vec<Text<'_>> {
        Vec::new()
    }

    fn tables(&self) -> &[String] {
        &[]
    }

    fn archive(&self, _to: &[String]) -> Option<WalArchive> {
        None
    }

    fn paths(&self, label: &str) -> Vec<String> {
        match self.abilities().nature {
            Nature::Physical => data_directory::paths(label),
            Nature::Logical => dumps::paths(label),
        }
    }

    async fn configure(&self, _site: &Site<'_>) -> Result<(), BackupError> {
        Ok(())
    }

    async fn prepare(&self, _site: &Site<'_>) -> Result<(), BackupError> {
        Ok(())
    }

    async fn take(
        &self,
        site: &Site<'_>,
        kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError>;

    async fn list(&self, site: &Site<'_>, store: &str) -> Result<Vec<Listed>, BackupError> {
        let Abilities { tool, nature, .. } = self.abilities();
        match nature {
            Nature::Physical => data_directory::list(site, tool, store).await,
            Nature::Logical => dumps::list(site, tool, store).await,
        }
    }

    async fn hindrance(
        &self,
        _site: &Site<'_>,
        _store: &str,
    ) -> Result<Option<String>, BackupError> {
        Ok(None)
    }

    async fn restore(&self, site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
        match self.abilities().nature {
            Nature::Physical => data_directory::restore(site, wanted).await,
            Nature::Logical => dumps::restore(site, wanted, Restoring::default()).await,
        }
    }

    async fn verify(
        &self,
        site: &Site<'_>,
        backup: &Listed,
    ) -> Result<Option<VerifierWord>, BackupError> {
        match self.abilities().nature {
            Nature::Physical => data_directory::verify(site, backup, false).await,
            Nature::Logical => dumps::verify(site, backup).await,
        }
    }

    async fn expire(&self, site: &Site<'_>) -> Result<(), BackupError> {
        for store in site.to {
            let listed = self.list(site, store).await?;
            let gone = retention::expired(&listed, site.keep, wall_clock());
            let paths: Vec<String> = gone.iter().flat_map(|label| self.paths(label)).collect();
            if remote::is_remote(site, store) {
                remote::delete(site, store, &paths).await?;
                continue;
            }
            let paths: Vec<String> = paths.iter().map(|path| site.stored(store, path)).collect();
            retention::remove(site.node, &paths).await?;
        }
        Ok(())
    }
}

/// The tools, as one enum with the verbs of [`BackupTool`].
macro_rules! tools {
    ($($(#[doc = $doc:literal])+ $variant:ident($file:ident)),+ $(,)?) => {
        $(mod $file;)+

        /// A backup tool with its options.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Tool {
            $($(#[doc = $doc])+ $variant($file::$variant)),+
        }

        impl Tool {
            /// Each of them with its usual options.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$variant($file::$variant::default())),+]
            }

            /// What it can do.
            pub fn abilities(&self) -> Abilities {
                match self { $(Self::$variant(tool) => tool.abilities()),+ }
            }

            /// What is wrong with its options, each with the option's name.
            pub fn wrong_options(&self) -> Vec<(&'static str, String)> {
                match self { $(Self::$variant(tool) => tool.wrong_options()),+ }
            }

            /// Its options that may hold placeholders.
            pub fn texts(&self) -> Vec<Text<'_>> {
                match self { $(Self::$variant(tool) => tool.texts()),+ }
            }

            /// The tables it takes, where it takes nothing else.
            pub fn tables(&self) -> &[String] {
                match self { $(Self::$variant(tool) => tool.tables()),+ }
            }

            /// Where it archives WAL whose backups go to these stores; none: it does not.
            pub fn archive(&self, to: &[String]) -> Option<WalArchive> {
                match self { $(Self::$variant(tool) => tool.archive(to)),+ }
            }

            /// The files and directories of a store that a backup consists of.
            pub fn paths(&self, label: &str) -> Vec<String> {
                match self { $(Self::$variant(tool) => tool.paths(label)),+ }
            }

            /// What keeps it from listing what a store holds, in its own words; none: nothing that it
            /// tells of.
            ///
            /// # Errors
            /// When the node refuses.
            pub async fn hindrance(
                &self,
                site: &Site<'_>,
                store: &str,
            ) -> Result<Option<String>, BackupError> {
                match self { $(Self::$variant(tool) => tool.hindrance(site, store).await),+ }
            }

            /// Writes its configuration on a node, before a server is started there.
            ///
            /// # Errors
            /// When the node refuses.
            pub async fn configure(&self, site: &Site<'_>) -> Result<(), BackupError> {
                match self { $(Self::$variant(tool) => tool.configure(site).await),+ }
            }

            /// What it needs once before it takes the first backup of a server.
            ///
            /// # Errors
            /// When the tool fails.
            pub async fn prepare(&self, site: &Site<'_>) -> Result<(), BackupError> {
                match self { $(Self::$variant(tool) => tool.prepare(site).await),+ }
            }

            /// Takes a backup into each store, in their order. `label` is for tools that give none
            /// themselves.
            ///
            /// # Errors
            /// When the tool fails, or leaves something that is no backup of this kind.
            pub async fn take(
                &self,
                site: &Site<'_>,
                kind: BackupKind,
                label: &str,
            ) -> Result<Vec<Listed>, BackupError> {
                match self { $(Self::$variant(tool) => tool.take(site, kind, label).await),+ }
            }

            /// What it says that it has in all stores, of each oldest first: nothing of one that
            /// can't be reached.
            ///
            /// # Errors
            /// When it can't be asked.
            pub async fn list(&self, site: &Site<'_>) -> Result<Vec<Listed>, BackupError> {
                let mut all = Vec::new();
                for store in site.to {
                    let listed = match self {
                        $(Self::$variant(tool) => tool.list(site, store).await?),+
                    };
                    all.extend(listed.into_iter().map(|one| one.in_store(store)));
                }
                Ok(all)
            }

            /// Puts the files of a physical backup into a stopped server's place, or the content
            /// of a logical one into a running server that has none.
            ///
            /// # Errors
            /// When the tool fails, or the backup is not what it was when it was taken.
            pub async fn restore(
                &self,
                site: &Site<'_>,
                wanted: &Wanted<'_>,
            ) -> Result<Asked, BackupError> {
                match self { $(Self::$variant(tool) => tool.restore(site, wanted).await),+ }
            }

            /// What its verifier says of a backup: recorded, not believed. None: there is nothing
            /// that it could hold the backup against.
            ///
            /// # Errors
            /// When it can't be run.
            pub async fn verify(
                &self,
                site: &Site<'_>,
                backup: &Listed,
            ) -> Result<Option<VerifierWord>, BackupError> {
                match self { $(Self::$variant(tool) => tool.verify(site, backup).await),+ }
            }

            /// Removes what is kept no longer, but of no store the newest.
            ///
            /// # Errors
            /// When the tool fails.
            pub async fn expire(&self, site: &Site<'_>) -> Result<(), BackupError> {
                match self { $(Self::$variant(tool) => tool.expire(site).await),+ }
            }
        }
    };
}

tools! {
    /// `pg_basebackup`, plain or in tars.
    PgBasebackup(pg_basebackup),
    /// `pg_basebackup` in plain format, full and, from PostgreSQL 17 on, incremental; `pg_combinebackup`
    /// restores it.
    PgBasebackupIncremental(pg_basebackup_incremental),
    /// Your own script, run as the operator. Environment: `PGDRILL_BACKUP` (the empty directory to
    /// fill with a data directory), `PGDRILL_STORE`, `PGDRILL_DATA`, `PGHOST`, `PGPORT`, `PGUSER`,
    /// `PGDATABASE`. `{tablespaces}` stands for the options with which `pg_basebackup` lays each
    /// tablespace beside the backup.
    Command(command),
    /// `pg_dump` of each database, with what all of them share.
    PgDump(pg_dump),
    /// Your own script, run as the operator, that leaves dumps. Environment: `PGDRILL_BACKUP` (the empty
    /// directory to fill with archives of `pg_dump`, roles in a `*globals*.sql`, hashes in `*.sha256`, a
    /// report in `*report.json`), `PGDRILL_LABEL`, `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`; where a store is
    /// object storage, `RCLONE_CONFIG` and `PGDRILL_REMOTE_NAME`, below which `dumps/LABEL` is its place.
    DumpCommand(dump_command),
    /// pgBackRest, with a repository in each store.
    Pgbackrest(pgbackrest),
}

/// What went wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The server or its node refused.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// What a tool left is no backup, or not this step's: why.
    #[error("{0}")]
    Unfit(String),
    /// A tool's output could not be understood.
    #[error("cannot read {what}: {cause}")]
    Unreadable {
        /// What was read.
        what: String,
        /// Why not.
        cause: String,
    },
}

impl From<RuntimeError> for BackupError {
    fn from(error: RuntimeError) -> Self {
        Self::Server(error.into())
    }
}

/// Bytes below these paths of a node; those that do not exist count nothing.
///
/// # Errors
/// When the node refuses.
pub async fn size(node: &Node, paths: &str) -> Result<u64, BackupError> {
    let command = format!("du -sbc {paths} 2>/dev/null | tail -n 1 | cut -f 1");
    let output = node.exec(Exec::shell(command).unrecorded()).await?;
    Ok(output.text().trim().parse().unwrap_or_default())
}
