//! Where histories go, and how to log in there.

use std::{fmt, time::Duration};

use nix::unistd::{Uid, User};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
};

use super::passfile::{self, Login};
use crate::{postgres::PgError, secret::Secret};

/// Who can't be reached within this time is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a URL was stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// Everybody on the machine may read it.
    OnTheCommandLine,
    InTheEnvironment,
}

/// A database of somebody's; told without its password.
#[derive(Clone)]
pub struct Database {
    login: Config,
    told: String,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl Database {
    /// Reads a URL, and finds the password.
    ///
    /// # Errors
    /// With cause and hint, and never with the URL: it may hold a password.
    pub fn read(url: &Secret, stated: Stated) -> Result<Self, String> {
        let mut login = parsed(url.reveal())?;
        if login.get_password().is_some() && stated == Stated::OnTheCommandLine {
            return Err(
                "a password on the command line can be read by everybody on this machine\n  \
                        hint: leave it out of the URL; PGPASSWORD or ~/.pgpass holds it, or \
                        PGDRILL_PUBLISH the whole URL"
                    .into(),
            );
        }
        if login.get_ssl_mode() == SslMode::Require {
            return Err(
                "the URL demands TLS, which is not spoken to this database\n  \
                        hint: a tunnel to it, with `sslmode=prefer`"
                    .into(),
            );
        }
        let user = login
            .get_user()
            .map_or_else(own_name, |user| Ok(user.to_owned()))?;
        let database = login.get_dbname().unwrap_or(&user).to_owned();
        let host = host(&login)?;
        let port = login.get_ports().first().copied().unwrap_or(5432);
        if login.get_password().is_none() {
            let login_of = Login {
                host: in_passfile(&host),
                port,
                database: &database,
                user: &user,
            };
            if let Some(password) = passfile::password(login_of)? {
                login.password(password.reveal());
            }
        }
        login.user(&user).dbname(&database);
        login.application_name("pgdrill").connect_timeout(CONNECT);
        Ok(Self {
            login,
            told: format!("{host}:{port}/{database} as `{user}`"),
        })
    }

    /// Logs in. The connection ends when the client is dropped.
    pub(super) async fn connect(&self) -> Result<Client, PgError> {
        let doing = || format!("connect to {self}");
        let (client, connection) = self
            .login
            .connect(NoTls)
            .await
            .map_err(|error| PgError::new(doing(), &error))?;
        // The connection's end is seen by the client's next request.
        tokio::spawn(connection);
        Ok(client)
    }
}

fn parsed(url: &str) -> Result<Config, String> {
    let hint = "a URL like postgres://USER@HOST:PORT/DATABASE, special characters percent-encoded";
    let is_url = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let read = url.parse::<Config>().ok().filter(|_| is_url);
    read.ok_or_else(|| {
        format!("what is to be published to is no URL of a PostgreSQL database\n  hint: {hint}")
    })
}

/// The first, which the password file is asked for.
fn host(login: &Config) -> Result<String, String> {
    match login.get_hosts().first() {
        Some(Host::Tcp(name)) => Ok(name.clone()),
        Some(Host::Unix(directory)) => Ok(directory.display().to_string()),
        None => Err("the URL names no host\n  \
                     hint: postgres://HOST/DATABASE, or postgres:///DATABASE?host=/var/run/postgresql"
            .into()),
    }
}

/// PostgreSQL's clients know the usual places of sockets by this name.
fn in_passfile(host: &str) -> &str {
    match host {
        "/var/run/postgresql" | "/run/postgresql" | "/tmp" => "localhost",
        other => other,
    }
}

fn own_name() -> Result<String, String> {
    let own = User::from_uid(Uid::effective()).ok().flatten();
    own.map(|user| user.name).ok_or_else(|| {
        "the URL names no user, and whoever runs this has no name\n  hint: postgres://USER@HOST/DATABASE".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, stated: Stated) -> Result<Database, String> {
        Database::read(&Secret::new(url), stated)
    }

    #[test]
    fn a_password_is_never_told() {
        let url = "postgres://drill:s3cret@db.example:6543/ops";
        let database = read(url, Stated::InTheEnvironment).unwrap();
        let told = format!("{database} {database:?}");
        assert_eq!(told.matches("db.example:6543/ops as `drill`").count(), 2);
        for url in [
            url,
            "postgres://db.example/ops?password=s3cret",
            "postgres://drill:s3cret@db.example:none/ops",
            "postgres://drill:a?s3cret@db.example/ops",
            "postgres://drill:a#s3cret@db.example/ops?s3cret",
            "mysql://drill:s3cret@db.example/ops",
            "host=db.example password=s3cret",
        ] {
            let refused = read(url, Stated::OnTheCommandLine).unwrap_err();
            assert!(
                !refused.contains("s3cret") && refused.contains("hint: "),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_cannot_be_reached_so_is_refused() {
        let refused = |url| read(url, Stated::OnTheCommandLine).unwrap_err();
        assert!(refused("postgres:///ops").starts_with("the URL names no host"));
        assert!(refused("postgres://db/ops?sslmode=require").starts_with("the URL demands TLS"));
        let socket = read(
            "postgres:///ops?host=/run/postgresql&user=drill",
            Stated::OnTheCommandLine,
        );
        assert_eq!(
            socket.unwrap().to_string(),
            "/run/postgresql:5432/ops as `drill`"
        );
    }
}
