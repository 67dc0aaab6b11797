//! A server's configuration: `pgdrill.conf`, access rules, the archive script, and the
//! superuser's password, as shell lines that write them in one go.

use std::{collections::BTreeMap, fmt::Write as _};

use super::server::{SUPERUSER, Server};
use crate::{runtime::exec::quoted, secret::Secret};

/// `log_line_prefix` of every drilled server; `probe::server_log` reads it.
pub const LOG_LINE_PREFIX: &str = "%m [%p] %q%u@%d %e ";

const ARCHIVE_SCRIPT: &str = include_str!("../../fixtures/scripts/archive-wal.sh");

impl Server {
    /// The shell lines that write its configuration.
    pub fn configuring(&self, settings: &BTreeMap<String, String>) -> String {
        let data = self.node.layout().data.display().to_string();
        let run = self.node.layout().run.display().to_string();
        let mut script = String::new();
        let mut file = |name: &str, content: &str| {
            let _ = writeln!(script, "printf '%s\\n' {} > {name}", quoted(content));
        };
        file(&format!("{data}/pgdrill.conf"), &self.conf(settings));
        file(
            &format!("{data}/pg_hba.conf"),
            "local all all peer map=pgdrill\nlocal replication all peer map=pgdrill\nhost all all all scram-sha-256",
        );
        file(
            &format!("{data}/pg_ident.conf"),
            &format!("pgdrill /^.*$ {SUPERUSER}"),
        );
        file(&format!("{run}/archive-wal"), ARCHIVE_SCRIPT);
        let _ = writeln!(
            script,
            "grep -q pgdrill.conf {data}/postgresql.conf || echo \"include_if_exists 'pgdrill.conf'\" >> {data}/postgresql.conf"
        );
        script
    }

    /// Of two lines for one setting PostgreSQL takes the last: a scenario may choose the time zone,
    /// but not where its server listens or how it logs, by which it is reached and judged.
    fn conf(&self, settings: &BTreeMap<String, String>) -> String {
        let run = self.node.layout().run.display().to_string();
        let own = [
            ("listen_addresses", self.node.listen_addresses().to_owned()),
            ("port", self.node.port().to_string()),
            ("unix_socket_directories", run),
            ("log_line_prefix", LOG_LINE_PREFIX.to_owned()),
            ("logging_collector", "off".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("restart_after_crash", "off".to_owned()),
        ];
        let wanted = settings
            .iter()
            .map(|(name, value)| (name.as_str(), self.fill_in(value)));
        let zone = [("timezone", "UTC".to_owned())];
        let mut text = String::from("# Written by pgdrill.\n");
        for (name, value) in zone.into_iter().chain(wanted).chain(own) {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        text
    }

    /// The shell lines that give the superuser its password. They don't wait for the disk: the
    /// next commit that does takes it along.
    pub(super) fn setting_password(&self) -> String {
        let Some(password) = self.passwords.get(SUPERUSER) else {
            return String::new();
        };
        let mut script = String::new();
        for (name, value) in self.environment() {
            let _ = writeln!(script, "export {name}={value}");
        }
        let verifier = verifier(password);
        let _ = write!(
            script,
            "{} -X -q -v ON_ERROR_STOP=1 <<'PGDRILL_EOF'\nset synchronous_commit = off;\nalter role {SUPERUSER} password '{verifier}';\nPGDRILL_EOF\n",
            self.program("psql")
        );
        script
    }
}

/// The SCRAM-SHA-256 verifier of a password: what a server stores, so the password
/// itself never travels nor reaches a log.
pub fn verifier(password: &Secret) -> String {
    postgres_protocol::password::scram_sha_256(password.reveal().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_does_not_contain_its_password() {
        let password = Secret::random();
        let verifier = verifier(&password);
        assert!(verifier.starts_with("SCRAM-SHA-256$4096:"));
        assert!(!verifier.contains(password.reveal()));
    }
}
