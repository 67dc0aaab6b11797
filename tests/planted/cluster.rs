//! A restored server that is put back as it was before each change.

use std::{collections::BTreeMap, fmt};

use pgdrill::{
    check::Judgement,
    event::{EventKind, Moment},
    finding::Verdict,
    history::Recorder,
    model::Model,
    postgres::PgError,
    probe::{ProbeTarget, databases, observe},
    runtime::Exec,
    scenario::plan::CheckKind,
    secret::Secret,
    units::Bytes,
};

use tokio_postgres::SimpleQueryMessage;

use super::{
    changes::{self, Change},
    server::{Bench, Server, passwords},
    testing::{Tale, lost_server},
};

const SCHEMA: &str = include_str!("schema.sql");
const OTHER: &str = include_str!("other.sql");

/// What is looked at: everything that compares a server with the steady state.
const CHECKS: [CheckKind; 5] = [
    CheckKind::Rows,
    CheckKind::Digests,
    CheckKind::Permissions,
    CheckKind::Catalog,
    CheckKind::Sequences,
];

/// The server, its copy at rest, and what was seen of it before any change.
pub struct Cluster {
    pub bench: Bench,
    server: Server,
    before: Vec<EventKind>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen(finding) => write!(f, "seen: {finding}"),
            Self::Unnamed(finding) => write!(f, "not named: {finding}"),
            Self::Open(finding) => write!(f, "open: {finding}"),
            Self::Unseen => f.write_str("UNSEEN"),
            Self::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}

/// What became of a change.
pub enum Told {
    /// A check fails and names what was changed.
    Seen(String),
    /// A check fails without a word of what was changed.
    Unnamed(String),
    /// It could not be told: no pass either.
    Open(String),
    /// Everything passes.
    Unseen,
    /// This server refuses to be changed so.
    Refused(String),
}

impl Cluster {
    /// A server with the data model and an object of every kind; none where there is no server.
    pub async fn open() -> Option<Self> {
        let bench = Bench::open().await?;
        let server = bench.server("restored", "").await;
        fill(&server, &bench.recorder).await;
        server.node.exec(Exec::shell(keep(&server))).await.unwrap();
        let before = look(&server, Moment::Before).await;
        let failed = |kind: &&EventKind| matches!(kind, EventKind::ProbeFailed { .. });
        assert_eq!(before.iter().find(failed), None);
        Some(Self {
            bench,
            server,
            before,
        })
    }

    /// Everything to be planted.
    pub async fn changes(&self) -> Vec<Change> {
        match std::env::var("PGDRILL_PLANTED").as_deref() {
            Ok("fields") => changes::fields(&self.server).await,
            _ => super::chosen(changes::written()),
        }
    }

    /// Everything that fails although nothing was changed: nothing should.
    pub async fn unchanged(&self) -> Vec<String> {
        let judgement = self.judge(look(&self.server, Moment::After).await);
        let bad = |verdict| verdict != Verdict::Pass;
        let bad = judged(&judgement).filter(|finding| bad(finding.verdict));
        bad.map(|finding| format!("{}: {} {:?}", finding.id, finding.message, finding.details))
            .collect()
    }

    /// Plants one change in the server as it was, looks, and judges.
    pub async fn plant(&self, change: &Change) -> Told {
        let reset = Exec::shell(reset(&self.server));
        self.server.node.exec(reset).await.unwrap();
        let access = databases::within(&self.server.access, &change.database);
        let client = access.connect("plant").await.unwrap();
        let allow = "SET allow_system_table_mods = on; SET client_min_messages = error";
        client.batch_execute(allow).await.unwrap();
        match client.simple_query(&change.sql).await {
            Err(error) => return Told::Refused(PgError::new("plant", &error).message),
            Ok(done)
                if matches!(done.last(), Some(SimpleQueryMessage::CommandComplete(0)))
                    && change.is_field() =>
            {
                return Told::Refused("no such row".into());
            }
            Ok(_) => drop(client),
        }
        told(change, &self.judge(look(&self.server, Moment::After).await))
    }

    /// A drill in which this was seen, by the checks of every drill.
    fn judge(&self, after: Vec<EventKind>) -> Judgement {
        let mut tale: Tale = lost_server();
        let real = |kind: &EventKind| kind_of(kind).is_some_and(|kind| self.knows(&kind));
        let steady = tale
            .events
            .iter()
            .position(|event| real(&event.kind))
            .unwrap();
        let (began, ended) = (tale.events[steady].at_us, tale.events.last().unwrap().at_us);
        tale.events.retain(|event| !real(&event.kind));
        for kind in &self.before {
            tale.tell(began, kind.clone());
        }
        for kind in after {
            tale.tell(ended - 1, kind);
        }
        tale.in_order().judge()
    }

    fn knows(&self, kind: &str) -> bool {
        let mut known = self.before.iter().filter_map(kind_of);
        known.any(|known| known == kind)
    }
}

/// Which observation an event is, by its name in the history.
fn kind_of(event: &EventKind) -> Option<String> {
    let EventKind::Observed { observation, .. } = event else {
        return None;
    };
    let value = serde_json::to_value(observation).unwrap();
    value.as_object()?.keys().next().cloned()
}

fn judged(judgement: &Judgement) -> impl Iterator<Item = &pgdrill::finding::Finding> {
    let ids = CHECKS.map(CheckKind::name);
    judgement
        .findings
        .iter()
        .filter(move |finding| ids.contains(&finding.id.as_str()))
}

fn told(change: &Change, judgement: &Judgement) -> Told {
    let mut all: Vec<_> = judged(judgement)
        .filter(|finding| finding.verdict != Verdict::Pass)
        .collect();
    all.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    let Some(worst) = all.first() else {
        return Told::Unseen;
    };
    let line = format!("{}: {}", worst.id, worst.message);
    if worst.verdict != Verdict::Fail {
        return Told::Open(line);
    }
    let red = all
        .iter()
        .filter(|finding| finding.verdict == Verdict::Fail);
    let text: String = red
        .map(|red| format!("{} {:?}", red.message, red.details))
        .collect();
    match change.names().any(|name| text.contains(name)) {
        true => Told::Seen(line),
        false => Told::Unnamed(line),
    }
}

async fn look(server: &Server, moment: Moment) -> Vec<EventKind> {
    let none = BTreeMap::<String, Secret>::new();
    let target = ProbeTarget {
        // The names of the tale's servers.
        server: match moment {
            Moment::Before => "primary",
            Moment::Gate | Moment::After => "replacement",
        },
        access: server.access.clone(),
        passwords: &none,
        node: &server.node,
        business: &[],
        audit: None,
        keys: BTreeMap::new(),
        fault_xid: None,
    };
    let recorder = Recorder::in_memory();
    observe(moment, &target, &CHECKS, &recorder).await;
    let events = recorder.events().into_iter().map(|event| event.kind);
    events
        .filter(|kind| {
            matches!(
                kind,
                EventKind::Observed { .. } | EventKind::ProbeFailed { .. }
            )
        })
        .collect()
}

/// Everything that will be changed.
async fn fill(server: &Server, recorder: &Recorder) {
    let model = Model::named("dual-tenant").unwrap();
    let roles: Vec<&str> = model.login_roles().iter().map(String::as_str).collect();
    let space = server.node.layout().tablespaces.join("agent_fast");
    let space = space.display().to_string();
    let mkdir = Exec::new(["mkdir", "-p", &space]);
    server.node.exec(mkdir).await.unwrap();
    let passwords = passwords(&roles);
    let create = model.create(&server.access, &space, &passwords);
    create.await.unwrap();
    let load = model.load(&server.access, Bytes(10_000_000), 42, recorder);
    load.await.unwrap();
    server.sql(SCHEMA).await;
    for database in ["other", "template1"] {
        if database == "other" {
            server.sql("CREATE DATABASE other").await;
        }
        let access = databases::within(&server.access, database);
        let client = access.connect("fill").await.unwrap();
        client.batch_execute(OTHER).await.unwrap();
    }
    server.sql("ALTER SYSTEM SET max_wal_size = '64MB'").await;
    server.sql("ALTER SYSTEM SET min_wal_size = '32MB'").await;
    server.sql("ALTER SYSTEM SET autovacuum = off").await;
}

/// Stops the server, keeps a copy of its data, and starts it again.
fn keep(server: &Server) -> String {
    let layout = server.node.layout();
    let (data, spaces) = (layout.data.display(), layout.tablespaces.display());
    let kept = layout.store.join("kept").display().to_string();
    format!(
        "set -e; {bin}/pg_ctl -D {data} -m fast -w stop
         mkdir -p {kept}/data {kept}/spaces; cp -a {data}/. {kept}/data/; cp -a {spaces}/. {kept}/spaces/
         {start}",
        bin = layout.bin.display(),
        start = start(server),
    )
}

/// Puts the kept copy in the place of what is there now.
fn reset(server: &Server) -> String {
    let layout = server.node.layout();
    let (data, spaces) = (layout.data.display(), layout.tablespaces.display());
    let kept = layout.store.join("kept").display().to_string();
    format!(
        "set -e; {bin}/pg_ctl -D {data} -m immediate -w stop || :
         find {data} {spaces} -mindepth 1 -delete
         cp -a {kept}/data/. {data}/; cp -a {kept}/spaces/. {spaces}/
         {start}",
        bin = layout.bin.display(),
        start = start(server),
    )
}

fn start(server: &Server) -> String {
    let layout = server.node.layout();
    format!(
        "{}/pg_ctl -D {} -l {}/server.log -w start",
        layout.bin.display(),
        layout.data.display(),
        layout.run.display()
    )
}
