//! What a workload's clients do: transactions as SQL with parameters, and the rows they leave.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Generator, REQUEST_ID};
use crate::units::Rate;

/// One workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadPlan {
    /// Its name; objectives refer to it.
    pub name: String,
    /// The database that it works in.
    pub database: String,
    pub business: Business,
    /// SQL that makes tables of its own before any client begins; none when they are there already.
    pub create: Option<String>,
    /// Number of connections.
    pub clients: u32,
    /// Arrivals over all clients.
    pub rate: Rate,
}

/// What the clients of a business do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Business {
    /// The role its clients log in as.
    pub role: String,
    /// The group role whose membership is the right to write: `freeze` revokes it. Default: what
    /// `role` was granted on the tables itself is revoked.
    pub writer_role: Option<String>,
    /// How a session names its tenant. Default: there are no tenants.
    pub tenants: Option<Tenants>,
    /// Whether arrivals come in bursts.
    #[serde(default)]
    pub bursts: bool,
    /// The tables whose rows the ledger tells of: each transaction writes a row of one of them.
    #[schemars(length(min = 1, max = 64))]
    pub tables: Vec<LiveTable>,
    /// What clients do, each by its weight.
    #[schemars(length(min = 1))]
    pub transactions: Vec<Transaction>,
}

/// How a session names its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenants {
    /// The setting that is set to the tenant at the beginning of a transaction.
    pub setting: String,
    /// The table whose loaded rows are the tenants.
    #[schemars(extend("format" = "qualified-name"))]
    pub table: String,
}

/// A table whose rows clients write and the ledger tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LiveTable {
    /// Its name, with its schema.
    #[schemars(extend("format" = "qualified-name"))]
    pub name: String,
    /// The column that holds the ledger's key, of type uuid or text; NULL in rows that no client
    /// wrote. Default: `request_id`.
    #[serde(default = "request_id")]
    pub key: String,
    /// The column that counts the changes of a row: 0 when it is inserted. Default: rows are never
    /// changed.
    pub version: Option<String>,
    /// A row of this version is not changed again. Default: rows are changed again and again.
    pub max_version: Option<u32>,
    /// Which of the columns names the tenant. Default: none.
    pub tenant: Option<String>,
    /// The columns that are compared after a recovery, and what clients write there.
    #[schemars(length(min = 1))]
    pub columns: Vec<LiveColumn>,
}

/// A column that is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveColumn {
    pub name: String,
    /// What is in it when the row is inserted.
    pub r#gen: Generator,
    /// What each update of the row sets it to. Default: it stays as it was inserted.
    pub update: Option<Generator>,
}

/// What a client does at once: all of it is committed, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    pub name: String,
    /// How often it is chosen, against the weights of the others. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: u32,
    /// What it does to a row that the ledger tells of. Default: it only reads.
    pub writes: Option<Writes>,
    /// Further parameters by name: made anew each time, and not compared.
    #[serde(default)]
    pub values: Vec<Value>,
    /// Which of the values names the tenant, where nothing is written. Default: none.
    pub tenant: Option<String>,
    /// Its statements, in order; the one that writes the ledger's row is the first. BEGIN and COMMIT
    /// stand around them.
    #[schemars(length(min = 1))]
    pub statements: Vec<Statement>,
}

/// What a transaction does to a row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// A new row of this table.
    Insert(String),
    /// Changes a row that the client inserted; inserts one where there is none yet.
    Update(String),
    /// Deletes a row that the client inserted; inserts one where there is none yet.
    Delete(String),
}

/// A parameter by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Value {
    pub name: String,
    /// What it is.
    pub r#gen: Generator,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its SQL, with `$1`, `$2`, … for parameters; or a path that ends in `.sql`.
    pub sql: String,
    /// What `$1`, `$2`, … are: `key`, `version` (of the row before), a column of the row, or a value.
    #[serde(default)]
    pub parameters: Vec<String>,
}

impl Business {
    /// The position of the live table of this name.
    pub fn table(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }

    /// Every text of SQL in it, to be replaced.
    pub fn sql_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let statements = self.transactions.iter_mut().flat_map(|t| &mut t.statements);
        statements.map(|statement| &mut statement.sql)
    }
}

impl Writes {
    pub fn table(&self) -> &str {
        match self {
            Self::Insert(table) | Self::Update(table) | Self::Delete(table) => table,
        }
    }
}

impl Statement {
    /// The numbers of its parameters (`$1` is 1), literals, quoted names and comments left out.
    pub fn numbers(sql: &str) -> BTreeSet<usize> {
        let mut numbers = BTreeSet::new();
        let mut rest = sql;
        while let Some(at) = rest.find(['\'', '"', '$', '-', '/']) {
            rest = &rest[at..];
            let ended = |end: &str, from: usize| {
                let found = rest.get(from..).and_then(|text| text.find(end));
                found.map_or(rest.len(), |at| from + at + end.len())
            };
            let digits = rest[1..].len()
                - rest[1..]
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .len();
            let skipped = match rest.as_bytes() {
                [b'\'', ..] => ended("'", 1),
                [b'"', ..] => ended("\"", 1),
                [b'-', b'-', ..] => ended("\n", 2),
                [b'/', b'*', ..] => ended("*/", 2),
                [b'$', ..] if digits > 0 => {
                    numbers.extend(rest[1..=digits].parse::<usize>());
                    1 + digits
                }
                [b'$', ..] => dollar_quote(rest).map_or(1, |tag| ended(tag, tag.len())),
                _other => 1,
            };
            rest = &rest[skipped..];
        }
        numbers
    }
}

/// The tag that opens a dollar-quoted string.
fn dollar_quote(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let is_tag = |c: char| c.is_alphanumeric() || c == '_';
    text[1..end - 1].chars().all(is_tag).then_some(&text[..end])
}

fn request_id() -> String {
    REQUEST_ID.to_owned()
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::Statement;

    #[test]
    fn parameters_are_told_from_literals_names_and_comments() {
        let sql =
            "SELECT '$9', \"$8\", $1::text, $$ $7 $$, $a$ $6 $a$, $12 - 1 / $2 -- $5\n/* $4 */";
        let numbers: Vec<usize> = Statement::numbers(sql).into_iter().collect();
        assert_eq!(numbers, [1, 2, 12]);
    }
}
