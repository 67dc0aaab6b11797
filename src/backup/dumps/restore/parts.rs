//! Some schemas or tables of a dump: every definition of their database, and the rows of these alone.
//!
//! Without the others' rows no foreign key could be held up, so none is restored.

use super::Restore;
use crate::{
    backup::{BackupError, pg_dump},
    postgres::{Server, literal},
    runtime::{Exec, exec::quoted},
};

impl Restore<'_> {
    pub(super) async fn parts(&self, database: &str, file: &str) -> Result<(), BackupError> {
        let mut definitions = self.making(database).await?;
        definitions.extend(["--section=pre-data".to_owned(), file.to_owned()]);
        self.site.tool("pg_restore", &definitions).await?;
        let parts = Parts {
            of: self,
            server: self.site.server.within(database),
            file,
        };
        for schema in self.only.schemas {
            parts.schema(schema).await?;
        }
        for table in self.only.tables {
            parts.table(table).await?;
        }
        parts.post_data().await
    }
}

struct Parts<'a> {
    of: &'a Restore<'a>,
    /// In the database that is restored.
    server: Server,
    file: &'a str,
}

impl Parts<'_> {
    async fn schema(&self, name: &str) -> Result<(), BackupError> {
        self.is_there("to_regnamespace", name).await?;
        let of_schema = [format!("--schema={}", unquoted(name))];
        self.section("data", &of_schema).await
    }

    async fn table(&self, name: &str) -> Result<(), BackupError> {
        self.is_there("to_regclass", name).await?;
        for part in pg_dump::with_partitions(&self.server, name).await? {
            let query = format!(
                "select nspname || chr(10) || relname from pg_class c join pg_namespace n on n.oid = relnamespace \
                 where c.oid = {}::regclass",
                literal(&part)
            );
            let names = self.server.value(&query).await?;
            let (schema, name) = names.split_once('\n').unwrap_or_default();
            let of_table = [format!("--schema={schema}"), format!("--table={name}")];
            self.section("data", &of_table).await?;
        }
        Ok(())
    }

    /// A name that a dump does not have restores nothing, and `pg_restore` is content with that.
    async fn is_there(&self, found_by: &str, name: &str) -> Result<(), BackupError> {
        let query = format!("select {found_by}({}) is not null", literal(name));
        match self.server.value(&query).await?.as_str() {
            "t" => Ok(()),
            _absent => Err(BackupError::Unfit(format!(
                "the dump of `{}` holds no `{name}`",
                self.server.database
            ))),
        }
    }

    /// Indexes, constraints and triggers, but no foreign key.
    async fn post_data(&self) -> Result<(), BackupError> {
        let site = self.of.site;
        let list = site.fill_in("{run}/post-data.list");
        let listing = format!(
            "{} --list --section=post-data {} | grep -v ' FK CONSTRAINT ' > {}",
            quoted(&site.program("pg_restore")),
            quoted(self.file),
            quoted(&list),
        );
        site.exec(Exec::shell(listing)).await?;
        self.section("post-data", &[format!("--use-list={list}")])
            .await
    }

    /// Into the database, of a section what these options leave of it.
    async fn section(&self, section: &str, of_it: &[String]) -> Result<(), BackupError> {
        // As a string of keys: a name with a `=` would be taken for one.
        let name = self
            .server
            .database
            .replace('\\', "\\\\")
            .replace('\'', "\\'");
        let mut arguments = vec![
            "--exit-on-error".to_owned(),
            format!("--dbname=dbname='{name}'"),
            format!("--section={section}"),
        ];
        arguments.extend_from_slice(of_it);
        arguments.push(self.file.to_owned());
        self.of.site.tool("pg_restore", &arguments).await?;
        Ok(())
    }
}

/// `pg_restore` takes a name as it is.
fn unquoted(name: &str) -> String {
    match name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}
