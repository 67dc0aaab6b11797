//! `pg_dump`: each database as of a snapshot, and beside them what all of them share
//! (`pg_dumpall --globals-only`), a SHA-256 of each file, and a report of what was done.

mod report;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, Asked, BackupError, BackupKind, BackupTool, Site, Wanted,
    dumps::{self, Contents, Encryption, Format, GLOBALS, Restoring, file_name},
    remote,
};
use crate::{
    event::Listed,
    postgres::{Server, literal},
};

const TOOL: &str = "pg-dump";

/// What `pg_dump` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PgDump {
    /// The databases. Default: `all`.
    #[serde(default)]
    pub databases: Databases,
    /// Only these tables, partitions included, of the database that is drilled: nothing that a
    /// server could be restored from. Default: everything.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Whether roles and tablespaces are taken, too. Default: true.
    #[serde(default = "yes")]
    pub globals: bool,
    /// What a dump is: `custom`, `directory`, `tar` or `plain`. Default: custom.
    #[serde(default)]
    pub format: Format,
    /// What `--compress` is given. Default: `pg_dump`'s own.
    pub compress: Option<u8>,
    /// How many tables `pg_restore` loads at the same time, and `pg_dump` dumps in `directory` format.
    /// Default: 1.
    #[schemars(range(min = 1, max = 64))]
    pub jobs: Option<u16>,
    /// With what each dump is encrypted before it goes to any other store: `gpg` or `age`. Default:
    /// not at all.
    pub encrypt: Option<Encryption>,
    /// Whether a restore ends with `vacuumdb --analyze`: a dump brings no statistics. Default: true.
    #[serde(default = "yes")]
    pub analyze: bool,
    /// Further options of `pg_dump`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// Which databases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Databases {
    /// `all`.
    All(All),
    /// These.
    Named(Vec<String>),
}

/// Every database that can be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum All {
    All,
}

impl Default for Databases {
    fn default() -> Self {
        Self::All(All::All)
    }
}

fn yes() -> bool {
    true
}

impl Default for PgDump {
    fn default() -> Self {
        Self {
            databases: Databases::default(),
            tables: Vec::new(),
            globals: true,
            format: Format::default(),
            compress: None,
            jobs: None,
            encrypt: None,
            analyze: true,
            options: Vec::new(),
        }
    }
}

impl BackupTool for PgDump {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            restores: self.tables.is_empty(),
            from_elsewhere: true,
            verifier: self.verifier(),
            some_tables: self.format.is_archive(),
            ..dumps::ABILITIES
        }
    }

    fn wrong_options(&self) -> Vec<(&'static str, String)> {
        let wrong = [
            self.jobs_of_one_file(),
            self.compressed_tar(),
            self.encrypted_directory(),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn tables(&self) -> &[String] {
        &self.tables
    }

    async fn configure(&self, site: &Site<'_>) -> Result<(), BackupError> {
        if let Some(encryption) = self.encrypt {
            encryption.configure(site).await?;
        }
        remote::configure(site).await
    }

    async fn take(
        &self,
        site: &Site<'_>,
        _kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let fill = async |directory: &str| self.fill(site, directory, label).await;
        dumps::take(site, TOOL, label, fill).await
    }

    async fn restore(&self, site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
        let restoring = Restoring {
            globals: self.globals,
            jobs: self.jobs,
            analyze: self.analyze,
        };
        dumps::restore(site, wanted, restoring).await
    }
}

/// Options that `pg_dump` and `pg_restore` would refuse, or that lead nowhere.
impl PgDump {
    fn verifier(&self) -> Option<&'static str> {
        let listed = self.format.is_archive() && self.encrypt.is_none();
        listed.then_some(dumps::ABILITIES.verifier)?
    }

    fn jobs_of_one_file(&self) -> Option<(&'static str, String)> {
        let alone = matches!(self.format, Format::Tar | Format::Plain);
        (alone && self.jobs.is_some()).then(|| {
            let why = "`pg_restore` reads `custom` and `directory` alone with several jobs";
            ("jobs", why.to_owned())
        })
    }

    fn compressed_tar(&self) -> Option<(&'static str, String)> {
        (self.format == Format::Tar && self.compress.is_some())
            .then(|| ("compress", "`pg_dump` compresses no tar".to_owned()))
    }

    fn encrypted_directory(&self) -> Option<(&'static str, String)> {
        (self.format == Format::Directory && self.encrypt.is_some()).then(|| {
            let why = "a directory is many files: encrypt one of format `custom`";
            ("encrypt", why.to_owned())
        })
    }
}

impl PgDump {
    /// Whatever comes of it, a report says so.
    async fn fill(
        &self,
        site: &Site<'_>,
        directory: &str,
        label: &str,
    ) -> Result<Contents, BackupError> {
        let began_us = site.recorder.now_us();
        let contents = Contents::begin(site.server).await?;
        let began = contents.began();
        let dumped = self.dump(site, directory, contents).await;
        let took_us = site.recorder.now_us() - began_us;
        report::write(site, directory, label, (began, took_us), &dumped).await?;
        dumped
    }

    async fn dump(
        &self,
        site: &Site<'_>,
        directory: &str,
        mut contents: Contents,
    ) -> Result<Contents, BackupError> {
        let databases = self.databases(site.server).await?;
        contents.tables = self.tables.clone();
        if self.globals && self.tables.is_empty() {
            let file = format!("{directory}/{GLOBALS}");
            let arguments = ["--globals-only".to_owned(), "--file".into(), file];
            site.tool("pg_dumpall", &arguments).await?;
            contents.globals = Some(self.kept(site, directory, GLOBALS.into()).await?);
        }
        let mut files = BTreeMap::new();
        for database in databases {
            let name = self.dump_database(site, directory, &database).await?;
            files.insert(database, self.kept(site, directory, name).await?);
        }
        contents.databases = files;
        Ok(contents)
    }

    /// What a file is called once it is as it is to be kept, with its hash beside it.
    async fn kept(
        &self,
        site: &Site<'_>,
        directory: &str,
        name: String,
    ) -> Result<String, BackupError> {
        let name = match self.encrypt {
            Some(encryption) => encryption.encrypt(site, directory, &name).await?,
            None => name,
        };
        dumps::hash(site, directory, &name).await?;
        Ok(name)
    }

    /// The databases' names; of single tables the one that is drilled.
    async fn databases(&self, server: &Server) -> Result<Vec<String>, BackupError> {
        if !self.tables.is_empty() {
            return Ok(vec![server.database.clone()]);
        }
        if let Databases::Named(names) = &self.databases {
            return Ok(names.clone());
        }
        let query = "select json_agg(datname order by datname) from pg_database where datallowconn";
        names(server, query, "the databases' names").await
    }

    async fn dump_database(
        &self,
        site: &Site<'_>,
        directory: &str,
        database: &str,
    ) -> Result<String, BackupError> {
        let name = file_name(database, self.format);
        let mut arguments = self.arguments(database);
        arguments.extend(["-f".to_owned(), format!("{directory}/{name}")]);
        for table in &self.tables {
            for part in with_partitions(site.server, table).await? {
                arguments.extend(["-t".to_owned(), part]);
            }
        }
        arguments.extend(self.options.iter().cloned());
        let exec = site.tool_exec("pg_dump", &arguments);
        site.exec(exec.env("PGDATABASE", database)).await?;
        Ok(name)
    }

    /// What `pg_restore` can be told later, a plain dump has to say itself.
    fn arguments(&self, database: &str) -> Vec<String> {
        let mut arguments = vec![format!("-F{}", self.format.letter())];
        arguments.extend(self.compress.map(|level| format!("--compress={level}")));
        if self.format == Format::Directory {
            arguments.extend(self.jobs.map(|jobs| format!("--jobs={jobs}")));
        }
        if self.format == Format::Plain && self.tables.is_empty() {
            arguments.extend(["--clean", "--if-exists"].map(str::to_owned));
            // No template can be dropped.
            let create = (database != "template1").then(|| "--create".to_owned());
            arguments.extend(create);
        }
        if !self.tables.is_empty() {
            arguments.push("--strict-names".into());
        }
        arguments
    }
}

/// The table and its partitions, as `pg_dump -t` wants them.
pub(super) async fn with_partitions(
    server: &Server,
    table: &str,
) -> Result<Vec<String>, BackupError> {
    let table = literal(table);
    let query = format!(
        "select coalesce(json_agg(relid::regclass::text), json_build_array({table})) \
         from pg_partition_tree({table})"
    );
    names(server, &query, "the partitions' names").await
}

async fn names(server: &Server, query: &str, what: &str) -> Result<Vec<String>, BackupError> {
    let names = server.value(query).await?;
    serde_json::from_str(&names).map_err(|cause| BackupError::Unreadable {
        what: what.into(),
        cause: cause.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pg_dump_would_refuse_is_refused_before() {
        let wrong = |one: PgDump| {
            let wrong = one.wrong_options().into_iter();
            wrong.map(|(option, _)| option).collect::<Vec<_>>()
        };
        let of = |format| PgDump {
            format,
            jobs: Some(2),
            compress: Some(9),
            encrypt: Some(Encryption::Gpg),
            ..PgDump::default()
        };
        assert_eq!(wrong(of(Format::Custom)), Vec::<&str>::new());
        assert_eq!(wrong(of(Format::Tar)), ["jobs", "compress"]);
        assert_eq!(wrong(of(Format::Directory)), ["encrypt"]);
        assert_eq!(wrong(of(Format::Plain)), ["jobs"]);
    }

    #[test]
    fn a_plain_dump_makes_its_database_itself() {
        let plain = PgDump {
            format: Format::Plain,
            ..PgDump::default()
        };
        assert!(plain.arguments("shop").contains(&"--create".to_owned()));
        let template = plain.arguments("template1");
        assert_eq!(template, ["-Fp", "--clean", "--if-exists"]);
    }
}
