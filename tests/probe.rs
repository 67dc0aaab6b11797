//! Probes against a real server: what is the same looks the same, what differs does not.

#[path = "probe/indexes.rs"]
mod indexes;
#[path = "support/plan.rs"]
mod plan;
#[path = "probe/rows.rs"]
mod rows;
mod server;

use std::{collections::BTreeMap, sync::LazyLock};

use pgdrill::{
    event::{EventKind, Moment},
    history::Recorder,
    observation::{AuditState, Observation, Structure, TableState},
    postgres::copy::CopyReader,
    probe::{
        ProbeTarget,
        audit::Trail,
        business::{Operation, Tenants},
        observe,
        readers::{self, Readers},
        tables::{self as probe_tables, Table},
    },
    runtime::Exec,
    scenario::plan::{CheckKind, Plan},
    secret::Secret,
    store::Mirrors,
    units::Rate,
};
use server::{Bench, Server, passwords};

/// One workload, whose table has a key of another name.
static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let table = "shop.\"Orders\"(\"No\", note)";
    let orders = plan::inserting("orders", "app", table, "", 1, Rate::Max);
    plan::plan(10_000_000, vec![orders])
});

const SCHEMA: &str = "
CREATE ROLE owner; CREATE ROLE app LOGIN; CREATE ROLE writers; GRANT writers TO app;
CREATE EXTENSION amcheck;
CREATE SCHEMA shop AUTHORIZATION owner;
SET ROLE owner;
CREATE TYPE shop.colour AS ENUM ('red', 'green');
CREATE TABLE shop.items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
  colours shop.colour[], payload jsonb, blob bytea, twice int GENERATED ALWAYS AS (length(name) * 2) STORED, request_id uuid);
COMMENT ON TABLE shop.items IS 'things';
CREATE TABLE shop.log (id bigserial, at date, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_2025 PARTITION OF shop.log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.log_rest PARTITION OF shop.log DEFAULT;
CREATE UNLOGGED TABLE shop.cache (id int);
CREATE TABLE shop.nothing ();
CREATE MATERIALIZED VIEW shop.summary AS SELECT count(*) FROM shop.items WITH NO DATA;
ALTER TABLE shop.items ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.items TO app USING (name <> current_setting('shop.hidden', true));
GRANT USAGE ON SCHEMA shop TO app;
GRANT SELECT (id, name) ON shop.items TO app;
GRANT INSERT ON shop.items TO writers WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO app;
INSERT INTO shop.items (name, colours, payload, blob) SELECT 'item ' || n, '{red}', jsonb_build_object('n', n),
  decode(repeat(md5(n::text), 300), 'hex') FROM generate_series(1, 500) n;
CREATE TABLE shop.\"Orders\" (\"No\" text, request_id uuid);
INSERT INTO shop.\"Orders\" VALUES ('A-1', NULL), (NULL, gen_random_uuid()), (NULL, NULL);
INSERT INTO shop.items (name, request_id) SELECT 'live', gen_random_uuid() FROM generate_series(1, 7);
INSERT INTO shop.log (at, what) SELECT date '2025-06-01' + n, 'x' FROM generate_series(1, 400) n;
RESET ROLE;
SELECT lo_from_bytea(4711, '\\x00112233');
";

fn operations() -> Vec<Operation> {
    let one = |name: &str, sql: &str, refused: Option<&str>| Operation {
        name: name.into(),
        database: "postgres".into(),
        role: "app".into(),
        tenants: Some(Tenants {
            setting: "shop.hidden".into(),
            count: 2,
        }),
        sql: sql.into(),
        writes: name.contains("write"),
        refused: refused.map(str::to_owned),
    };
    vec![
        one("reads", "SELECT id FROM shop.items LIMIT 1", None),
        one(
            "finds nothing",
            "SELECT 1; SELECT id FROM shop.items WHERE id = -1",
            None,
        ),
        one(
            "writes",
            "INSERT INTO shop.items (name) VALUES ('x'); SELECT 1",
            None,
        ),
        one(
            "may not read",
            "SELECT payload FROM shop.items",
            Some("42501"),
        ),
    ]
}

fn target<'a>(
    server: &'a Server,
    passwords: &'a BTreeMap<String, Secret>,
    business: &'a [Operation],
    fault_xid: Option<u64>,
) -> ProbeTarget<'a> {
    ProbeTarget {
        server: &server.name,
        access: server.access.clone(),
        passwords,
        node: &server.node,
        archive: None,
        mirrors: Mirrors::default(),
        business,
        plan: &PLAN,
        audit: Vec::new(),
        fault_xids: fault_xid.into_iter().collect(),
    }
}

/// Every observation by the probe's name in its own words.
async fn look(server: &Server, fault_xid: Option<u64>) -> BTreeMap<&'static str, Observation> {
    let (passwords, business) = (passwords(&["app"]), operations());
    let target = target(server, &passwords, &business, fault_xid);
    let all = [
        CheckKind::Digests,
        CheckKind::Permissions,
        CheckKind::Catalog,
        CheckKind::Sequences,
        CheckKind::Business,
        CheckKind::Amcheck,
        CheckKind::Performance,
    ];
    let observed = observed(&target, &all).await;
    let seen = observed.into_iter().filter_map(|event| match event {
        EventKind::Observed { observation, .. } => Some((name(&observation), observation)),
        EventKind::ProbeFailed { probe, error, .. } => panic!("{probe}: {error}"),
        _ => None,
    });
    seen.collect()
}

async fn observed(target: &ProbeTarget<'_>, checks: &[CheckKind]) -> Vec<EventKind> {
    let recorder = Recorder::in_memory();
    observe(Moment::Before, target, checks, &recorder).await;
    let events = recorder.events().into_iter();
    events.map(|event| event.kind).collect()
}

fn name(observation: &Observation) -> &'static str {
    match observation {
        Observation::Tables(_) => "tables",
        Observation::Privileges(_) => "privileges",
        Observation::Definitions(_) => "definitions",
        Observation::Catalog(_) => "catalog",
        Observation::Settings(_) => "settings",
        Observation::Access(_) => "access",
        Observation::Sequences(_) => "sequences",
        Observation::Business(_) => "business",
        Observation::Server(_) => "server",
        Observation::Amcheck(_) => "amcheck",
        Observation::Collations(_) => "collations",
        Observation::LargeObjects(_) => "large objects",
        Observation::Performance(_) => "performance",
        Observation::Readback { .. } => "readback",
        Observation::Audit(_) => "audit",
        Observation::Archive(_) => "archive",
    }
}

fn tables(seen: &BTreeMap<&str, Observation>) -> BTreeMap<String, TableState> {
    match &seen["tables"] {
        Observation::Tables(tables) => tables.clone(),
        other => panic!("{other:?}"),
    }
}

fn texts(seen: &BTreeMap<&str, Observation>) -> Vec<String> {
    let Observation::Privileges(privileges) = &seen["privileges"] else {
        panic!("no privileges");
    };
    let Observation::Catalog(catalog) = &seen["catalog"] else {
        panic!("no catalog");
    };
    let Observation::Definitions(definitions) = &seen["definitions"] else {
        panic!("no definitions");
    };
    let catalog = definitions
        .iter()
        .chain(catalog)
        .map(|(name, definition)| format!("{name} := {definition}"));
    privileges.iter().cloned().chain(catalog).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_see_what_is_there_and_what_changed() {
    let Some(bench) = Bench::open().await else {
        return;
    };
    let server = bench.server("one", SCHEMA).await;
    let seen = look(&server, None).await;
    first_sight(&seen);
    let copy = bench.copy(&server, "two").await;
    same_on_a_copy(&seen, &look(&copy, None).await);
    a_lost_file_is_not_an_empty_table(&copy).await;
    changes_show(&copy, &seen).await;
    the_faults_own_rows_are_apart(&server, &seen).await;
    a_malformed_answer_is_told(&copy).await;
    bench.close().await;
}

fn first_sight(seen: &BTreeMap<&str, Observation>) {
    let tables = tables(seen);
    let counts: Vec<_> = tables
        .iter()
        .filter(|(name, _)| name.starts_with("shop."))
        .map(|(name, state)| (name.as_str(), state.rows, state.live_rows))
        .collect();
    let expected = [
        ("shop.\"Orders\"", 2, 1),
        ("shop.cache", 0, 0),
        ("shop.items", 500, 7),
        ("shop.log", 400, 0),
        ("shop.nothing", 0, 0),
        ("shop.summary", 0, 0),
    ];
    assert_eq!(counts, expected);
    assert!(tables.values().all(|table| table.error.is_none()));
    assert_eq!(tables["shop.summary"].digest, "not populated");
    assert_eq!(tables["shop.items"].digest.len(), 32);
    let texts = texts(seen);
    for expected in [
        "app column shop.items.name SELECT",
        "writers table shop.items INSERT*",
        "app role writers MEMBER",
        "app schema shop USAGE",
        "app default-tables owner@shop SELECT",
        "owner type shop.colour OWNER",
        "type shop.colour := CREATE TYPE shop.colour AS ENUM (",
        "comment table shop.items := COMMENT ON TABLE shop.items IS 'things'",
        "policy shop.items mine := CREATE POLICY mine ON shop.items TO app USING ((name <> current_setting('shop.hidden'::text, true)))",
        "pg_attribute shop.items name := attcollation: ",
    ] {
        assert!(
            texts.iter().any(|text| text.starts_with(expected)),
            "{expected}\n{texts:#?}"
        );
    }
    let Observation::Business(business) = &seen["business"] else {
        panic!("no business");
    };
    let got: Vec<_> = business.iter().map(|result| result.got.as_str()).collect();
    assert_eq!(got, ["rows", "no rows as tenant 1", "rows", "42501"]);
    let Observation::Sequences(sequences) = &seen["sequences"] else {
        panic!("no sequences");
    };
    let items = sequences
        .iter()
        .find(|s| s.column.as_deref() == Some("shop.items.id"))
        .unwrap();
    // The business operation that writes was rolled back; its number is spent.
    assert_eq!((items.max, items.next >= 508), (Some(507), true));
    assert!(
        matches!(&seen["amcheck"], Observation::Amcheck(seen) if seen.exit == 0 && seen.messages.is_empty())
    );
    assert!(matches!(
        &seen["large objects"],
        Observation::LargeObjects(all) if all["large objects"].count == 1 && all.len() == 2
    ));
    let Observation::Performance(timings) = &seen["performance"] else {
        panic!("no timings");
    };
    let timed: Vec<_> = timings.iter().map(|timing| timing.name.as_str()).collect();
    assert_eq!(timed, ["reads", "finds nothing"]);
}

fn same_on_a_copy(seen: &BTreeMap<&str, Observation>, copy: &BTreeMap<&str, Observation>) {
    for same in [
        "tables",
        "privileges",
        "definitions",
        "catalog",
        "large objects",
        "amcheck",
        "business",
    ] {
        assert_eq!(seen[same], copy[same]);
    }
}

/// The file of an unlogged table is gone: it can't be read, which is not that it is empty.
async fn a_lost_file_is_not_an_empty_table(copy: &Server) {
    let path = copy.value("pg_relation_filepath('shop.cache')").await;
    let file = copy.node.layout().data.join(path).display().to_string();
    shell(copy, format!("mv {file} {file}.lost")).await;
    let readers = Readers::open(&copy.access).await.unwrap();
    let keeper = readers.keeper();
    let tables = probe_tables::tables(keeper, &BTreeMap::new()).await;
    let states = probe_tables::states(&readers, &tables.unwrap(), &[]).await;
    shell(copy, format!("mv {file}.lost {file}")).await;
    let mut unreadable = states.unwrap();
    unreadable.retain(|_, state| state.error.is_some());
    assert_eq!(unreadable.len(), 1, "{unreadable:#?}");
    let error = unreadable["shop.cache"].error.as_ref().unwrap();
    assert!(error.contains("could not open file"), "{error}");
    assert!(error.contains("58P01"), "{error}");
}

/// A damaged catalog answers NULL where none should be: the probe could not look, it does not panic.
async fn a_malformed_answer_is_told(copy: &Server) {
    copy.sql(
        "ALTER ROLE writers SET application_name = 'x';
         UPDATE pg_db_role_setting SET setconfig = ARRAY[NULL::text]",
    )
    .await;
    let (passwords, business) = (passwords(&["app"]), operations());
    let target = target(copy, &passwords, &business, None);
    let seen = observed(&target, &[CheckKind::Settings]).await;
    let [EventKind::ProbeFailed { error, .. }] = &seen[..] else {
        panic!("{seen:#?}");
    };
    assert!(
        error.contains("column 2: a Postgres value was `NULL`"),
        "{error}"
    );
}

async fn shell(server: &Server, script: String) {
    server.node.exec(Exec::shell(script)).await.unwrap();
}

async fn changes_show(copy: &Server, seen: &BTreeMap<&str, Observation>) {
    copy.sql(
        "UPDATE shop.items SET payload = '{}' WHERE id = 17; REVOKE INSERT ON shop.items FROM writers CASCADE;
         ALTER TABLE shop.items DISABLE ROW LEVEL SECURITY; ALTER TABLE shop.log ALTER what SET NOT NULL;
         SELECT lo_put(4711, 1, '\\xff')",
    )
    .await;
    let now = look(copy, None).await;
    let (before, after) = (tables(seen), tables(&now));
    assert_eq!(before["shop.items"].rows, after["shop.items"].rows);
    assert_ne!(before["shop.items"].digest, after["shop.items"].digest);
    assert_eq!(before["shop.log"], after["shop.log"]);
    assert_ne!(seen["large objects"], now["large objects"]);
    let (before, after) = (texts(seen), texts(&now));
    let mut gone: Vec<_> = before.iter().filter(|text| !after.contains(text)).collect();
    gone.retain(|text| !text.contains(" shop.log_"));
    assert_eq!(gone.len(), 6, "{gone:#?}");
    let other = gone
        .iter()
        .all(|text| text.contains("shop.items") || text.contains("shop.log"));
    assert!(other, "{gone:#?}");
}

/// Rows that the fault's own transaction wrote (audit rows by triggers, say) do not
/// count as rows of the load.
async fn the_faults_own_rows_are_apart(server: &Server, seen: &BTreeMap<&str, Observation>) {
    let client = server.connect().await;
    let insert = "WITH audit AS (INSERT INTO shop.log (at, what) VALUES ('2025-07-01', 'fault'), ('2030-01-01', 'fault'))
                  SELECT pg_current_xact_id()::text";
    let xid: String = client.query_one(insert, &[]).await.unwrap().get(0);
    let now = tables(&look(server, xid.parse().ok()).await);
    let before = &tables(seen)["shop.log"];
    let log = &now["shop.log"];
    assert_eq!(
        (&log.digest, log.rows, log.by_fault),
        (&before.digest, 400, 2)
    );
}

async fn only(target: &ProbeTarget<'_>, check: CheckKind) -> Observation {
    match observed(target, &[check]).await.pop() {
        Some(EventKind::Observed { observation, .. }) => observation,
        other => panic!("{other:#?}"),
    }
}
