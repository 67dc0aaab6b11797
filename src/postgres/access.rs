//! Connections of the harness to a server: who, where, and errors worth reading.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_util::either::Either;

use super::{
    metered::Metered,
    tls::{Stream, Tls, protected},
};
use crate::{
    meter::{Activity, outside},
    secret::Secret,
};

/// Where a server is and as whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// A name, an address, or the directory of a socket.
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    /// Empty: there is none.
    pub password: Secret,
    pub tls: Tls,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            database,
            user,
            ..
        } = self;
        write!(f, "{host}:{port}/{database} as `{user}`")
    }
}

/// An error of a server or of the way to it, in full (`tokio_postgres` says only "db error").
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct PgError {
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

/// A server that does not let the harness in within this time is not there.
const CONNECT: Duration = Duration::from_secs(5);

enum Unreached {
    Network(io::Error),
    Server(tokio_postgres::Error),
}

impl From<io::Error> for Unreached {
    fn from(cause: io::Error) -> Self {
        Self::Network(cause)
    }
}

impl From<tokio_postgres::Error> for Unreached {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Access {
    /// Logs in. The connection ends when the client is dropped.
    ///
    /// # Errors
    /// When the server can't be reached within 5 s or refuses.
    pub async fn connect(&self, application: &str) -> Result<Client, PgError> {
        let connecting = async {
            let stream = self.reach().await?;
            let config = self.config(application);
            Ok(config.connect_raw(stream, NoTls).await?)
        };
        let (client, connection) = self.in_time(connecting).await?;
        // The connection's end is seen by the client's next request.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Logs in and hands over the bare stream, over which nothing was asked yet.
    pub(super) async fn log_in(&self, application: &str) -> Result<Metered<Stream>, PgError> {
        let connecting = async {
            let mut stream = self.reach().await?;
            let config = self.config(application);
            drop(config.connect_raw(&mut stream, NoTls).await?);
            Ok(stream)
        };
        self.in_time(connecting).await
    }

    async fn reach(&self) -> io::Result<Metered<Stream>> {
        let connecting = async {
            let socket = match self.host.starts_with('/') {
                true => Either::Right(UnixStream::connect(self.socket()).await?),
                false => {
                    let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
                    stream.set_nodelay(true)?;
                    Either::Left(stream)
                }
            };
            protected(&self.tls, &self.host, socket).await
        };
        let connected = outside(Activity::Server, Box::pin(connecting)).await?;
        Ok(Metered::new(connected))
    }

    fn socket(&self) -> PathBuf {
        Path::new(&self.host).join(format!(".s.PGSQL.{}", self.port))
    }

    async fn in_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, Unreached>>,
    ) -> Result<T, PgError> {
        let doing = || format!("connect to {self}");
        let refused = |message: String| PgError {
            doing: doing(),
            message,
            sqlstate: None,
        };
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(Unreached::Network(cause))) => {
                Err(refused(format!("error connecting to server: {cause}")))
            }
            Ok(Err(Unreached::Server(error))) => Err(PgError::new(doing(), &error)),
            Err(_) => Err(refused("no answer within 5 s".into())),
        }
    }

    /// Over a connection that is protected already, where it is to be.
    fn config(&self, application: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .ssl_mode(SslMode::Disable)
            .application_name(application);
        if !self.password.reveal().is_empty() {
            config.password(self.password.reveal());
        }
        config
    }

    /// The same login in another database.
    #[must_use]
    pub fn within(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn as_role(&self, user: &str, password: &Secret) -> Self {
        Self {
            user: user.to_owned(),
            password: password.clone(),
            ..self.clone()
        }
    }
}
