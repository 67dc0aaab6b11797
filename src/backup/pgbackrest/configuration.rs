//! Its configuration file on a node: what the harness states, and what a strategy states beside.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Pgbackrest, REPOSITORY};
use crate::{
    backup::{Needed, Site, Version},
    bucket::UriStyle,
    postgres::{DATABASE_TEMPLATE, server::SUPERUSER},
    runtime::POSTGRES_PORT,
    secret::Secret,
    store::Endpoint,
};

/// Options that the harness states itself: by them the server, or the repository, is found.
const OWN: [&str; 9] = [
    "lock-path",
    "log-path",
    "spool-path",
    "pg1-database",
    "pg1-path",
    "pg1-port",
    "pg1-socket-path",
    "pg1-user",
    "stanza",
];

/// The same of a repository, its number aside: where it is, and with what it is read.
const OF_REPOSITORY: [&str; 6] = [
    "path",
    "cipher-pass",
    "cipher-type",
    "s3-key",
    "s3-key-secret",
    "s3-token",
];

/// Whether the harness states this option.
pub(super) fn is_own(name: &str) -> bool {
    OWN.contains(&name) || OF_REPOSITORY.contains(&in_repository(name))
}

/// What an option of a repository is, `repo1-block` and `repo-block` alike; empty: it is none.
fn in_repository(name: &str) -> &str {
    let numbered = name.strip_prefix("repo").unwrap_or_default();
    let option = numbered.trim_start_matches(|c: char| c.is_ascii_digit());
    option.strip_prefix('-').unwrap_or_default()
}

/// Whether it needs version 2.46, which has block incremental backup: its release notes.
pub(super) fn since_2_46(name: &str, value: &str) -> bool {
    in_repository(name) == "block" && value == "y"
}

/// Versions from 2.45 on serve, and later ones where an option needs them.
pub(super) const fn needed(minor: u32) -> Needed {
    Needed {
        program: "pgbackrest",
        name: "pgBackRest",
        at_least: Some(Version(2, minor)),
        package: "pgbackrest",
    }
}

impl Pgbackrest {
    pub(super) fn configuration(&self, site: &Site<'_>) -> String {
        let layout = site.node.layout();
        let run = layout.run.display();
        let mut text = format!(
            "# Written by pgdrill.\n[global]\nlock-path={run}\nlog-path={run}\n\
             spool-path={run}\nlog-level-file=off\nlog-level-console=warn\nlog-level-stderr=off\n\
             log-timestamp=n\n"
        );
        let kept = site.keep.map(|keep| (keep.0.as_secs() / 86_400).max(1));
        let mut options = BTreeMap::from([("start-fast".to_owned(), "y".to_owned())]);
        for (number, store) in (1..).zip(site.to) {
            let option = |name: &str| format!("repo{number}-{name}");
            let place = match site.stores.endpoints.get(store) {
                Some(endpoint) => in_bucket(endpoint, site.fill_in(&authority(store))),
                None => vec![("path", site.stored(store, REPOSITORY))],
            };
            options.extend(place.into_iter().map(|(name, value)| (option(name), value)));
            if self.encrypted {
                let passphrase = passphrase(site).reveal().to_owned();
                options.insert(option("cipher-type"), "aes-256-cbc".into());
                options.insert(option("cipher-pass"), passphrase);
            }
            if let Some(days) = kept {
                options.insert(option("retention-full-type"), "time".into());
                options.insert(option("retention-full"), days.to_string());
            }
        }
        options.extend(self.options.clone());
        for (name, value) in options {
            let _ = writeln!(text, "{name}={value}");
        }
        let _ = write!(
            text,
            "\n[{}]\npg1-path={}\npg1-port={}\npg1-socket-path={run}\npg1-user={SUPERUSER}\n\
             pg1-database={DATABASE_TEMPLATE}\n",
            self.stanza,
            layout.data.display(),
            site.server.node.port(POSTGRES_PORT),
        );
        text
    }
}

/// Where the certificate is, on a node, that a store's endpoint is trusted by.
pub(super) fn authority(store: &str) -> String {
    format!("{{run}}/{store}-ca.pem")
}

/// The same on every node of a drill, as the superuser's password is.
pub(super) fn passphrase(site: &Site<'_>) -> Secret {
    let password = site.server.passwords.get(SUPERUSER);
    let password = password.cloned().unwrap_or_else(Secret::random);
    password.derived("pgbackrest repository")
}

/// The options of a repository in object storage, whose bucket is seen as a directory elsewhere.
fn in_bucket(endpoint: &Endpoint, authority: String) -> Vec<(&'static str, String)> {
    let secret_key = endpoint.secret_key.reveal();
    let path = match endpoint.prefix.as_str() {
        "" => format!("/{REPOSITORY}"),
        prefix => format!("/{prefix}/{REPOSITORY}"),
    };
    let token = endpoint.session_token.as_ref();
    let token = token.map(|token| ("s3-token", token.reveal().to_owned()));
    let style = match endpoint.uri_style {
        UriStyle::Path => "path",
        UriStyle::Host => "host",
    };
    let options = [
        ("type", "s3".into()),
        ("path", path),
        ("s3-bucket", endpoint.bucket.clone()),
        ("s3-endpoint", endpoint.host.clone()),
        ("s3-region", endpoint.region.clone()),
        ("s3-uri-style", style.into()),
        ("s3-key", endpoint.access_key.clone()),
        ("s3-key-secret", secret_key.to_owned()),
        ("storage-port", endpoint.port.to_string()),
        ("storage-ca-file", authority),
    ];
    options.into_iter().chain(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::BackupTool;

    fn with(option: &str, value: &str) -> Pgbackrest {
        Pgbackrest {
            options: [(option.to_owned(), value.to_owned())].into(),
            ..Pgbackrest::default()
        }
    }

    #[test]
    fn what_pgdrill_gives_to_every_node_cannot_be_stated() {
        let wrong = |option: &str| with(option, "x").wrong_options().len();
        for own in ["pg1-path", "repo2-path", "repo-path", "repo1-cipher-pass"] {
            assert_eq!(wrong(own), 1, "{own}");
        }
        assert_eq!(wrong("repo1-retention-full"), 0);
        assert_eq!(wrong("report"), 0);
    }

    #[test]
    fn an_option_may_need_a_later_version() {
        let least = |one: Pgbackrest| one.abilities().needs[0].at_least.unwrap();
        assert_eq!(least(with("repo1-block", "y")), Version(2, 46));
        assert_eq!(least(with("repo1-block", "n")), Version(2, 45));
        assert_eq!(least(Pgbackrest::default()), Version(2, 45));
    }
}
