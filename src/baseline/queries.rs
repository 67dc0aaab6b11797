//! The user's own queries: what they return is part of a baseline.

use std::{collections::BTreeSet, fs, path::Path};

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::postgres::access::describe;

/// Begins the line before a query that says what it is called.
const NAME: &str = "-- name:";

/// Rows that a query may return.
const ROWS: usize = 1000;

/// A query and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    pub sql: String,
}

/// What a query returned, as text; NULL is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryResult {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// Queries that can't be taken, or one that returned nothing to be kept.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("{0}")]
    File(String),
    #[error(
        "query `{name}`: {error}\n  hint: it is asked as the role that records, which can only read here"
    )]
    Refused { name: String, error: String },
    #[error(
        "query `{0}` returned more than {ROWS} rows\n  hint: let it count, sum up, or return the newest ones"
    )]
    TooMany(String),
}

impl Query {
    /// The queries of a file: each after a line `-- name: NAME`, or, without any such line, one that is
    /// called as the file is.
    ///
    /// # Errors
    /// When it can't be read, holds none, or two of one name.
    pub fn in_file(file: &Path) -> Result<Vec<Self>, QueryError> {
        let wrong = |cause: String| {
            let hint = "each query after a line `-- name: NAME`, or one query alone";
            QueryError::File(format!("`{}`: {cause}\n  hint: {hint}", file.display()))
        };
        let text = fs::read_to_string(file).map_err(|cause| wrong(cause.to_string()))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        in_text(&text, &stem).map_err(wrong)
    }

    fn is_empty(&self) -> bool {
        let mut lines = self.sql.lines().map(str::trim);
        lines.all(|line| line.is_empty() || line.starts_with("--"))
    }

    /// Asks it in a session of its own, in which names are found by the role's own path.
    ///
    /// # Errors
    /// When the server refuses, or more rows come than may be.
    pub(super) async fn ask(&self, client: &Client) -> Result<QueryResult, QueryError> {
        let said = async {
            client.batch_execute("RESET search_path").await?;
            client.simple_query(&self.sql).await
        };
        let said = said.await.map_err(|error| QueryError::Refused {
            name: self.name.clone(),
            error: describe(&error),
        })?;
        let mut result = QueryResult::default();
        for message in said {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let names = columns.iter().map(|column| column.name().to_owned());
                    result.columns = names.collect();
                }
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|at| row.get(at).map(str::to_owned));
                    result.rows.push(values.collect());
                }
                _ => {}
            }
        }
        match result.rows.len() > ROWS {
            true => Err(QueryError::TooMany(self.name.clone())),
            false => Ok(result),
        }
    }
}

fn in_text(text: &str, otherwise: &str) -> Result<Vec<Query>, String> {
    let begun = |name: &str| Query {
        name: name.to_owned(),
        sql: String::new(),
    };
    let (mut all, mut current) = (Vec::new(), begun(otherwise));
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(NAME) {
            all.push(std::mem::replace(&mut current, begun(name.trim())));
            continue;
        }
        current.sql.push_str(line);
        current.sql.push('\n');
    }
    // What stands before the first name may be nothing but comments.
    if all.first().is_some_and(Query::is_empty) {
        all.remove(0);
    }
    all.push(current);
    if let Some(empty) = all.iter().find(|query| query.is_empty()) {
        return Err(format!("the query `{}` is empty", empty.name));
    }
    let mut names = BTreeSet::new();
    match all.iter().find(|query| !names.insert(&query.name)) {
        Some(again) => Err(format!("two queries are called `{}`", again.name)),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<(String, String)>, String> {
        let all = in_text(text, "orders")?.into_iter();
        Ok(all
            .map(|query| (query.name, query.sql.trim().to_owned()))
            .collect())
    }

    #[test]
    fn queries_are_called_as_they_say_or_as_their_file() {
        let pair = |name: &str, sql: &str| (name.to_owned(), sql.to_owned());
        assert_eq!(
            names("-- of today\nTABLE a;\n"),
            Ok(vec![pair("orders", "-- of today\nTABLE a;")])
        );
        let two =
            "-- Ours.\n\n-- name: newest order\nSELECT max(at)\nFROM o;\n-- name: b\nTABLE b\n";
        let expected = vec![
            pair("newest order", "SELECT max(at)\nFROM o;"),
            pair("b", "TABLE b"),
        ];
        assert_eq!(names(two), Ok(expected));
    }

    #[test]
    fn an_empty_query_and_two_of_one_name_are_refused() {
        for (text, cause) in [
            ("", "the query `orders` is empty"),
            ("-- nothing yet\n", "the query `orders` is empty"),
            (
                "-- name: a\n-- name: b\nTABLE b\n",
                "the query `a` is empty",
            ),
            (
                "-- name: a\nTABLE a\n-- name: a\nTABLE b\n",
                "two queries are called `a`",
            ),
            (
                "TABLE a\n-- name: orders\nTABLE b\n",
                "two queries are called `orders`",
            ),
        ] {
            assert_eq!(names(text), Err(cause.to_owned()), "{text}");
        }
    }
}
