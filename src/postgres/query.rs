//! Asking a server: statements and single values, with errors that say which statement.

use tokio_postgres::{Client, Row, types::FromSql};

use super::PgError;
use crate::text::{cut, on_one_line};

/// For reading rows from the tables themselves: an index that lacks an entry would hide the row.
pub const WITHOUT_INDEXES: &str = "SET enable_indexscan = off; SET enable_indexonlyscan = off; \
     SET enable_bitmapscan = off";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `server_version_num`.
    pub version: u32,
    pub system_identifier: u64,
    pub timeline: u32,
    /// Bytes of a WAL segment.
    pub segment_size: u64,
    pub next_xid: u64,
}

/// What stands in a row: a server's answer may hold NULL where none should be, or be of another
/// type, when its catalogs are damaged or the user's schema is odd.
pub trait Cells {
    /// The value of a column, counted from 0.
    fn cell<'r, T: FromSql<'r>>(&'r self, at: usize) -> Result<T, PgError>;
}

impl Cells for Row {
    fn cell<'r, T: FromSql<'r>>(&'r self, at: usize) -> Result<T, PgError> {
        self.try_get(at)
            .map_err(|error| PgError::new("read an answer", &error))
    }
}

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The first column of every row.
pub fn texts(rows: &[Row]) -> Result<Vec<String>, PgError> {
    rows.iter().map(|row| row.cell(0)).collect()
}

/// The condition that one of these transactions wrote a row; `xmin` shows their lower 32 bits.
pub fn written_by(xids: &[u64]) -> String {
    let short = xids.iter().map(|xid| (*xid as u32).to_string());
    let short = short.collect::<Vec<_>>().join(",");
    format!("xmin = ANY ('{{{short}}}'::xid[])")
}

/// Executes statements, with an error that says which.
pub async fn run_sql(client: &Client, statements: &str) -> Result<(), PgError> {
    client
        .batch_execute(statements)
        .await
        .map_err(|error| PgError::new(shortened(statements), &error))
}

/// The first column of the first row, as text; empty for NULL and for no row.
pub async fn one_value(client: &Client, query: &str) -> Result<String, PgError> {
    let messages = client
        .simple_query(query)
        .await
        .map_err(|error| PgError::new(shortened(query), &error))?;
    let row = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            Some(row.get(0).unwrap_or_default().to_owned())
        }
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

pub(super) fn shortened(sql: &str) -> String {
    cut(&on_one_line(sql), 121)
}

pub async fn identity(client: &Client) -> Result<Identity, PgError> {
    let text = one_value(
        client,
        "select current_setting('server_version_num') || ' ' || system_identifier || ' ' ||
           ('x' || substr(case when pg_is_in_recovery() then lpad(to_hex((select timeline_id from pg_control_checkpoint())), 8, '0')
                               else pg_walfile_name(pg_current_wal_insert_lsn()) end, 1, 8))::bit(32)::int
           || ' ' || bytes_per_wal_segment || ' ' || pg_snapshot_xmax(pg_current_snapshot())
         from pg_control_system(), pg_control_init()",
    )
    .await?;
    let mut words = text.split(' ');
    let mut number = || {
        words
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .unwrap_or_default()
    };
    Ok(Identity {
        version: number() as u32,
        system_identifier: number(),
        timeline: number() as u32,
        segment_size: number(),
        next_xid: number(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_told_by_its_lower_32_bits() {
        assert_eq!(
            written_by(&[7, (1 << 32) + 5]),
            "xmin = ANY ('{7,5}'::xid[])"
        );
        assert_eq!(written_by(&[]), "xmin = ANY ('{}'::xid[])");
    }

    #[test]
    fn long_statements_are_shortened_for_errors() {
        assert_eq!(shortened("select\n  1"), "select 1");
        assert!(shortened(&"x".repeat(500)).ends_with('…'));
    }
}
