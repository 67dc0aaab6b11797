//! A superuser's session whose statements become part of the runbook.

use std::time::Instant;

use tokio_postgres::{Client, Row};

use super::{SalvageError, literal};
use crate::{
    event::{CommandRecord, EventKind},
    history::Recorder,
    postgres::{PgError, Server, query::Cells},
    text::{cut, on_one_line},
};

/// Longest statement shown whole in an error.
const SHOWN: usize = 200;

pub(super) struct Session<'a> {
    pub client: Client,
    node: String,
    user: String,
    recorder: &'a Recorder,
}

impl<'a> Session<'a> {
    /// Logs in; values are shown in the same words on both servers.
    pub async fn open(server: &Server, recorder: &'a Recorder) -> Result<Self, SalvageError> {
        let access = server.access().await?;
        let session = Self {
            client: access.connect("pgdrill salvage").await?,
            node: server.node.name().to_owned(),
            user: access.user,
            recorder,
        };
        session
            .quietly(
                "SET search_path = ''; SET row_security = off; SET DateStyle = 'ISO, YMD'; \
                 SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; \
                 SET statement_timeout = 0",
            )
            .await?;
        Ok(session)
    }

    /// Executes statements and records them; none: does nothing.
    pub async fn run(&self, sql: &str) -> Result<(), SalvageError> {
        if sql.trim().is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let result = self.client.batch_execute(sql).await;
        self.note(sql, began, result.as_ref().err(), "");
        result.map_err(|error| self.failed(sql, &error))
    }

    /// Tries a statement that may be refused; returns why it was. The transaction goes on.
    pub async fn attempt(&self, sql: &str) -> Result<Option<String>, SalvageError> {
        self.quietly("SAVEPOINT pgdrill_attempt").await?;
        let began = Instant::now();
        let result = self.client.batch_execute(sql).await;
        self.note(sql, began, result.as_ref().err(), "");
        let then = match &result {
            Ok(()) => "RELEASE pgdrill_attempt",
            Err(_) => "ROLLBACK TO pgdrill_attempt; RELEASE pgdrill_attempt",
        };
        self.quietly(then).await?;
        Ok(result
            .err()
            .map(|error| crate::postgres::access::describe(&error)))
    }

    /// Says something that belongs into the report.
    pub fn say(&self, text: String) {
        self.recorder.record(EventKind::Note { text });
    }

    /// Executes one statement, records it, and says how many rows it touched.
    pub async fn count(&self, sql: &str) -> Result<u64, SalvageError> {
        let began = Instant::now();
        let result = self.client.execute(sql, &[]).await;
        let rows = result.as_ref().map(|count| format!("{count} rows"));
        self.note(sql, began, result.as_ref().err(), &rows.unwrap_or_default());
        result.map_err(|error| self.failed(sql, &error))
    }

    /// Executes statements that are the harness's own looking and arranging.
    pub async fn quietly(&self, sql: &str) -> Result<(), SalvageError> {
        let result = self.client.batch_execute(sql).await;
        result.map_err(|error| self.failed(sql, &error))
    }

    /// Rows of a query, not recorded.
    pub async fn query(&self, sql: &str) -> Result<Vec<Row>, SalvageError> {
        let result = self.client.query(sql, &[]).await;
        result.map_err(|error| self.failed(sql, &error))
    }

    /// The only row of a query, not recorded.
    pub async fn one(&self, sql: &str) -> Result<Row, SalvageError> {
        let result = self.client.query_one(sql, &[]).await;
        result.map_err(|error| self.failed(sql, &error))
    }

    /// Whether it has this table or sequence.
    pub async fn has(&self, name: &str) -> Result<bool, SalvageError> {
        let there = format!("SELECT to_regclass({}) IS NOT NULL", literal(name));
        Ok(self.one(&there).await?.cell(0)?)
    }

    /// Records a statement that was executed in another way.
    pub fn note(
        &self,
        sql: &str,
        began: Instant,
        error: Option<&tokio_postgres::Error>,
        stdout: &str,
    ) {
        self.recorder.record(EventKind::Command(CommandRecord {
            node: self.node.clone(),
            user: self.user.clone(),
            command: sql.trim().to_owned(),
            exit: i32::from(error.is_some()),
            took_us: began.elapsed().as_micros() as u64,
            stdout: stdout.to_owned(),
            stderr: error
                .map(crate::postgres::access::describe)
                .unwrap_or_default(),
        }));
    }

    pub fn failed(&self, sql: &str, error: &tokio_postgres::Error) -> SalvageError {
        let shown = cut(&on_one_line(sql), SHOWN);
        PgError::new(format!("on `{}`: {shown}", self.node), error).into()
    }
}
