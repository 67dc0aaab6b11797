//! Dumps restored into a new server: what all databases share first, then each of them.

mod parts;

use super::{Contents, Format, file};
use crate::{
    backup::{Asked, BackupError, Only, Site, Wanted, remote},
    postgres::literal,
    runtime::{Exec, exec::quoted},
};

/// How a tool restores.
#[derive(Clone, Copy, Debug)]
pub struct Restoring {
    /// Whether roles and tablespaces come first.
    pub globals: bool,
    /// How many tables `pg_restore` loads at the same time.
    pub jobs: Option<u16>,
    /// Whether the planner is told of what came: `vacuumdb --analyze`.
    pub analyze: bool,
}

impl Default for Restoring {
    fn default() -> Self {
        Self {
            globals: true,
            jobs: None,
            analyze: true,
        }
    }
}

/// Roles and tablespaces first, then each database.
///
/// # Errors
/// At the first error of `psql` or `pg_restore`: what they would ignore is none of a success.
pub async fn restore(
    site: &Site<'_>,
    wanted: &Wanted<'_>,
    restoring: Restoring,
) -> Result<Asked, BackupError> {
    let backup = wanted.backup;
    let root = remote::fetched(site, &backup.store, &super::paths(&backup.label)).await?;
    let restore = Restore {
        site,
        directory: format!("{root}/dumps/{}", backup.label),
        decrypted: site.fill_in("{run}/decrypted"),
        only: wanted.only,
        restoring,
    };
    let restored = restore.all().await;
    let clear = ["rm", "-rf", &restore.decrypted];
    site.node.exec(Exec::new(clear).unrecorded()).await?;
    remote::forget(site).await?;
    restored.map(|()| Asked::NotYet)
}

struct Restore<'a> {
    site: &'a Site<'a>,
    directory: String,
    /// Where what is decrypted lies meanwhile.
    decrypted: String,
    /// Of databases only these, and what databases are made of.
    only: Only<'a>,
    restoring: Restoring,
}

impl Restore<'_> {
    async fn all(&self) -> Result<(), BackupError> {
        let contents = Contents::read(self.site, &self.directory).await?;
        self.check_sums().await?;
        if let (true, Some(globals)) = (self.restoring.globals, &contents.globals) {
            let file = self.file(globals).await?;
            restore_globals(self.site, &file).await?;
        }
        // Of what is there already a template is emptied first: others may be made of it.
        let (templates, others): (Vec<_>, Vec<_>) =
            (contents.databases.iter()).partition(|(database, _)| database.starts_with("template"));
        let wanted = |database: &String| {
            self.only.databases.is_empty() || self.only.databases.contains(database)
        };
        let others = others.into_iter().filter(|(database, _)| wanted(database));
        for (database, name) in templates.into_iter().chain(others) {
            self.database(database, name).await?;
        }
        if self.restoring.analyze {
            let arguments = ["--all", "--analyze", "--quiet"].map(str::to_owned);
            self.site.tool("vacuumdb", &arguments).await?;
        }
        Ok(())
    }

    /// Each file is what it was when it was taken, where that was written down.
    async fn check_sums(&self) -> Result<(), BackupError> {
        let script = format!(
            "cd {} && for sums in *.sha256; do [ -f \"$sums\" ] || continue; \
             sha256sum --quiet --strict -c \"$sums\" >&2 || exit 1; done",
            quoted(&self.directory)
        );
        self.site.exec(Exec::shell(script)).await?;
        Ok(())
    }

    async fn file(&self, name: &str) -> Result<String, BackupError> {
        let file = format!("{}/{name}", self.directory);
        file::decrypted(self.site, &file, &self.decrypted).await
    }

    async fn database(&self, database: &str, name: &str) -> Result<(), BackupError> {
        let file = self.file(name).await?;
        match Format::of(name) {
            Format::Plain if self.only.is_of_a_database() => Err(BackupError::Unfit(format!(
                "`{name}` is SQL, of which nothing less than all can be restored"
            ))),
            Format::Plain => self.by_psql(&file).await,
            _archive => {
                self.is_of(database, name, &file).await?;
                match self.only.is_of_a_database() && !database.starts_with("template") {
                    true => self.parts(database, &file).await,
                    false => self.by_pg_restore(database, file).await,
                }
            }
        }
    }

    /// An archive tells whose it is: `pg_restore --create` would make that database, whatever the file
    /// is called.
    async fn is_of(&self, database: &str, name: &str, file: &str) -> Result<(), BackupError> {
        let arguments = ["--list".to_owned(), file.to_owned()];
        let listed = self.site.tool("pg_restore", &arguments).await?.text();
        match super::database_of(&listed) {
            Some(other) if other != database => Err(BackupError::Unfit(format!(
                "`{name}` is a dump of the database `{other}`, not of `{database}`"
            ))),
            _its => Ok(()),
        }
    }

    /// The script itself makes the database, or replaces what is there.
    async fn by_psql(&self, file: &str) -> Result<(), BackupError> {
        let arguments = [
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            "template1",
            "-o",
            "/dev/null",
            "-f",
            file,
        ];
        let arguments = arguments.map(str::to_owned);
        self.site.tool("psql", &arguments).await?;
        Ok(())
    }

    async fn by_pg_restore(&self, database: &str, file: String) -> Result<(), BackupError> {
        let mut arguments = self.making(database).await?;
        arguments.extend(self.restoring.jobs.map(|jobs| format!("--jobs={jobs}")));
        arguments.push(file);
        self.site.tool("pg_restore", &arguments).await?;
        Ok(())
    }

    /// The options that make a database. One that is there, as every new cluster has, is replaced; a
    /// template's content is.
    async fn making(&self, database: &str) -> Result<Vec<String>, BackupError> {
        let replaced = ["--clean", "--if-exists"];
        let options = if database == "template1" {
            [&["--dbname=template1"], &replaced[..]].concat()
        } else if is_there(self.site, database).await? {
            [&["--dbname=template1", "--create"], &replaced[..]].concat()
        } else {
            vec!["--dbname=template1", "--create"]
        };
        let options = ["--exit-on-error"].into_iter().chain(options);
        Ok(options.map(str::to_owned).collect())
    }
}

async fn is_there(site: &Site<'_>, database: &str) -> Result<bool, BackupError> {
    let name = literal(database);
    let query = format!("select count(*) from pg_database where datname = {name}");
    let arguments = ["-XAt", "-d", "template1", "-c", &query].map(str::to_owned);
    let exec = site.tool_exec("psql", &arguments).unrecorded();
    Ok(site.exec(exec).await?.text().trim() == "1")
}

/// Performs what all databases share. The superuser is there already, and each tablespace gets a
/// place of the server's own.
async fn restore_globals(site: &Site<'_>, file: &str) -> Result<(), BackupError> {
    let layout = site.node.layout();
    let script = format!(
        "set -eu\numask 077\nspaces={spaces} globals={globals} from={from}\n\
         sed -n \"s/^CREATE TABLESPACE .* LOCATION '\\(.*\\)';\\$/\\1/p\" \"$from\" | \
         while read -r place; do mkdir -p \"$spaces/$(basename \"$place\")\"; done\n\
         sed -e \"/^CREATE ROLE $PGUSER;\\$/d\" \
         -e \"s#^\\(CREATE TABLESPACE .* LOCATION '\\).*/\\([^/]*';\\)\\$#\\1$spaces/\\2#\" \
         \"$from\" > $globals\n\
         {psql} -X -q -v ON_ERROR_STOP=1 -d template1 -f $globals\n\
         rm $globals\n",
        spaces = quoted(&layout.tablespaces.display().to_string()),
        globals = quoted(&layout.run.join(super::GLOBALS).display().to_string()),
        from = quoted(file),
        psql = site.program("psql"),
    );
    site.exec(Exec::shell(script).envs(site.environment()))
        .await?;
    Ok(())
}
