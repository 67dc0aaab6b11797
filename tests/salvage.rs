//! Salvage between two real servers: a scratch copy from before the fault, and the server
//! with the loss. What comes back is held against what probes saw before, to the bit.

mod server;

use std::collections::BTreeMap;

use pgdrill::{
    event::{EventKind, Moment, SalvagedTable},
    history::Recorder,
    model::Model,
    observation::Observation,
    probe::{ProbeTarget, observe},
    restore::salvage::{SalvageError, SalvageRequest, Side, salvage},
    runtime::Exec,
    scenario::plan::{CheckKind, SalvageBy},
    units::Bytes,
};
use server::{Bench, Server, passwords};

const SCHEMA: &str = r#"
CREATE ROLE owner; CREATE ROLE app LOGIN; CREATE ROLE writers; GRANT writers TO app;
CREATE SCHEMA oa AUTHORIZATION owner;
CREATE SCHEMA "Other" AUTHORIZATION owner;
SET ROLE owner;
CREATE TYPE oa.colour AS ENUM ('red', 'green');
CREATE DOMAIN oa.email AS text CHECK (position('@' IN VALUE) > 1);
CREATE TABLE oa.departments (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE oa.users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, department_id int NOT NULL REFERENCES oa.departments,
  email oa.email NOT NULL UNIQUE, colours oa.colour[], twice text GENERATED ALWAYS AS (email || email) STORED,
  note text DEFAULT 'none', request_id uuid, row_version int NOT NULL DEFAULT 0, CONSTRAINT short CHECK (length(note) < 1000));
COMMENT ON TABLE oa.users IS 'people'; COMMENT ON COLUMN oa.users.note IS 'a note';
CREATE TABLE oa.documents (id bigserial PRIMARY KEY, owner_id bigint NOT NULL REFERENCES oa.users ON DELETE CASCADE, body text);
CREATE INDEX documents_body ON oa.documents (md5(body)) WHERE body IS NOT NULL;
CREATE TABLE oa.audit (id bigserial, at timestamptz NOT NULL DEFAULT now(), what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE oa.audit_2025 PARTITION OF oa.audit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE oa.audit_rest PARTITION OF oa.audit DEFAULT;
CREATE INDEX audit_what ON oa.audit (what);
CREATE TABLE oa.notes (line text);
CREATE FUNCTION oa.write_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN INSERT INTO oa.audit (what) VALUES (TG_OP); RETURN NULL; END $$;
CREATE TRIGGER users_audit AFTER INSERT OR UPDATE OR DELETE ON oa.users FOR EACH ROW EXECUTE FUNCTION oa.write_audit();
CREATE VIEW oa.directory AS SELECT u.id, u.email, d.name FROM oa.users u JOIN oa.departments d ON d.id = u.department_id;
CREATE VIEW "Other".over_view AS SELECT email FROM oa.directory;
CREATE MATERIALIZED VIEW oa.tally AS SELECT department_id, count(*) AS n FROM oa.users GROUP BY 1;
CREATE UNIQUE INDEX tally_key ON oa.tally (department_id);
ALTER TABLE oa.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE oa.users FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON oa.users TO app USING (email <> current_user);
REVOKE ALL ON SCHEMA oa FROM PUBLIC; REVOKE EXECUTE ON FUNCTION oa.write_audit() FROM PUBLIC;
GRANT USAGE ON SCHEMA oa TO app, writers;
GRANT SELECT (id, email) ON oa.users TO app; GRANT INSERT, UPDATE (note, row_version) ON oa.users TO writers;
GRANT SELECT ON oa.directory, oa.documents TO app; GRANT USAGE ON SEQUENCE oa.documents_id_seq TO writers WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA oa GRANT SELECT ON TABLES TO app;
RESET ROLE;
CREATE PUBLICATION everything FOR TABLE oa.users, oa.documents;
INSERT INTO oa.departments (name) SELECT 'd' || n FROM generate_series(1, 10) n;
ALTER TABLE oa.users DISABLE TRIGGER users_audit;
INSERT INTO oa.users (department_id, email, colours) SELECT n % 10 + 1, n || '@x.y', '{red,green}' FROM generate_series(1, 3000) n;
ALTER TABLE oa.users ENABLE TRIGGER users_audit;
INSERT INTO oa.documents (owner_id, body) SELECT n % 3000 + 1, repeat(md5(n::text), 20) FROM generate_series(1, 5000) n;
INSERT INTO oa.audit (at, what) SELECT timestamptz '2025-03-01' + n * interval '1 hour', 'loaded' FROM generate_series(1, 9000) n;
INSERT INTO oa.notes SELECT 'line ' || n % 10 FROM generate_series(1, 100) n;
REFRESH MATERIALIZED VIEW oa.tally;
"#;

/// What probes say about content and structure.
async fn look(server: &Server) -> BTreeMap<&'static str, Vec<String>> {
    let passwords = passwords(&[]);
    let target = ProbeTarget {
        server: &server.name,
        access: server.access.clone(),
        passwords: &passwords,
        node: &server.node,
        business: &[],
        fault_xid: None,
    };
    let recorder = Recorder::in_memory();
    let all = [CheckKind::Rows, CheckKind::Permissions, CheckKind::Catalog];
    observe(Moment::After, &target, &all, &recorder).await;
    let mut seen = BTreeMap::new();
    for event in recorder.events() {
        let EventKind::Observed { observation, .. } = event.kind else {
            panic!("{event:?}");
        };
        match observation {
            Observation::Tables(tables) => {
                let lines = tables
                    .iter()
                    .map(|(name, state)| format!("{name} {state:?}"));
                seen.insert("tables", lines.collect());
            }
            Observation::Catalog(catalog) => {
                let lines = catalog
                    .iter()
                    .map(|(name, text)| format!("{name} := {text}"));
                seen.insert("catalog", lines.collect());
            }
            Observation::Privileges(privileges) => {
                seen.insert("privileges", privileges);
            }
            _ => {}
        }
    }
    seen
}

fn differences(a: &BTreeMap<&str, Vec<String>>, b: &BTreeMap<&str, Vec<String>>) -> Vec<String> {
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

struct Case {
    bench: Bench,
    production: Server,
    scratch: Server,
    before: BTreeMap<&'static str, Vec<String>>,
}

impl Case {
    async fn open() -> Option<Self> {
        let bench = Bench::open().await?;
        let production = bench.server("production", SCHEMA).await;
        Some(Self::copied(bench, production).await)
    }

    async fn open_with_model() -> Option<Self> {
        let bench = Bench::open().await?;
        let production = bench.server("production", "").await;
        let model = Model::named("dual-tenant").unwrap();
        let roles: Vec<&str> = model.login_roles().iter().map(String::as_str).collect();
        let space = production.node.layout().tablespaces.join("agent_fast");
        let space = space.display().to_string();
        production
            .node
            .exec(Exec::new(["mkdir", &space]))
            .await
            .unwrap();
        let (access, passwords) = (&production.access, passwords(&roles));
        model.create(access, &space, &passwords).await.unwrap();
        let size = Bytes(10_000_000);
        model.load(access, size, 42, &bench.recorder).await.unwrap();
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

    async fn salvage(&self, request: SalvageRequest) -> Result<Vec<SalvagedTable>, SalvageError> {
        let side = |server: &Server| server.access.clone();
        let from = Side {
            access: side(&self.scratch),
            node: &self.scratch.node,
        };
        let into = Side {
            access: side(&self.production),
            node: &self.production.node,
        };
        salvage(&from, &into, &request, &self.bench.recorder).await
    }

    /// Everything is as it was before the fault.
    async fn whole_again(&self, fault: &str) {
        let differences = differences(&self.before, &look(&self.production).await);
        assert!(
            differences.is_empty(),
            "after {fault}:\n{}",
            differences.join("\n")
        );
    }

    /// Executes a statement in a transaction of its own and returns its id.
    async fn fault(&self, sql: &str) -> u64 {
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

fn tables(names: &[&str]) -> SalvageRequest {
    SalvageRequest {
        tables: names.iter().map(|&name| name.to_owned()).collect(),
        ..SalvageRequest::default()
    }
}

fn done<'a>(salvaged: &'a [SalvagedTable], table: &str) -> &'a SalvagedTable {
    salvaged.iter().find(|done| done.table == table).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_comes_home() {
    let Some(case) = Case::open().await else {
        return;
    };
    rows_deleted(&case).await;
    rows_updated(&case).await;
    rows_without_a_key(&case).await;
    tables_truncated(&case).await;
    table_dropped(&case).await;
    partition_dropped(&case).await;
    grants_revoked(&case).await;
    schema_dropped(&case).await;
    orphans_are_refused(&case).await;
    later_rows_survive(&case).await;
    case.bench.close().await;
}

async fn rows_deleted(case: &Case) {
    case.production
        .sql("SET session_replication_role = replica; DELETE FROM oa.users WHERE id % 3 = 0")
        .await;
    case.production
        .sql("DELETE FROM oa.documents WHERE id < 100")
        .await;
    let salvaged = case
        .salvage(tables(&["oa.users", "oa.documents"]))
        .await
        .unwrap();
    let users = done(&salvaged, "oa.users");
    assert_eq!(
        (users.created, users.inserted, users.replaced),
        (false, 1000, 0)
    );
    assert_eq!(done(&salvaged, "oa.documents").inserted, 99);
    case.whole_again("rows deleted").await;
}

async fn rows_updated(case: &Case) {
    case.production
        .sql("ALTER TABLE oa.users DISABLE TRIGGER users_audit")
        .await;
    let xid = case
        .fault("UPDATE oa.users SET note = 'oops' WHERE id <= 50")
        .await;
    case.production
        .sql("ALTER TABLE oa.users ENABLE TRIGGER users_audit")
        .await;
    let mut request = tables(&["oa.users"]);
    request.fault_xid = Some(xid);
    let salvaged = case.salvage(request).await.unwrap();
    let users = done(&salvaged, "oa.users");
    assert_eq!((users.inserted, users.replaced), (0, 50));
    case.whole_again("rows updated").await;
}

async fn rows_without_a_key(case: &Case) {
    case.production.sql("DELETE FROM oa.notes WHERE ctid IN (SELECT ctid FROM oa.notes WHERE line = 'line 3' LIMIT 4)").await;
    let xid = case
        .fault("UPDATE oa.notes SET line = 'line 5' WHERE line = 'line 7'")
        .await;
    let mut request = tables(&["oa.notes"]);
    request.fault_xid = Some(xid);
    let salvaged = case.salvage(request).await.unwrap();
    let notes = done(&salvaged, "oa.notes");
    assert_eq!((notes.inserted, notes.replaced), (4, 10));
    case.whole_again("rows without a key").await;
}

async fn tables_truncated(case: &Case) {
    case.production.sql("TRUNCATE oa.users CASCADE").await;
    let salvaged = case
        .salvage(tables(&["oa.users", "oa.documents"]))
        .await
        .unwrap();
    assert_eq!(done(&salvaged, "oa.users").inserted, 3000);
    case.whole_again("truncate").await;
}

async fn table_dropped(case: &Case) {
    case.production.sql("DROP TABLE oa.users CASCADE").await;
    let salvaged = case.salvage(tables(&["oa.users"])).await.unwrap();
    let users = done(&salvaged, "oa.users");
    assert_eq!((users.created, users.inserted), (true, 3000));
    case.whole_again("drop table").await;
    let next = case
        .production
        .value("SELECT nextval('oa.users_id_seq') > (SELECT max(id) FROM oa.users)")
        .await;
    assert_eq!(next, "true");
}

async fn partition_dropped(case: &Case) {
    case.production
        .sql("DROP TABLE oa.audit_2025 CASCADE")
        .await;
    case.salvage(tables(&["oa.audit"])).await.unwrap();
    case.whole_again("a partition dropped").await;
}

async fn grants_revoked(case: &Case) {
    case.production
        .sql(
            "REVOKE ALL ON ALL TABLES IN SCHEMA oa FROM app, writers CASCADE; REVOKE ALL ON SCHEMA oa FROM app CASCADE;
             REVOKE ALL ON ALL SEQUENCES IN SCHEMA oa FROM writers CASCADE; REVOKE writers FROM app;
             ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA oa REVOKE ALL ON TABLES FROM app",
        )
        .await;
    let mut request = SalvageRequest {
        schemas: vec!["oa".into()],
        frozen: vec!["writers".into()],
        ..SalvageRequest::default()
    };
    case.salvage(request.clone()).await.unwrap();
    let left = differences(&case.before, &look(&case.production).await);
    let frozen = |line: &String| line.starts_with("- app role writers");
    assert!(!left.is_empty() && left.iter().all(frozen), "{left:#?}");
    request.frozen.clear();
    case.salvage(request).await.unwrap();
    case.whole_again("grants revoked").await;
}

async fn schema_dropped(case: &Case) {
    case.production.sql("DROP SCHEMA oa CASCADE").await;
    let request = SalvageRequest {
        schemas: vec!["oa".into()],
        ..SalvageRequest::default()
    };
    let salvaged = case.salvage(request).await.unwrap();
    assert_eq!(done(&salvaged, "oa.audit").inserted, 9000);
    case.whole_again("drop schema").await;
}

async fn orphans_are_refused(case: &Case) {
    case.production.sql("TRUNCATE oa.users CASCADE").await;
    let error = case.salvage(tables(&["oa.documents"])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "5000 rows violate foreign key `documents_owner_id_fkey` of oa.documents (hint: salvage oa.users as well)"
    );
    assert_eq!(
        case.production
            .value("SELECT count(*) FROM oa.documents")
            .await,
        "0"
    );
    let error = case.salvage(tables(&["oa.nothing"])).await.unwrap_err();
    assert!(
        error.to_string().contains("no table `oa.nothing`"),
        "{error}"
    );
    case.salvage(tables(&["oa.documents", "oa.users"]))
        .await
        .unwrap();
    case.whole_again("an orphaned salvage").await;
}

/// What live traffic did after the recovery target is not undone.
async fn later_rows_survive(case: &Case) {
    case.production
        .sql(
            "ALTER TABLE oa.users DISABLE TRIGGER users_audit; UPDATE oa.users SET note = 'live', row_version = 1 WHERE id = 7;
             INSERT INTO oa.users (department_id, email) VALUES (1, 'new@x.y'); DELETE FROM oa.users WHERE id = 8",
        )
        .await;
    case.salvage(tables(&["oa.users", "oa.documents"]))
        .await
        .unwrap();
    let seen = case.production.value("SELECT string_agg(email || note, ' ' ORDER BY id) FROM oa.users WHERE id IN (7, 8) OR id > 3000");
    assert_eq!(seen.await, "7@x.ylive 8@x.ynone new@x.ynone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_is_swapped() {
    let Some(case) = Case::open().await else {
        return;
    };
    case.production
        .sql(
            "ALTER TABLE oa.users DISABLE TRIGGER users_audit;
             INSERT INTO oa.users (department_id, email) SELECT 1, 'late' || n || '@x.y' FROM generate_series(1, 500) n;
             UPDATE oa.users SET note = 'late', row_version = 1 WHERE id = 2900;
             ALTER TABLE oa.users ENABLE TRIGGER users_audit",
        )
        .await;
    let wanted = look(&case.production).await;
    let intact = "SELECT min(page) FROM generate_series(1, 20) page WHERE page NOT IN
      (SELECT (ctid::text::point)[0]::int FROM oa.users WHERE id > 3000 OR note = 'late')";
    let page = case.production.value(intact).await;
    damage(&case.production, "oa.users", &page).await;
    assert!(
        case.production
            .connect()
            .await
            .query("SELECT * FROM oa.users", &[])
            .await
            .is_err()
    );
    let mut request = tables(&["oa.users"]);
    request.by = SalvageBy::Swap;
    let salvaged = case.salvage(request).await.unwrap();
    assert_eq!(done(&salvaged, "oa.users").inserted, 3500);
    let differences = differences(&wanted, &look(&case.production).await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    case.bench.close().await;
}

/// The shipped data model: everything that hangs on its tables comes back, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_model_comes_home() {
    let Some(case) = Case::open_with_model().await else {
        return;
    };
    let schemas = |names: &[&str]| SalvageRequest {
        schemas: names.iter().map(|&name| name.to_owned()).collect(),
        ..SalvageRequest::default()
    };
    let swap = SalvageRequest {
        by: SalvageBy::Swap,
        ..tables(&["external_agent.agent_data"])
    };
    let cases = [
        (
            "DROP TABLE internal_oa.users CASCADE",
            tables(&["internal_oa.users"]),
        ),
        (
            "DROP TABLE external_agent.agent_data",
            tables(&["external_agent.agent_data"]),
        ),
        (
            "DROP TABLE internal_oa.audit_log CASCADE",
            tables(&["internal_oa.audit_log"]),
        ),
        ("SELECT 1", swap),
        (
            "DROP SCHEMA external_agent CASCADE",
            schemas(&["external_agent"]),
        ),
        ("DROP SCHEMA internal_oa CASCADE", schemas(&["internal_oa"])),
        (
            "SET session_replication_role = replica; DELETE FROM external_agent.agent_data WHERE id % 2 = 0",
            tables(&["external_agent.agent_data"]),
        ),
    ];
    for (fault, request) in cases {
        case.production.sql(fault).await;
        case.salvage(request).await.unwrap();
        case.whole_again(fault).await;
    }
    case.bench.close().await;
}

/// Overwrites a part of a page on disk while the server is down.
async fn damage(server: &Server, table: &str, page: &str) {
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
