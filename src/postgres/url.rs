//! Somebody's database, by a URL of PostgreSQL's clients: where it is, as whom to log in, and how the
//! connection is protected. Passwords are found by `passfile`.

use std::{env, fs, path::PathBuf};

use nix::unistd::{Uid, User};
use tokio_postgres::{Config, config::Host};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    Access,
    passfile::{self, Login},
    tls::{Tls, Verified},
};
use crate::{secret::Secret, tls};

/// Where a URL was stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// Everybody on the machine may read it.
    OnTheCommandLine,
    InTheEnvironment,
}

impl Access {
    /// Reads a URL, and finds the password. As PostgreSQL's clients do, it takes `sslmode` (default:
    /// `prefer`) and `sslrootcert` of the URL, else of PGSSLMODE and PGSSLROOTCERT.
    ///
    /// # Errors
    /// With cause and hint, and never with the URL: it may hold a password.
    pub fn of_url(url: &Secret, stated: Stated) -> Result<Self, String> {
        let (url, protection) = protection(url.reveal())?;
        let login = parsed(&url)?;
        if login.get_password().is_some() && stated == Stated::OnTheCommandLine {
            return Err(
                "a password on the command line can be read by everybody on this machine\n  \
                        hint: leave it out of the URL; PGPASSWORD or ~/.pgpass holds it"
                    .into(),
            );
        }
        let user = login
            .get_user()
            .map_or_else(own_name, |user| Ok(user.to_owned()))?;
        let database = login.get_dbname().unwrap_or(&user).to_owned();
        let host = host(&login)?;
        let port = login.get_ports().first().copied().unwrap_or(5432);
        let password = match login.get_password() {
            Some(password) => Some(Secret::new(String::from_utf8_lossy(password))),
            None => passfile::password(Login {
                host: in_passfile(&host),
                port,
                database: &database,
                user: &user,
            })?,
        };
        Ok(Self {
            tls: protection.tls()?,
            host,
            port,
            database,
            user,
            password: password.unwrap_or_else(|| Secret::new("")),
        })
    }
}

/// How a connection is to be protected, as it was stated.
#[derive(Debug, Default)]
struct Protection {
    mode: Option<String>,
    authorities: Option<String>,
}

/// Takes out of a URL what its parser does not know, or not all values of. An option that would be
/// left aside is refused, without its name: where a `?` of a password is not encoded, that is part of it.
fn protection(url: &str) -> Result<(String, Protection), String> {
    let mut protection = Protection::default();
    let Some((place, options)) = url.split_once('?') else {
        return Ok((url.to_owned(), protection));
    };
    let mut others = Vec::new();
    for option in options.split('&') {
        match option.split_once('=') {
            Some(("sslmode", mode)) => protection.mode = Some(decoded(mode)),
            Some(("sslrootcert", file)) => protection.authorities = Some(decoded(file)),
            Some(("host" | "port" | "user" | "password" | "dbname", _)) => others.push(option),
            _ => {
                let known = "host, port, user, dbname, sslmode, sslrootcert";
                return Err(format!(
                    "an option of the URL is not known here\n  hint: known are {known}; other special \
                     characters are percent-encoded"
                ));
            }
        }
    }
    let others = others.join("&");
    let separator = if others.is_empty() { "" } else { "?" };
    Ok((format!("{place}{separator}{others}"), protection))
}

/// A value of an option, in which a `+` is one.
fn decoded(value: &str) -> String {
    let plus = value.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(plus.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(value, _)| value.into_owned())
}

impl Protection {
    fn tls(self) -> Result<Tls, String> {
        let stated = self.mode.or_else(|| env::var("PGSSLMODE").ok());
        let authorities = self.authorities.or_else(|| env::var("PGSSLROOTCERT").ok());
        let authorities = authorities.filter(|name| !name.is_empty());
        Ok(match stated.as_deref().unwrap_or("prefer") {
            "disable" => Tls::Off,
            "allow" | "prefer" => Tls::Preferred,
            "require" if authorities.is_none() => Tls::Demanded(Verified::Nothing),
            "require" | "verify-ca" => Tls::Demanded(Verified::Authority(trusted(authorities)?)),
            "verify-full" => Tls::Demanded(Verified::Name(trusted(authorities)?)),
            other => {
                let known = "disable, prefer, require, verify-ca, verify-full";
                return Err(format!(
                    "`sslmode={other}` is not known\n  hint: one of {known}"
                ));
            }
        })
    }
}

/// The certificates of a file, of `system`, or of the place where PostgreSQL's clients look.
fn trusted(stated: Option<String>) -> Result<Vec<CertificateDer<'static>>, String> {
    if stated.as_deref() == Some("system") {
        let hint = "hint: install Debian's package ca-certificates, or sslrootcert=FILE";
        return tls::of_this_machine().map_err(|cause| format!("{cause}\n  {hint}"));
    }
    let usual = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".postgresql/root.crt"));
    let file = stated.map(PathBuf::from).or_else(usual);
    let file =
        file.ok_or("no file of authorities is stated\n  hint: sslrootcert=FILE, or system")?;
    let hint = "hint: sslrootcert=FILE names the authorities' certificates (PEM), `system` those of this machine";
    let wrong = |cause: String| {
        format!(
            "cannot read authorities from `{}`: {cause}\n  {hint}",
            file.display()
        )
    };
    let pem = fs::read(&file).map_err(|cause| wrong(cause.to_string()))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|cause| wrong(cause.to_string()))?;
    match all.is_empty() {
        true => Err(wrong("it holds no certificate".into())),
        false => Ok(all),
    }
}

fn parsed(url: &str) -> Result<Config, String> {
    let hint = "a URL like postgres://USER@HOST:PORT/DATABASE, special characters percent-encoded";
    let is_url = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let read = url.parse::<Config>().ok().filter(|_| is_url);
    read.ok_or_else(|| format!("what is stated is no URL of a PostgreSQL database\n  hint: {hint}"))
}

fn host(login: &Config) -> Result<String, String> {
    match login.get_hosts() {
        [Host::Tcp(name)] => Ok(name.clone()),
        [Host::Unix(directory)] => Ok(directory.display().to_string()),
        [_, _, ..] => Err("the URL names several hosts\n  hint: name the one that is meant".into()),
        [] => Err("the URL names no host\n  \
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

    fn read(url: &str, stated: Stated) -> Result<Access, String> {
        Access::of_url(&Secret::new(url), stated)
    }

    #[test]
    fn a_password_is_never_told() {
        let url = "postgres://drill:s3cret@db.example:6543/ops";
        let access = read(url, Stated::InTheEnvironment).unwrap();
        assert_eq!(access.password, Secret::new("s3cret"));
        let told = format!("{access} {access:?}");
        assert!(
            told.starts_with("db.example:6543/ops as `drill` "),
            "{told}"
        );
        assert!(!told.contains("s3cret"), "{told}");
        for url in [
            url,
            "postgres://db.example/ops?password=s3cret",
            "postgres://drill:s3cret@db.example:none/ops",
            "postgres://drill:a?s3cret@db.example/ops",
            "postgres://drill:a#s3cret@db.example/ops?s3cret",
            "postgres://drill:s3cret@db.example/ops?sslmode=s",
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
    fn one_host_is_needed_and_may_be_the_directory_of_a_socket() {
        let refused = |url| read(url, Stated::OnTheCommandLine).unwrap_err();
        assert!(refused("postgres:///ops").starts_with("the URL names no host"));
        assert!(refused("postgres://a,b/ops").starts_with("the URL names several hosts"));
        let socket = read(
            "postgres:///ops?host=/run/postgresql&user=drill",
            Stated::OnTheCommandLine,
        );
        assert_eq!(
            socket.unwrap().to_string(),
            "/run/postgresql:5432/ops as `drill`"
        );
    }

    #[test]
    fn protection_is_stated_as_to_postgresqls_clients() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root+ca.crt");
        let made = rcgen::generate_simple_self_signed(["db.example".to_owned()]).unwrap();
        fs::write(&file, made.cert.pem()).unwrap();
        let trusted = vec![made.cert.der().clone()];
        let (file, empty) = (file.display(), dir.path().join("empty"));
        fs::write(&empty, "").unwrap();
        let tls = |options: &str| {
            let url = format!("postgres://drill@db.example/ops?{options}");
            read(&url, Stated::OnTheCommandLine).map(|access| access.tls)
        };
        let by = |mode: &str| tls(&format!("sslmode={mode}&sslrootcert={file}")).unwrap();
        assert_eq!(tls("port=5433&sslmode=disable").unwrap(), Tls::Off);
        assert_eq!(
            tls("sslmode=require").unwrap(),
            Tls::Demanded(Verified::Nothing)
        );
        assert_eq!(
            by("require"),
            Tls::Demanded(Verified::Authority(trusted.clone()))
        );
        assert_eq!(
            by("verify-ca"),
            Tls::Demanded(Verified::Authority(trusted.clone()))
        );
        assert_eq!(by("verify-full"), Tls::Demanded(Verified::Name(trusted)));
        for (options, mark) in [
            ("options=-cwork_mem%3D1GB", "an option of the URL"),
            ("sslmode=fully", "`sslmode=fully` is not known"),
            ("sslmode=verify-ca&sslrootcert=/nowhere/ca", "`/nowhere/ca`"),
            (
                &format!("sslmode=verify-ca&sslrootcert={}", empty.display()),
                "no certificate",
            ),
        ] {
            let refused = tls(options).unwrap_err();
            assert!(
                refused.contains(mark) && refused.contains("hint: "),
                "{refused}"
            );
        }
    }
}
