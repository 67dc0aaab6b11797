//! `pg_dump`: each database as of a snapshot, in custom format, and beside them what all of them
//! share (`pg_dumpall --globals-only`). A directory each in `dumps/` of a store, copied to further
//! ones, with a report of what was done: a dump has no catalog of its own.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Abilities, Asked, BackupError, BackupKind, BackupTool, Nature, Needed, Site, Stores,
    VerifierWord, Wanted,
};
use crate::{
    event::Listed,
    history::{Bytes, Progress},
    postgres::{Server, lsn},
    runtime::{Exec, Output, exec::quoted},
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
    /// What `--compress` is given. Default: `pg_dump`'s own.
    pub compress: Option<u8>,
    /// How many tables `pg_restore` loads at the same time. Default: 1.
    #[schemars(range(min = 1, max = 64))]
    pub jobs: Option<u16>,
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
            compress: None,
            jobs: None,
            options: Vec::new(),
        }
    }
}

/// What lies beside the dumps.
const REPORT: &str = "report.json";
const GLOBALS: &str = "globals.sql";

/// What was done, as it is written beside the dumps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Report {
    /// Everything committed before this position is in each of the dumps.
    snapshot_lsn: u64,
    /// Begin, in seconds of the epoch.
    began: i64,
    databases: Vec<String>,
    tables: Vec<String>,
}

impl BackupTool for PgDump {
    fn abilities(&self) -> Abilities {
        Abilities {
            tool: TOOL,
            nature: Nature::Logical,
            kinds: &[BackupKind::Logical],
            restores: self.tables.is_empty(),
            from_elsewhere: true,
            in_place: false,
            some_databases: false,
            archives: false,
            stores: Stores::Copied,
            speaks_s3: false,
            expires: false,
            verifier: Some("pg_restore --list"),
            takes_label: true,
            aged_by_files: true,
            postgres: 0,
            needs: &const {
                [
                    Needed::of_postgres("pg_dump"),
                    Needed::of_postgres("pg_restore"),
                ]
            },
        }
    }

    fn tables(&self) -> &[String] {
        &self.tables
    }

    fn paths(&self, label: &str) -> Vec<String> {
        vec![format!("dumps/{label}")]
    }

    async fn take(
        &self,
        site: &Site<'_>,
        _kind: BackupKind,
        label: &str,
    ) -> Result<Vec<Listed>, BackupError> {
        let directory = directory(site, site.first(), label);
        let progress = Progress::begin(site.recorder, "backup");
        let written = async || {
            let done = super::size(site.node, &directory).await.ok()?;
            Some(Bytes { done, total: 0 })
        };
        progress
            .during(self.dump(site, &directory), written)
            .await?;
        let listed = self.list(site, site.first()).await?.into_iter();
        let taken = listed.rev().find(|one| one.label == label);
        let taken =
            taken.ok_or_else(|| BackupError::Unfit(format!("`{label}` is not in its store")))?;
        progress.end(taken.bytes);
        site.copied(taken, &self.paths(label)).await
    }

    async fn list(&self, site: &Site<'_>, store: &str) -> Result<Vec<Listed>, BackupError> {
        let script = format!(
            "cd {dumps} 2> /dev/null || exit 0\n\
             for dump in {name}-*; do\n\
             case ${{dump#{name}-}} in *[!0-9]*) continue ;; esac\n\
             [ -f \"$dump/{REPORT}\" ] || continue\n\
             echo \"$dump $(stat -c %Y \"$dump\") $(du -sb \"$dump\" | cut -f 1) $(cat \"$dump/{REPORT}\")\"\n\
             done\n",
            dumps = quoted(&site.stored(store, "dumps")),
            name = site.name,
        );
        let exec = Exec::new(["sh", "-s"]).stdin(script).unrecorded();
        let output = site.node.exec(exec).await?;
        let mut all: Vec<Listed> = output.text().lines().filter_map(listed).collect();
        all.sort_by_key(|dump| (dump.ended, dump.snapshot_lsn));
        Ok(all)
    }

    /// Roles and tablespaces first, then each database.
    async fn restore(&self, site: &Site<'_>, wanted: &Wanted<'_>) -> Result<Asked, BackupError> {
        let directory = directory(site, &wanted.backup.store, &wanted.backup.label);
        if self.globals {
            restore_globals(site, &directory).await?;
        }
        // Of what is there already a template is emptied first: others may be made of it.
        let (templates, others): (Vec<_>, Vec<_>) =
            (wanted.backup.databases.iter()).partition(|database| database.starts_with("template"));
        for database in templates.into_iter().chain(others) {
            self.restore_database(site, &directory, database).await?;
        }
        let arguments = ["--all", "--analyze", "--quiet"].map(str::to_owned);
        site.tool("vacuumdb", &arguments).await?;
        Ok(Asked::NotYet)
    }

    async fn verify(
        &self,
        site: &Site<'_>,
        backup: &Listed,
    ) -> Result<Option<VerifierWord>, BackupError> {
        let program = site.program("pg_restore");
        let exec = Exec::shell(format!(
            "for dump in {}/*.dump; do {program} --list \"$dump\" > /dev/null || exit 1; done",
            directory(site, &backup.store, &backup.label)
        ));
        let output = site.exec(exec.allow(1)).await?;
        Ok(Some(VerifierWord {
            verifier: "pg_restore --list".into(),
            good: output.exit == 0,
            output: Output::tail(&output.stderr, 10),
        }))
    }
}

impl PgDump {
    async fn dump(&self, site: &Site<'_>, directory: &str) -> Result<(), BackupError> {
        let server = site.server;
        let begin = "select floor(extract(epoch from clock_timestamp()))::bigint || ' ' \
                     || pg_current_wal_insert_lsn()";
        let began = server.value(begin).await?;
        let (seconds, position) = began.split_once(' ').unwrap_or_default();
        let report = Report {
            snapshot_lsn: lsn::parse(position).unwrap_or_default(),
            began: seconds.parse().unwrap_or_default(),
            databases: self.databases(server).await?,
            tables: self.tables.clone(),
        };
        let make = ["mkdir", "-p", "-m", "700", directory];
        site.node.exec(Exec::new(make).unrecorded()).await?;
        if self.globals && self.tables.is_empty() {
            let file = format!("{directory}/{GLOBALS}");
            let arguments = ["--globals-only".to_owned(), "--file".into(), file];
            site.tool("pg_dumpall", &arguments).await?;
        }
        for database in &report.databases {
            self.dump_database(site, directory, database).await?;
        }
        let text = serde_json::to_string(&report).unwrap_or_default();
        let file = format!("{directory}/{REPORT}");
        Ok(site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?)
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
    ) -> Result<(), BackupError> {
        let server = site.server;
        let mut arguments = vec!["-Fc".to_owned(), "-f".into(), file(directory, database)];
        arguments.extend(self.compress.map(|level| format!("--compress={level}")));
        if !self.tables.is_empty() {
            arguments.push("--strict-names".into());
        }
        for table in &self.tables {
            for part in with_partitions(server, table).await? {
                arguments.extend(["-t".to_owned(), part]);
            }
        }
        arguments.extend(self.options.iter().cloned());
        let exec = site.tool_exec("pg_dump", &arguments);
        site.exec(exec.env("PGDATABASE", database)).await?;
        Ok(())
    }

    /// A database that is there, as every new cluster has, is replaced; a template's content is.
    async fn restore_database(
        &self,
        site: &Site<'_>,
        directory: &str,
        database: &str,
    ) -> Result<(), BackupError> {
        let mut arguments = vec!["--exit-on-error".to_owned()];
        if database == "template1" {
            arguments.extend(["--clean", "--if-exists", "--dbname=template1"].map(str::to_owned));
        } else {
            arguments.extend(["--create", "--dbname=template1"].map(str::to_owned));
            if is_there(site, database).await? {
                arguments.extend(["--clean", "--if-exists"].map(str::to_owned));
            }
        }
        arguments.extend(self.jobs.map(|jobs| format!("--jobs={jobs}")));
        arguments.push(file(directory, database));
        site.tool("pg_restore", &arguments).await?;
        Ok(())
    }
}

async fn is_there(site: &Site<'_>, database: &str) -> Result<bool, BackupError> {
    let name = database.replace('\'', "''");
    let query = format!("select count(*) from pg_database where datname = '{name}'");
    let arguments = ["-XAt", "-d", "template1", "-c", &query].map(str::to_owned);
    let exec = site.tool_exec("psql", &arguments).unrecorded();
    Ok(site.exec(exec).await?.text().trim() == "1")
}

/// Performs what all databases share. The superuser is there already, and each tablespace gets a
/// place of the server's own.
async fn restore_globals(site: &Site<'_>, directory: &str) -> Result<(), BackupError> {
    let layout = site.node.layout();
    let script = format!(
        "set -eu\numask 077\nspaces={spaces} globals={globals}\n\
         sed -n \"s/^CREATE TABLESPACE .* LOCATION '\\(.*\\)';\\$/\\1/p\" {directory}/{GLOBALS} | \
         while read -r place; do mkdir -p \"$spaces/$(basename \"$place\")\"; done\n\
         sed -e \"/^CREATE ROLE $PGUSER;\\$/d\" \
         -e \"s#^\\(CREATE TABLESPACE .* LOCATION '\\).*/\\([^/]*';\\)\\$#\\1$spaces/\\2#\" \
         {directory}/{GLOBALS} > $globals\n\
         {psql} -X -q -v ON_ERROR_STOP=1 -d template1 -f $globals\n\
         rm $globals\n",
        spaces = quoted(&layout.tablespaces.display().to_string()),
        globals = quoted(&layout.run.join(GLOBALS).display().to_string()),
        psql = site.program("psql"),
    );
    site.exec(Exec::shell(script).envs(site.environment()))
        .await?;
    Ok(())
}

/// The table and its partitions, as `pg_dump -t` wants them.
async fn with_partitions(server: &Server, table: &str) -> Result<Vec<String>, BackupError> {
    let literal = table.replace('\'', "''");
    let query = format!(
        "select coalesce(json_agg(relid::regclass::text), json_build_array('{literal}')) \
         from pg_partition_tree('{literal}')"
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

fn directory(site: &Site<'_>, store: &str, label: &str) -> String {
    site.stored(store, &format!("dumps/{label}"))
}

/// A database's dump; of its name what no file's name should hold is written as `%20`.
fn file(directory: &str, database: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let name = database.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    format!("{directory}/{}.dump", name.collect::<String>())
}

/// `LABEL SECONDS BYTES REPORT`
fn listed(line: &str) -> Option<Listed> {
    let mut words = line.splitn(4, ' ');
    let label = words.next()?.to_owned();
    let ended = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().ok()?;
    let report: Report = serde_json::from_str(words.next()?).ok()?;
    Some(Listed {
        label,
        tool: TOOL.into(),
        kind: BackupKind::Logical,
        nature: Nature::Logical,
        snapshot_lsn: Some(report.snapshot_lsn),
        databases: report.databases,
        tables: report.tables,
        bytes,
        began: jiff::Timestamp::from_second(report.began).ok(),
        ended: jiff::Timestamp::from_second(ended).ok(),
        ..Listed::default()
    })
}
