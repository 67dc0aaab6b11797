//! Bad statements: what somebody with the right password types into the wrong window.
//!
//! The commit's own LSN is read back with `pg_waldump`, so that recovery can stop
//! exactly before it.

use tokio_postgres::Client;

use super::{Facts, FaultError, Injection, Kind, injection::Effect};
use crate::{
    event::FaultRecord,
    postgres::{
        DATABASE_TEMPLATE, PgError, Server, ServerError, lsn,
        query::{one_value, run_sql},
    },
    runtime::Exec,
};

// 40P01 below: a statement that locks many tables under live traffic may deadlock with a client,
// which then gives way.

/// What clients of a dropped object run into.
pub(super) const DROPPED: &[&str] = &[
    // The table, its schema, or with CASCADE a function, a type, a column.
    "42P01", "3F000", "42883", "42704", "42703",
    // "cache lookup failed" in a session whose object has just gone, and a plan that it was in.
    "XX000", "0A000",
    // No partition for a row; a default that is gone; a reference into a partition.
    "23514", "23502", "23503", "40P01",
];

/// A reference to a row, a value looked up in one, PL/pgSQL's `INTO STRICT`.
pub(super) const ROWS_GONE: &[&str] = &["23503", "23502", "P0002", "40P01"];

/// A fault that is one statement.
pub(super) trait BadStatement {
    fn facts(&self) -> Facts<'_>;
    fn statement(&self) -> Statement;
}

impl<T: BadStatement> Kind for T {
    fn facts(&self) -> Facts<'_> {
        BadStatement::facts(self)
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let (statement, server) = (self.statement(), injection.server);
        let hit = statement.count(server).await?;
        let begun = injection.begin().await?;
        let (record, shown) = match statement.from_outside {
            true => {
                let outside = server.within(DATABASE_TEMPLATE).connect().await?;
                let shown = statement.perform(&outside).await?;
                (injection.end(begun), shown)
            }
            false => statement.in_transaction(injection, begun).await?,
        };
        Ok(statement.effect(&hit, &shown).of(record))
    }
}

/// A bad statement and what shows its effect.
pub(super) struct Statement {
    pub sql: String,
    pub shown_by: ShownBy,
    /// PostgreSQL refuses it in a transaction, and in the database itself.
    pub from_outside: bool,
}

/// What shows that a statement took effect.
pub(super) enum ShownBy {
    /// What this query counts, before and, in the statement's own transaction, after it.
    Count(String),
    /// What the statement itself returns: how many rows it hit, their digest as they were,
    /// and as it left them.
    Digests,
}

impl Statement {
    /// One after which there is less.
    pub(super) fn counted(sql: String, query: String) -> Self {
        Self {
            sql,
            shown_by: ShownBy::Count(query),
            from_outside: false,
        }
    }

    /// What it is counted by, before it; through the maintenance database when the other is gone.
    async fn count(&self, server: &Server) -> Result<String, ServerError> {
        let ShownBy::Count(query) = &self.shown_by else {
            return Ok(String::new());
        };
        let client = match server.connect().await {
            Ok(client) => client,
            Err(_) => server.within(DATABASE_TEMPLATE).connect().await?,
        };
        Ok(one_value(&client, query).await?)
    }

    /// Performs it; returns what shows its effect.
    async fn perform(&self, client: &Client) -> Result<String, PgError> {
        match &self.shown_by {
            ShownBy::Count(query) => {
                run_sql(client, &self.sql).await?;
                one_value(client, query).await
            }
            ShownBy::Digests => one_value(client, &self.sql).await,
        }
    }

    /// Performs it; returns the record and what shows its effect, as its own transaction saw it.
    async fn in_transaction(
        &self,
        injection: &Injection<'_>,
        begun: FaultRecord,
    ) -> Result<(FaultRecord, String), FaultError> {
        let server = injection.server;
        let client = server.connect().await?;
        // Where it deadlocks with a client, the client is the one that gives way.
        run_sql(&client, "begin; set local deadlock_timeout = '10min'").await?;
        let shown = self.perform(&client).await?;
        let xid = one_value(&client, "select pg_current_xact_id()").await?;
        run_sql(&client, "commit").await?;
        let mut record = injection.end(begun);
        record.xid = xid.parse().ok();
        record.commit_lsn = commit_lsn(server, record.lsn, &xid).await?;
        Ok((record, shown))
    }

    fn effect(&self, before: &str, after: &str) -> Effect {
        match &self.shown_by {
            ShownBy::Count(query) => fell(query, before, after),
            ShownBy::Digests => differs(after),
        }
    }
}

/// Whether a count fell.
fn fell(query: &str, before: &str, after: &str) -> Effect {
    let number = |text: &str| text.parse::<i64>().unwrap_or_default();
    Effect {
        took: number(after) < number(before),
        evidence: format!("`{query}` returned {before} before and {after} after"),
    }
}

/// Whether any value differs: number of rows, digest before, digest after.
fn differs(shown: &str) -> Effect {
    let mut words = shown.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (rows, before, after) = (word(), word(), word());
    let how = match before == after {
        true => "none of their values changed".to_owned(),
        false => format!("digest of their values {before} before and {after} after"),
    };
    Effect {
        took: before != after,
        evidence: format!("rows hit: {rows}; {how}"),
    }
}

/// Where the transaction's commit record begins, found as a DBA finds it.
async fn commit_lsn(server: &Server, from: u64, xid: &str) -> Result<Option<u64>, FaultError> {
    let wal = server
        .node
        .layout()
        .data
        .join("pg_wal")
        .display()
        .to_string();
    let xid = xid.parse::<u64>().unwrap_or_default() & 0xffff_ffff;
    let timeline = server.value("select ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int").await?;
    let arguments = [
        server.program("pg_waldump"),
        format!("--path={wal}"),
        format!("--timeline={timeline}"),
        format!("--start={}", lsn::show(from)),
        "--rmgr=Transaction".into(),
        format!("--xid={xid}"),
    ];
    // It always ends with an error where the WAL ends.
    let output = server.node.exec(Exec::new(arguments).allow(1)).await?;
    Ok(commit_in(&output.text()))
}

fn commit_in(dump: &str) -> Option<u64> {
    let line = dump.lines().find(|line| line.contains("desc: COMMIT"))?;
    let position = line.split("lsn: ").nth(1)?.split(',').next()?;
    lsn::parse(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_record_is_found_in_a_dump() {
        let dump = "rmgr: Transaction len (rec/tot): 46/46, tx: 740, lsn: 0/0154D9A8, prev 0/0154D968, desc: COMMIT 2026-01-01 00:00:00 UTC";
        assert_eq!(commit_in(dump), Some(0x0154_D9A8));
        assert_eq!(commit_in("rmgr: Heap"), None);
    }

    #[test]
    fn it_took_effect_when_a_count_falls() {
        assert!(fell("select …", "3", "0").took);
        assert!(!fell("select …", "3", "3").took);
        assert!(!fell("select …", "0", "0").took);
    }

    #[test]
    fn it_took_effect_when_a_value_differs() {
        assert!(differs("2 17 18").took);
        let same = differs("2 17 17");
        assert!(!same.took);
        assert_eq!(same.evidence, "rows hit: 2; none of their values changed");
        assert!(!differs("0 0 0").took);
    }

    #[test]
    fn what_no_drop_explains_is_expected_of_none() {
        assert!(DROPPED.contains(&"23514"), "no partition for a row");
        assert!(!DROPPED.contains(&"22012") && !DROPPED.contains(&"53100"));
    }
}
