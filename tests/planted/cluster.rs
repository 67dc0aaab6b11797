//! A restored server that is put back as it was before each change.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pgdrill::{
    check::Judgement,
    event::{EventKind, Moment},
    finding::{Finding, Verdict},
    model::Model,
    postgres::{
        PgError, Server,
        server::{RESTART, SUPERUSER},
    },
    probe::{ProbeTarget, audit::Trail, observe, server_log},
    runtime::Exec,
    scenario::plan::{CheckKind, PRIMARY, Plan},
    secret::Secret,
    store::Mirrors,
    units::wall_clock,
};
use tokio_postgres::SimpleQueryMessage;

use super::{
    changes::{self, Change, How, Then},
    clients::{Clients, NONCE},
    rows,
    server::Bench,
    story::{self, RESTORED, Seen},
    told::Told,
};

const SCHEMA: &str = include_str!("schema.sql");
const OTHER: &str = include_str!("other.sql");

/// What looks, and judges: all checks but those of how a drill went on (`timeline`, `archive`,
/// `business`) and of files and time (`amcheck`, `checksums`, `performance`), where no change is planted.
const CHECKS: [CheckKind; 12] = [
    CheckKind::Rows,
    CheckKind::Digests,
    CheckKind::Permissions,
    CheckKind::Catalog,
    CheckKind::Settings,
    CheckKind::Access,
    CheckKind::Sequences,
    CheckKind::Ledger,
    CheckKind::ClientRows,
    CheckKind::Audit,
    CheckKind::Collations,
    CheckKind::ServerLog,
];

const DEADLINE: Duration = Duration::from_secs(20);

/// The server, its copy at rest, and what was seen of it before any change.
pub struct Cluster {
    pub bench: Bench,
    server: Server,
    plan: Plan,
    model: Model,
    before: Vec<EventKind>,
    clients: Clients,
}

impl Cluster {
    /// A server with the data model, an object of every kind and rows of clients; none where there
    /// is no server.
    pub async fn open() -> Option<Self> {
        let bench = Bench::open().await?;
        let (plan, model) = (story::plan(), Model::named("dual-tenant").unwrap());
        let roles = model.login_roles().iter().map(String::as_str);
        let roles = roles.chain([SUPERUSER]);
        let passwords = roles.map(|role| (role.to_owned(), Secret::random()));
        let server = Server {
            database: "postgres".into(),
            name: RESTORED.into(),
            node: bench.node("restored").await,
            passwords: Arc::new(passwords.collect()),
            scratch: false,
            moved: BTreeMap::new(),
        };
        let settings = plan.settings(&plan.servers[PRIMARY]);
        server.create(&settings).await.unwrap();
        fill(&server, &plan, &model, &bench).await;
        let before = look(&server, &plan, &model, Moment::Before).await;
        let failed = |kind: &&EventKind| matches!(kind, EventKind::ProbeFailed { .. });
        assert_eq!(before.iter().find(failed), None);
        let clients = Clients::write(&plan, &server, &server.passwords, &bench.recorder).await;
        server.stop(RESTART).await.unwrap();
        server.node.exec(Exec::shell(keep(&server))).await.unwrap();
        server.start(RESTART).await.unwrap();
        Some(Self {
            bench,
            server,
            plan,
            model,
            before,
            clients,
        })
    }

    /// Everything to be planted.
    pub async fn changes(&self) -> Vec<Change> {
        let mut all = changes::written();
        all.extend(rows::of_clients(&self.plan, &self.server, &self.clients).await);
        let wanted = std::env::var("PGDRILL_PLANTED");
        if wanted.as_deref() == Ok("fields") {
            return changes::fields(&self.server).await;
        }
        // A sample takes none of them.
        if wanted.is_ok() {
            all.extend(changes::fields(&self.server).await);
        }
        super::chosen(all)
    }

    /// Everything that fails although nothing was changed: nothing should.
    pub async fn unchanged(&self) -> Vec<String> {
        self.put_back().await;
        let judgement = self.judge().await;
        let bad = judged(&judgement).filter(|finding| finding.verdict != Verdict::Pass);
        bad.map(|finding| format!("{}: {} {:?}", finding.id, finding.message, finding.details))
            .collect()
    }

    /// Plants one change in the server as it was, looks, and judges.
    pub async fn plant(&self, change: &Change) -> Told {
        self.put_back().await;
        let made = match &change.how {
            How::Sql(sql) => self.execute(change, sql, "").await,
            How::Rows(sql) => {
                let rest = "SET session_replication_role = replica";
                self.execute(change, sql, rest).await
            }
            How::Shell(script) => self.shell(script).await,
        };
        if let Err(refused) = made {
            return Told::Refused(refused);
        }
        self.let_it_bite(change.then).await;
        Told::of(change, judged(&self.judge().await))
    }

    async fn put_back(&self) {
        let reset = Exec::shell(reset(&self.server));
        self.server.node.exec(reset).await.unwrap();
        self.server.start(RESTART).await.unwrap();
    }

    async fn execute(&self, change: &Change, sql: &str, first: &str) -> Result<(), String> {
        let mut access = self.server.access().await.unwrap();
        if !change.database.is_empty() {
            access = access.within(&change.database);
        }
        let client = access.connect("plant").await.unwrap();
        let allow = "SET allow_system_table_mods = on; SET client_min_messages = error;";
        client
            .batch_execute(&format!("{allow}{first}"))
            .await
            .unwrap();
        let done = client.simple_query(sql).await;
        let done = done.map_err(|error| PgError::new("plant", &error).message)?;
        let none = |one: &SimpleQueryMessage| matches!(one, SimpleQueryMessage::CommandComplete(0));
        match change.is_generated() && done.iter().any(none) {
            true => Err("no such row".into()),
            false => Ok(()),
        }
    }

    async fn shell(&self, script: &str) -> Result<(), String> {
        let layout = self.server.node.layout();
        let names = format!(
            "set -e; data={data}; conf=$data/postgresql.conf; hba=$data/pg_hba.conf; ident=$data/pg_ident.conf; log={log}
             psql() {{ {psql} -X -q \"$@\"; }}\n",
            data = layout.data.display(),
            log = self.server.log().display(),
            psql = self.server.program("psql"),
        );
        let exec = Exec::shell(names + script).envs(self.server.environment());
        let done = self.server.node.exec(exec).await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn let_it_bite(&self, then: Then) {
        match then {
            Then::AsIs => {}
            Then::Reload => {
                let loaded = self.server.value("select pg_conf_load_time()").await;
                let loaded = loaded.unwrap();
                self.server.sql("select pg_reload_conf()").await.unwrap();
                let again = format!("select pg_conf_load_time() > '{loaded}'");
                let reloaded = self.server.wait_until("a reload", &again, DEADLINE);
                reloaded.await.unwrap();
            }
            Then::Restart => {
                self.server.stop(RESTART).await.unwrap();
                self.server.start(RESTART).await.unwrap();
            }
        }
    }

    /// A drill in which this is seen, by the checks of every drill.
    async fn judge(&self) -> Judgement {
        let began = wall_clock();
        let events = look(&self.server, &self.plan, &self.model, Moment::After).await;
        let rows = self.clients.look_again(&self.plan, &self.server).await;
        let log = self.server.node.get(&self.server.log()).await;
        let log = log.map(|log| server_log::read(RESTORED, &String::from_utf8_lossy(&log)));
        let seen = Seen {
            events,
            rows,
            log: log.map_err(|error| error.to_string()),
            began,
            took_us: wall_clock().duration_since(began).as_micros() as u64,
        };
        story::fixture(&self.plan, &self.before, &self.clients, seen).judge()
    }
}

fn judged(judgement: &Judgement) -> impl Iterator<Item = &Finding> {
    let ids = CHECKS.map(CheckKind::name);
    judgement.findings.iter().filter(move |finding| {
        let check = finding.id.split('.').next().unwrap_or_default();
        ids.contains(&check)
    })
}

async fn look(server: &Server, plan: &Plan, model: &Model, moment: Moment) -> Vec<EventKind> {
    let none = BTreeMap::<String, Secret>::new();
    let target = ProbeTarget {
        // The names of the fixture's servers.
        server: match moment {
            Moment::Before => PRIMARY,
            Moment::Gate | Moment::After => RESTORED,
        },
        access: server.access().await.unwrap(),
        passwords: &none,
        node: &server.node,
        archive: None,
        mirrors: Mirrors::default(),
        business: &[],
        plan,
        audit: Vec::from_iter(model.manifest.audit.as_ref().map(|audit| {
            Trail {
                database: &model.database,
                audit,
                tables: (audit.tables.iter())
                    .filter_map(|table| model.manifest.live_table(table))
                    .collect(),
                nonce: NONCE,
            }
        })),
        fault_xids: Vec::new(),
    };
    let recorder = pgdrill::history::Recorder::in_memory();
    observe(moment, &target, &CHECKS, &recorder).await;
    let events = recorder.events().into_iter().map(|event| event.kind);
    let seen = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Observed { .. } | EventKind::ProbeFailed { .. }
        )
    };
    events.filter(seen).collect()
}

/// Everything that will be changed, but for the rows of clients.
async fn fill(server: &Server, plan: &Plan, model: &Model, bench: &Bench) {
    let amount = (plan.databases["postgres"].size, plan.seed);
    let install = model.install(server, amount, &bench.recorder);
    install.await.unwrap();
    let access = server.access().await.unwrap();
    server.sql(SCHEMA).await.unwrap();
    server.sql("CREATE DATABASE other").await.unwrap();
    for database in ["other", "template1"] {
        let access = access.within(database);
        let client = access.connect("fill").await.unwrap();
        client.batch_execute(OTHER).await.unwrap();
    }
}

/// Keeps a copy of the stopped server's data, without the WAL that it does not need any more.
fn keep(server: &Server) -> String {
    let layout = server.node.layout();
    let (data, spaces) = (layout.data.display(), layout.tablespaces.display());
    format!(
        "set -e; last=$({controldata} -D {data} | sed -n \"s/^Latest checkpoint's REDO WAL file: *//p\")
         find {data}/pg_wal -type f ! -name $last -delete
         mkdir -p {kept}/data {kept}/spaces
         cp -a {data}/. {kept}/data/; cp -a {spaces}/. {kept}/spaces/",
        controldata = server.program("pg_controldata"),
        kept = layout.store("local").join("kept").display(),
    )
}

/// Ends the server and puts the kept copy in the place of what is there now.
fn reset(server: &Server) -> String {
    let layout = server.node.layout();
    let (data, spaces) = (layout.data.display(), layout.tablespaces.display());
    format!(
        "set -e; {pg_ctl} -D {data} -m immediate -w stop || :
         find {data} {spaces} {store}/wal -mindepth 1 -delete
         cp -a {kept}/data/. {data}/; cp -a {kept}/spaces/. {spaces}/
         rm -f {log}",
        pg_ctl = server.program("pg_ctl"),
        store = layout.store("local").display(),
        kept = layout.store("local").join("kept").display(),
        log = server.log().display(),
    )
}
