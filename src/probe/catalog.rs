//! Every row of every system catalog that says how something is defined, by name and
//! without OIDs: what pg_dump is silent about stands here (`definitions` is what it tells).
//!
//! Validity of indexes, state of a foreign key's own triggers, targets of statistics, recorded
//! versions of collations, what became of PostgreSQL's own objects, roles' passwords.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use serde_json::Value;
use tokio_postgres::Client;

use super::{ProbeError, ProbeTarget, ask, databases, definitions::keyed, session};
use crate::{observation::Observation, postgres::query::Cells};

/// Makes the queries.
const CATALOG: &str = include_str!("catalog.sql");

/// Schemas that a server makes for itself.
const PASSING: [&str; 3] = ["pg_toast", "pg_temp_", "pg_toast_temp_"];

const PASSWORDS: &str = "SELECT format('password of role %I', rolname), rolpassword FROM pg_authid \
     WHERE rolpassword IS NOT NULL";

/// Looks at the catalogs of every database, and at those that the databases share.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let databases = databases::all(&client).await?;
    let shared = (target.access.database.as_str(), true);
    let own = databases.iter().map(|database| (database.as_str(), false));
    let each = own.chain([shared]);
    let each = each.map(|(database, shared)| of_database(target, database, shared));
    let mut objects = by_name(try_join_all(each).await?.into_iter().flatten());
    objects.extend(passwords(&client, target).await?);
    Ok(Observation::Catalog(objects))
}

/// One database's own objects, or those that all share, as they are told.
async fn of_database(
    target: &ProbeTarget<'_>,
    database: &str,
    shared: bool,
) -> Result<Vec<(String, String)>, ProbeError> {
    let client = session(&target.access.within(database)).await?;
    let told = |name: String| match shared {
        true => name,
        false => target.plan.told(&name, database),
    };
    let rows = rows(&client, database, shared).await?.into_iter();
    Ok(rows.map(|(name, row)| (told(name), row)).collect())
}

/// Names and rows of one database's own objects, or of those that all share.
pub async fn rows(
    client: &Client,
    database: &str,
    shared: bool,
) -> Result<Vec<(String, String)>, ProbeError> {
    let made = ask(client, CATALOG, "list the catalogs").await?;
    let mut queries: Vec<&str> = Vec::new();
    for row in &made {
        if shared == row.cell::<bool>(0)? {
            queries.push(row.cell(1)?);
        }
    }
    let rows = ask(
        client,
        &queries.join("\nUNION ALL\n"),
        format!("read the catalog of database {database}"),
    )
    .await?;
    let object = |row: &tokio_postgres::Row| {
        let (name, definition): (String, &str) = (row.cell(0)?, row.cell(1)?);
        Ok((!is_passing(&name)).then(|| (name, fields(definition))))
    };
    rows.iter()
        .map(object)
        .filter_map(Result::transpose)
        .collect()
}

/// Rows by their names, those of one name together.
pub fn by_name(rows: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut objects: BTreeMap<String, String> = BTreeMap::new();
    for (name, definition) in rows {
        let same = objects.entry(name).or_default();
        *same = together(same, definition);
    }
    objects
}

/// Objects that share a name, as the triggers of a table's foreign keys do.
fn together(one: &str, other: String) -> String {
    if one.is_empty() {
        return other;
    }
    let mut all: Vec<&str> = one.split("\n\n").chain([other.as_str()]).collect();
    all.sort_unstable();
    all.join("\n\n")
}

/// Whether an object is of a schema that a server makes for itself.
fn is_passing(name: &str) -> bool {
    let own = |word: &str| {
        let schema = word.split('.').next().unwrap_or_default();
        PASSING.iter().any(|passing| {
            schema
                .strip_prefix(passing)
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    name.split(' ').any(own)
}

/// A row as lines `field: value`, without what is false or empty anyway.
fn fields(row: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(row) else {
        return row.to_owned();
    };
    let shown = fields.iter().filter_map(|(name, value)| match value {
        Value::Bool(false) | Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(format!("{name}: {text}")),
        other => Some(format!("{name}: {other}")),
    });
    shown.collect::<Vec<_>>().join("\n")
}

async fn passwords(
    client: &Client,
    target: &ProbeTarget<'_>,
) -> Result<Vec<(String, String)>, ProbeError> {
    let rows = ask(client, PASSWORDS, "read the roles' passwords").await?;
    let digest = |row: &tokio_postgres::Row| {
        let digest = keyed(&target.access.password, row.cell(1)?);
        Ok((row.cell(0)?, format!("digest {digest}")))
    };
    rows.iter().map(digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_makes_for_itself_is_no_object() {
        for own in [
            "schema pg_toast",
            "schema pg_temp_3",
            "table pg_temp_3.t",
            "pg_index pg_toast.pg_toast_9_index",
        ] {
            assert!(is_passing(own), "{own}");
        }
        for users in [
            "schema pg_tempura",
            "table pg_foo.t",
            "table sales.pg_temp_3",
        ] {
            assert!(!is_passing(users), "{users}");
        }
    }

    #[test]
    fn a_row_is_told_field_by_field() {
        let row =
            r#"{"attstattarget": 777, "attnotnull": false, "attidentity": "", "attname": "a"}"#;
        assert_eq!(fields(row), "attname: a\nattstattarget: 777");
    }

    #[test]
    fn objects_of_one_name_are_told_in_one_order() {
        let one = together(&together("", "b".into()), "a".into());
        assert_eq!(one, together(&together("", "a".into()), "b".into()));
    }
}
