//! A PostgreSQL server on a node, for tests of probes and salvage.
//!
//! On the local runtime, or on the one that `PGDRILL_TEST_SERVER` names (`docker:18`).
//! Where it can't serve these tests are skipped, with a line that says so.

#![allow(dead_code, reason = "not every test file needs all of it")]

use std::collections::BTreeMap;

use pgdrill::{
    history::Recorder,
    postgres::{Access, Tls},
    report::terminal::say,
    runtime::{
        Choice, Exec, Node, NodeSpec, POSTGRES_PORT, Runtime, Wanted, choose, run::Run, run::RunId,
    },
    secret::Secret,
};
use tokio_postgres::Client;

/// A runtime with everything that lives in it; [`Bench::close`] removes it.
pub struct Bench {
    runtime: Runtime,
    major: u32,
    _dir: tempfile::TempDir,
    pub recorder: Recorder,
}

/// A running server.
pub struct Server {
    pub name: String,
    pub node: Node,
    pub access: Access,
}

impl Bench {
    pub async fn open() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::begin(RunId::new(), dir.path()).unwrap();
        let wanted = wanted();
        match choose(&wanted, run, &say).await {
            Ok((runtime, _)) => Some(Self {
                major: wanted
                    .versions
                    .first()
                    .map_or(*runtime.majors().last().unwrap(), |(major, _)| *major),
                runtime,
                _dir: dir,
                recorder: Recorder::in_memory(),
            }),
            Err(why) => {
                say(&format!("skipped: {why}"));
                None
            }
        }
    }

    /// A fresh server in which these statements were executed.
    pub async fn server(&self, name: &str, schema: &str) -> Server {
        let node = self.node(name).await;
        let (template, data) = (&node.layout().template, &node.layout().data);
        let copy = format!("tar -x -f {} -C {}", template.display(), data.display());
        let server = self.start(name, node, &copy).await;
        let client = server.connect().await;
        client.batch_execute(schema).await.unwrap();
        server
    }

    /// A physical copy of a server as it is now: what a restore makes.
    pub async fn copy(&self, of: &Server, name: &str) -> Server {
        let node = self.node(name).await;
        let from = of.node.layout();
        let backup = from.store("local").join(name).display().to_string();
        let (bin, spaces) = (from.bin.display(), from.tablespaces.display());
        let take = format!(
            "set -e; map=''; for space in {spaces}/*; do [ -d $space ] || continue
               map=\"$map -T $space={backup}.$(basename $space)\"; done
             {bin}/pg_basebackup --checkpoint=fast -D {backup} $map"
        );
        of.node.exec(of.connected(Exec::shell(take))).await.unwrap();
        let (data, spaces) = (
            node.layout().data.display(),
            node.layout().tablespaces.display(),
        );
        let copy = format!(
            "cp -a {backup}/. {data}/
             for link in {data}/pg_tblspc/*; do [ -L $link ] || continue
               from=$(readlink $link); cp -a $from {spaces}/; ln -sfn {spaces}/$(basename $from) $link; done"
        );
        self.start(name, node, &copy).await
    }

    pub async fn close(self) {
        let left = match &self.runtime {
            Runtime::Local(local) => local.close().await,
            Runtime::Docker(_) => self.runtime.close_drill(DRILL).await,
        };
        assert_eq!(left, Vec::<String>::new());
    }

    pub async fn node(&self, name: &str) -> Node {
        let spec = NodeSpec {
            drill: DRILL.into(),
            name: name.into(),
            postgres: self.major,
            ..NodeSpec::default()
        };
        self.runtime.create(&spec, &self.recorder).await.unwrap()
    }

    async fn start(&self, name: &str, node: Node, copy: &str) -> Server {
        let listen = match &self.runtime {
            Runtime::Local(_) => "127.0.0.1",
            Runtime::Docker(_) => "*",
        };
        let layout = node.layout();
        let (data, run) = (layout.data.display(), layout.run.display());
        let script = format!(
            "set -e; {copy}
             chmod 700 {data}; rm -f {data}/postmaster.pid
             printf 'host all all all trust\nlocal all all trust\nlocal replication all trust\n' > {data}/pg_hba.conf
             printf \"port=%s\nlisten_addresses='%s'\nunix_socket_directories='%s'\nfsync=off\n\" {} '{listen}' {run} >> {data}/postgresql.auto.conf
             {}/pg_ctl -D {data} -l {run}/server.log -w start",
            node.port(POSTGRES_PORT),
            layout.bin.display(),
        );
        node.exec(Exec::shell(script)).await.unwrap();
        let (host, port) = node.address(POSTGRES_PORT).await.unwrap();
        let access = Access {
            host,
            port,
            database: "postgres".into(),
            user: "postgres".into(),
            password: Secret::new("unused"),
            tls: Tls::Off,
        };
        Server {
            name: name.into(),
            node,
            access,
        }
    }
}

const DRILL: &str = "probes";

fn wanted() -> Wanted {
    let named = std::env::var("PGDRILL_TEST_SERVER").unwrap_or_default();
    match named.strip_prefix("docker:") {
        Some(major) => Wanted {
            choice: Choice::Docker,
            versions: vec![(major.parse().unwrap(), Vec::new())],
            ..Wanted::default()
        },
        None => Wanted {
            choice: Choice::Local,
            ..Wanted::default()
        },
    }
}

impl Server {
    pub async fn connect(&self) -> Client {
        self.access.connect("test").await.unwrap()
    }

    pub async fn sql(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap();
    }

    /// The first column of the first row.
    pub async fn value(&self, query: &str) -> String {
        let query = format!("SELECT ({query})::text");
        let row = self.connect().await.query_one(&query, &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    pub fn connected(&self, exec: Exec) -> Exec {
        exec.env("PGHOST", self.node.layout().run.display().to_string())
            .env("PGPORT", self.node.port(POSTGRES_PORT).to_string())
            .env("PGUSER", "postgres")
    }
}

/// Passwords for roles on a server that asks for none.
pub fn passwords(roles: &[&str]) -> BTreeMap<String, Secret> {
    let one = |role: &&str| ((*role).to_owned(), Secret::new("unused"));
    roles.iter().map(one).collect()
}
