//! Two servers, and what probes say about them.

use std::{collections::BTreeMap, sync::Arc};

use pgdrill::{
    event::{EventKind, Moment, SalvagedTable},
    history::Recorder,
    model::Model,
    observation::Observation,
    postgres,
    probe::{ProbeTarget, observe},
    restore::salvage::{SalvageError, SalvageRequest, salvage},
    runtime::Exec,
    scenario::plan::CheckKind,
    store::Mirrors,
    units::Bytes,
};

use super::{
    plan::plan,
    server::{Bench, Server, passwords},
};

const SCHEMA: &str = include_str!("schema.sql");

/// Lines by kind of observation.
pub type Seen = BTreeMap<&'static str, Vec<String>>;

/// What probes say about content and structure.
pub async fn look(server: &Server) -> Seen {
    let passwords = passwords(&[]);
    let target = ProbeTarget {
        server: &server.name,
        access: server.access.clone(),
        passwords: &passwords,
        node: &server.node,
        archive: None,
        mirrors: Mirrors::default(),
        business: &[],
        plan: &plan(10_000_000, Vec::new()),
        audit: Vec::new(),
        fault_xids: Vec::new(),
    };
    let recorder = Recorder::in_memory();
    let all = [CheckKind::Rows, CheckKind::Permissions, CheckKind::Catalog];
    observe(Moment::After, &target, &all, &recorder).await;
    let events = recorder.events().into_iter();
    events.filter_map(|event| lines(event.kind)).collect()
}

/// An observation's kind and lines; none for what does not describe content or structure.
fn lines(event: EventKind) -> Option<(&'static str, Vec<String>)> {
    let EventKind::Observed { observation, .. } = event else {
        panic!("{event:?}");
    };
    match observation {
        Observation::Tables(tables) => {
            let lines = tables
                .iter()
                .map(|(name, state)| format!("{name} {state:?}"));
            Some(("tables", lines.collect()))
        }
        Observation::Catalog(catalog) => {
            let lines = catalog
                .iter()
                .map(|(name, text)| format!("{name} := {text}"));
            Some(("catalog", lines.collect()))
        }
        Observation::Definitions(definitions) => {
            let lines = definitions
                .iter()
                .map(|(name, text)| format!("{name} := {text}"));
            Some(("definitions", lines.collect()))
        }
        Observation::Privileges(privileges) => Some(("privileges", privileges)),
        _ => None,
    }
}

/// What is there now and was not, or was and is not.
pub fn differences(a: &Seen, b: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, before) in a {
        let after = &b[kind];
        let gone = before.iter().filter(|line| !after.contains(line));
        lines.extend(gone.map(|line| format!("- {line}")));
        let new = after.iter().filter(|line| !before.contains(line));
        lines.extend(new.map(|line| format!("+ {line}")));
    }
    lines
}

/// A server as a drill has it, with passwords for these roles.
fn drilled(server: &Server, roles: &[&str]) -> postgres::Server {
    postgres::Server {
        name: server.name.clone(),
        node: server.node.clone(),
        passwords: Arc::new(passwords(roles)),
        database: server.access.database.clone(),
        scratch: false,
        moved: BTreeMap::new(),
    }
}

/// A server with a loss, and a scratch copy from before it.
pub struct Case {
    pub bench: Bench,
    pub production: Server,
    pub scratch: Server,
    /// What production held before.
    pub before: Seen,
}

impl Case {
    /// With the tables of `schema.sql`.
    pub async fn open() -> Option<Self> {
        Self::with(SCHEMA).await
    }

    /// With what this SQL creates.
    pub async fn with(schema: &str) -> Option<Self> {
        let bench = Bench::open().await?;
        let production = bench.server("production", schema).await;
        Some(Self::copied(bench, production).await)
    }

    /// With the shipped data model.
    pub async fn open_with_model() -> Option<Self> {
        let bench = Bench::open().await?;
        let production = bench.server("production", "").await;
        let model = Model::named("dual-tenant").unwrap();
        let roles: Vec<&str> = model.login_roles().iter().map(String::as_str).collect();
        let server = drilled(&production, &roles);
        let amount = (Bytes(10_000_000), 42);
        model
            .install(&server, amount, &bench.recorder)
            .await
            .unwrap();
        // Empty after every restore, by design.
        production
            .sql("TRUNCATE external_agent.response_cache")
            .await;
        Some(Self::copied(bench, production).await)
    }

    async fn copied(bench: Bench, production: Server) -> Self {
        let scratch = bench.copy(&production, "scratch").await;
        let before = look(&production).await;
        Self {
            bench,
            production,
            scratch,
            before,
        }
    }

    pub async fn salvage(
        &self,
        request: SalvageRequest,
    ) -> Result<Vec<SalvagedTable>, SalvageError> {
        self.salvage_from(&self.scratch, request).await
    }

    /// The same from another server.
    pub async fn salvage_from(
        &self,
        scratch: &Server,
        request: SalvageRequest,
    ) -> Result<Vec<SalvagedTable>, SalvageError> {
        let (from, into) = (drilled(scratch, &[]), drilled(&self.production, &[]));
        salvage(&from, &into, &request, &self.bench.recorder).await
    }

    /// Everything is as it was before the fault.
    pub async fn whole_again(&self, fault: &str) {
        let differences = differences(&self.before, &look(&self.production).await);
        assert!(
            differences.is_empty(),
            "after {fault}:\n{}",
            differences.join("\n")
        );
    }

    /// Executes a statement in a transaction of its own and returns its id.
    pub async fn fault(&self, sql: &str) -> u64 {
        let mut client = self.production.connect().await;
        let transaction = client.transaction().await.unwrap();
        transaction.batch_execute(sql).await.unwrap();
        let row = transaction
            .query_one("SELECT pg_current_xact_id()::text", &[])
            .await;
        transaction.commit().await.unwrap();
        row.unwrap().get::<_, String>(0).parse().unwrap()
    }
}

pub fn tables(names: &[&str]) -> SalvageRequest {
    SalvageRequest {
        tables: names.iter().map(|&name| name.to_owned()).collect(),
        ..SalvageRequest::default()
    }
}

pub fn done<'a>(salvaged: &'a [SalvagedTable], table: &str) -> &'a SalvagedTable {
    salvaged.iter().find(|done| done.table == table).unwrap()
}

/// Overwrites a part of a page on disk while the server is down.
pub async fn damage(server: &Server, table: &str, page: &str) {
    let path = server
        .value(&format!("SELECT pg_relation_filepath('{table}')"))
        .await;
    let layout = server.node.layout();
    let (data, bin) = (layout.data.display(), layout.bin.display());
    let script = format!(
        "set -e; {bin}/pg_ctl -D {data} -m fast -w stop
         printf 'XXXXXXXXXXXXXXXX' | dd of={data}/{path} bs=1 seek=$(({page} * 8192 + 4000)) conv=notrunc status=none
         {bin}/pg_ctl -D {data} -l {}/server.log -w start",
        layout.run.display()
    );
    server.node.exec(Exec::shell(script)).await.unwrap();
}
