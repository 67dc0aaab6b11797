//! Connections of the harness to a server: who, where, and errors worth reading.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use crate::secret::Secret;

/// Where a server is and as whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Host.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// An error of a server or of the way to it, in full (`tokio_postgres` says only "db error").
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct PgError {
    /// What was tried.
    pub doing: String,
    /// Severity, SQLSTATE, message, detail and hint, or the connection's error.
    pub message: String,
    /// The SQLSTATE when the server answered.
    pub sqlstate: Option<String>,
}

impl PgError {
    /// Adds what was tried to an error of the driver.
    pub fn new(doing: impl Into<String>, error: &tokio_postgres::Error) -> Self {
        let sqlstate = error.code().map(|code| code.code().to_owned());
        Self {
            doing: doing.into(),
            message: describe(error),
            sqlstate,
        }
    }
}

/// The whole text of a driver's error: server errors with SQLSTATE, detail and hint,
/// others with their causes.
pub fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let mut text = format!("{}: {} ({})", db.severity(), db.message(), db.code().code());
        for extra in [db.detail(), db.hint()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(extra);
        }
        return text;
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

impl Access {
    /// Logs in. The connection ends when the client is dropped.
    ///
    /// # Errors
    /// When the server can't be reached within 5 s or refuses.
    pub async fn connect(&self, application: &str) -> Result<Client, PgError> {
        let doing = || {
            format!(
                "connect to {}:{}/{} as `{}`",
                self.host, self.port, self.database, self.user
            )
        };
        let config = self.config(application);
        let connecting = config.connect(NoTls);
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let (client, connection) = match connected {
            Ok(Ok(pair)) => pair,
            Ok(Err(error)) => return Err(PgError::new(doing(), &error)),
            Err(_) => {
                return Err(PgError {
                    doing: doing(),
                    message: "no answer within 5 s".into(),
                    sqlstate: None,
                });
            }
        };
        // The connection's end is seen by the client's next request.
        tokio::spawn(connection);
        Ok(client)
    }

    /// The driver's configuration for it.
    pub fn config(&self, application: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .password(self.password.reveal())
            .application_name(application)
            .connect_timeout(Duration::from_secs(5));
        config
    }

    /// The same server as another role.
    #[must_use]
    pub fn as_role(&self, user: &str, password: &Secret) -> Self {
        Self {
            user: user.to_owned(),
            password: password.clone(),
            ..self.clone()
        }
    }
}
