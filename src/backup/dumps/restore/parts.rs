//! Some schemas or tables of a dump: every definition of their database, and the rows of these alone.
//!
//! Without the others' rows no foreign key could be held up, so none is restored.

use super::Restore;
use crate::{
    backup::{BackupError, pg_dump},
    runtime::{Exec, exec::quoted},
};

pub(super) async fn restore(
    of: &Restore<'_>,
    database: &str,
    file: &str,
) -> Result<(), BackupError> {
    let mut definitions = of.making(database).await?;
    definitions.extend(["--section=pre-data".to_owned(), file.to_owned()]);
    of.site.tool("pg_restore", &definitions).await?;
    for schema in of.only.schemas {
        is_there(
            of,
            database,
            &format!("to_regnamespace({})", literal(schema)),
            schema,
        )
        .await?;
        rows(
            of,
            database,
            file,
            &[format!("--schema={}", unquoted(schema))],
        )
        .await?;
    }
    for table in of.only.tables {
        is_there(
            of,
            database,
            &format!("to_regclass({})", literal(table)),
            table,
        )
        .await?;
        let server = of.site.server.within(database);
        for part in pg_dump::with_partitions(&server, table).await? {
            let query = format!(
                "select nspname || chr(10) || relname from pg_class c join pg_namespace n on n.oid = relnamespace \
                 where c.oid = {}::regclass",
                literal(&part)
            );
            let names = server.value(&query).await?;
            let (schema, name) = names.split_once('\n').unwrap_or_default();
            let of_table = [format!("--schema={schema}"), format!("--table={name}")];
            rows(of, database, file, &of_table).await?;
        }
    }
    the_rest(of, database, file).await
}

/// A name that a dump does not have restores nothing, and `pg_restore` is content with that.
async fn is_there(
    of: &Restore<'_>,
    database: &str,
    found: &str,
    name: &str,
) -> Result<(), BackupError> {
    let server = of.site.server.within(database);
    let query = format!("select {found} is not null");
    match server.value(&query).await?.as_str() {
        "t" => Ok(()),
        _absent => Err(BackupError::Unfit(format!(
            "the dump of `{database}` holds no `{name}`"
        ))),
    }
}

async fn rows(
    of: &Restore<'_>,
    database: &str,
    file: &str,
    part: &[String],
) -> Result<(), BackupError> {
    let mut arguments = into(database, "data");
    arguments.extend_from_slice(part);
    arguments.push(file.to_owned());
    of.site.tool("pg_restore", &arguments).await?;
    Ok(())
}

/// Indexes, constraints and triggers, but no foreign key.
async fn the_rest(of: &Restore<'_>, database: &str, file: &str) -> Result<(), BackupError> {
    let list = of.site.fill_in("{run}/post-data.list");
    let listing = format!(
        "{} --list --section=post-data {} | grep -v ' FK CONSTRAINT ' > {}",
        quoted(&of.site.program("pg_restore")),
        quoted(file),
        quoted(&list),
    );
    of.site.exec(Exec::shell(listing)).await?;
    let mut arguments = into(database, "post-data");
    arguments.extend([format!("--use-list={list}"), file.to_owned()]);
    of.site.tool("pg_restore", &arguments).await?;
    Ok(())
}

fn into(database: &str, section: &str) -> Vec<String> {
    // As a string of keys: a name with a `=` would be taken for one.
    let name = database.replace('\\', "\\\\").replace('\'', "\\'");
    vec![
        "--exit-on-error".to_owned(),
        format!("--dbname=dbname='{name}'"),
        format!("--section={section}"),
    ]
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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
