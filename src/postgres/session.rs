//! Asking a server as its superuser: each call is a session of its own.

use std::time::Duration;

use tokio_postgres::Client;

use super::{
    Access, Server, ServerError, Tls,
    query::{Identity, identity, one_value, run_sql},
    server::SUPERUSER,
};
use crate::{
    event::EventKind,
    history::Recorder,
    runtime::{POSTGRES_PORT, RuntimeError},
    secret::Secret,
    units::Time,
};

impl Server {
    /// How to log in as the superuser, from the harness.
    pub async fn access(&self) -> Result<Access, RuntimeError> {
        let (host, port) = self.node.address(POSTGRES_PORT).await?;
        let password = self
            .passwords
            .get(SUPERUSER)
            .cloned()
            .unwrap_or_else(|| Secret::new(""));
        Ok(Access {
            host,
            port,
            database: self.database.clone(),
            user: SUPERUSER.into(),
            password,
            tls: Tls::Off,
        })
    }

    /// The same, logged in to in another database.
    #[must_use]
    pub fn within(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    pub async fn connect(&self) -> Result<Client, ServerError> {
        Ok(self.access().await?.connect("pgdrill").await?)
    }

    pub async fn sql(&self, statements: &str) -> Result<(), ServerError> {
        let client = self.connect().await?;
        run_sql(&client, statements).await?;
        Ok(())
    }

    /// The first column of the first row, as text; empty for NULL and for no row.
    pub async fn value(&self, query: &str) -> Result<String, ServerError> {
        let client = self.connect().await?;
        Ok(one_value(&client, query).await?)
    }

    /// Waits until a query returns `t`.
    ///
    /// # Errors
    /// At the deadline, with what the query returned last.
    pub async fn wait_until(
        &self,
        what: &str,
        query: &str,
        within: Duration,
    ) -> Result<(), ServerError> {
        let began = std::time::Instant::now();
        loop {
            let last = match self.value(query).await {
                Ok(value) if value == "t" => return Ok(()),
                Ok(value) if value.is_empty() => "NULL, or no row".into(),
                Ok(value) => value,
                Err(error) => error.to_string(),
            };
            if began.elapsed() >= within {
                return Err(ServerError::Wait {
                    server: self.name.clone(),
                    what: what.into(),
                    within: Time(within),
                    last,
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads who it is and records that it is ready.
    pub async fn announce(&self, recorder: &Recorder) -> Result<Identity, ServerError> {
        let client = self.connect().await?;
        let identity = identity(&client).await?;
        recorder.record(EventKind::ServerReady {
            server: self.name.clone(),
            version: identity.version,
            system_identifier: identity.system_identifier,
            timeline: identity.timeline,
            segment_size: identity.segment_size,
        });
        Ok(identity)
    }
}
