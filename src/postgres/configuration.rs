//! A server's configuration: what its files say when a drill makes it (`pgdrill.conf`, access
//! rules, the archive script), and what its command line says over them at each start.
//!
//! Files are written once, for a server that is made from nothing. A restored one keeps what
//! came home with the backup: what the runbook did not carry is missing, as in life.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use super::server::{DATABASE, SUPERUSER, Server};
use crate::{
    runtime::{Layout, POSTGRES_PORT, exec::quoted},
    secret::Secret,
    store::{LOCAL, placeholder},
};

/// `log_line_prefix` of every drilled server; `probe::server_log` reads it.
pub const LOG_LINE_PREFIX: &str = "%m [%p] %e %q%u@%d ";

const ARCHIVE_SCRIPT: &str = include_str!("../../fixtures/scripts/archive-wal.sh");

/// Settings that every drilled server is given on its command line, whatever its files say: by
/// them it is reached on its node, and its log is read. A scenario can't state them.
pub const OVERRIDDEN: [&str; 9] = [
    "data_directory",
    "listen_addresses",
    "log_destination",
    "log_line_prefix",
    "log_timezone",
    "logging_collector",
    "port",
    "restart_after_crash",
    "unix_socket_directories",
];

impl Server {
    /// The shell lines that make what stores begin with, in those that are not cut off. The archive
    /// script lies in the local one: a site's tools are there whichever of its servers is lost.
    /// Another server may execute it meanwhile: an empty one would take every file for archived.
    pub(super) fn preparing_stores(&self) -> String {
        let layout = self.node.layout();
        let archives = layout
            .stores
            .keys()
            .map(|name| placeholder("archive", name));
        let archives = self.fill_in(&archives.collect::<Vec<_>>().join(" "));
        let store = layout.store(LOCAL).display();
        format!(
            "for archive in {archives}; do [ ! -w \"${{archive%/*}}\" ] || mkdir -p \"$archive\"; done\n\
             [ ! -w {store} ] || {{ printf '%s\\n' {} > {store}/archive-wal.new && \
             mv {store}/archive-wal.new {store}/archive-wal; }}\n",
            quoted(ARCHIVE_SCRIPT)
        )
    }

    /// The shell lines that write the files of a server that is made from nothing.
    pub fn configuring(&self, settings: &BTreeMap<String, String>) -> String {
        let data = self.node.layout().data.display();
        let mut script = String::new();
        let mut file = |name: &str, content: &str| {
            let _ = writeln!(script, "printf '%s\\n' {} > {name}", quoted(content));
        };
        file(&format!("{data}/pgdrill.conf"), &self.conf(settings));
        file(
            &format!("{data}/pg_hba.conf"),
            "local all all peer map=pgdrill\nlocal replication all peer map=pgdrill\nhost all all all scram-sha-256\nhost replication all all scram-sha-256",
        );
        file(
            &format!("{data}/pg_ident.conf"),
            &format!("pgdrill /^.*$ {SUPERUSER}"),
        );
        let _ = writeln!(
            script,
            "echo \"include_if_exists 'pgdrill.conf'\" >> {data}/postgresql.conf"
        );
        script
    }

    /// Of two lines for one setting PostgreSQL takes the last: a scenario may choose the time zone.
    fn conf(&self, settings: &BTreeMap<String, String>) -> String {
        let wanted = settings
            .iter()
            .map(|(name, value)| (name.as_str(), self.fill_in(value)));
        let zone = [("timezone", "UTC".to_owned())];
        let mut text = String::from("# Written by pgdrill.\n");
        for (name, value) in zone.into_iter().chain(wanted) {
            text.push_str(&conf_line(name, &value));
        }
        text
    }

    /// What its command line says over its files: how it is reached on its node and how it logs,
    /// its own paths where its files hold those of another node, and that a clone archives nothing.
    pub fn overrides(&self) -> Vec<(String, String)> {
        let own = self.own().map(|(name, value)| (name.to_owned(), value));
        let moved = self.moved.iter();
        let moved = moved.map(|(name, value)| (name.clone(), self.fill_in(value)));
        let clone = self.scratch.then(|| ("archive_mode".into(), "off".into()));
        own.into_iter().chain(moved).chain(clone).collect()
    }

    /// The [`OVERRIDDEN`] settings.
    fn own(&self) -> [(&'static str, String); 9] {
        let layout = self.node.layout();
        [
            ("data_directory", layout.data.display().to_string()),
            ("listen_addresses", self.node.listen_addresses().to_owned()),
            ("log_destination", "stderr".to_owned()),
            ("log_line_prefix", LOG_LINE_PREFIX.to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("logging_collector", "off".to_owned()),
            ("port", self.node.port(POSTGRES_PORT).to_string()),
            ("restart_after_crash", "off".to_owned()),
            ("unix_socket_directories", layout.run.display().to_string()),
        ]
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
            "{} -X -q -v ON_ERROR_STOP=1 -d {DATABASE} <<'PGDRILL_EOF'\nset synchronous_commit = off;\nalter role {SUPERUSER} password '{verifier}';\nPGDRILL_EOF\n",
            self.program("psql")
        );
        script
    }
}

/// Fills in the placeholders of a strategy's text, for a node with these places.
pub fn fill_in(layout: &Layout, text: &str) -> String {
    let own = [
        ("{data}", &layout.data),
        ("{bin}", &layout.bin),
        ("{run}", &layout.run),
    ];
    let own = own.map(|(name, path)| (name.to_owned(), path.clone()));
    let all = own.into_iter().chain(of_stores(layout));
    all.fold(text.to_owned(), |text, (name, path)| {
        text.replace(&name, &path.display().to_string())
    })
}

/// The placeholders of every store, and what they stand for.
pub fn of_stores(layout: &Layout) -> impl Iterator<Item = (String, PathBuf)> {
    layout.stores.iter().flat_map(|(name, path)| {
        [
            (placeholder("archive", name), path.join("wal")),
            (placeholder("store", name), path.clone()),
        ]
    })
}

/// Of these settings the ones that read differently on two nodes: a path of one of them is in it.
pub fn moved(
    settings: &BTreeMap<String, String>,
    from: &Layout,
    to: &Layout,
) -> BTreeMap<String, String> {
    let differs = |value: &str| fill_in(from, value) != fill_in(to, value);
    let moved = settings.iter().filter(|(_, value)| differs(value));
    moved
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A line of a configuration file, `postgresql.conf` as `recovery.conf`: between its quotes a backslash
/// begins an escape.
pub fn conf_line(name: &str, value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('\'', "''");
    format!("{name} = '{value}'\n")
}

/// The SCRAM-SHA-256 verifier of a password: what a server stores, so the password
/// itself never travels nor reaches a log.
pub fn verifier(password: &Secret) -> String {
    postgres_protocol::password::scram_sha_256(password.reveal().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{NodeSpec, testing};

    #[test]
    fn quotes_and_backslashes_of_a_setting_reach_the_server_as_they_are() {
        let command = r"printf '%s\n' %f >>/archived; cp %p /archive/%f";
        assert_eq!(
            conf_line("archive_command", command),
            "archive_command = 'printf ''%s\\\\n'' %f >>/archived; cp %p /archive/%f'\n"
        );
    }

    #[tokio::test]
    async fn what_the_command_line_says_no_scenario_can_state() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = testing::local(dir.path());
        let recorder = crate::history::Recorder::in_memory();
        let spec = NodeSpec {
            drill: "drill".into(),
            name: "scratch".into(),
            postgres: testing::MAJOR,
            ..NodeSpec::default()
        };
        let node = runtime.create(&spec, &recorder).await.unwrap();
        let server = Server {
            name: spec.name,
            node,
            passwords: std::sync::Arc::default(),
            database: DATABASE.into(),
            scratch: true,
            moved: BTreeMap::new(),
        };
        let names: Vec<String> = server
            .overrides()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, [&OVERRIDDEN[..], &["archive_mode"]].concat());
    }

    #[test]
    fn settings_with_a_path_of_a_lost_node_move_with_the_server() {
        let node = |name: &str| Layout {
            data: format!("/drill/{name}/data").into(),
            stores: [(LOCAL.to_owned(), "/drill/store".into())].into(),
            ..Layout::default()
        };
        let settings = BTreeMap::from([
            (
                "archive_command".to_owned(),
                "cp {data}/%p {archive}/%f".to_owned(),
            ),
            (
                "archive_cleanup_command".to_owned(),
                "true {store}".to_owned(),
            ),
        ]);
        let moved = |to: &str| moved(&settings, &node("primary"), &node(to));
        assert!(moved("primary").is_empty());
        let names: Vec<String> = moved("replacement").into_keys().collect();
        assert_eq!(names, ["archive_command"]);
    }

    #[test]
    fn a_verifier_does_not_contain_its_password() {
        let password = Secret::random();
        let verifier = verifier(&password);
        assert!(verifier.starts_with("SCRAM-SHA-256$4096:"));
        assert!(!verifier.contains(password.reveal()));
    }
}
