//! Salvage between two real servers: a scratch copy from before the fault, and the server
//! with the loss. What comes back is held against what probes saw before, to the bit.

mod cascade;
mod case;
mod kinds;
#[path = "../support/plan.rs"]
mod plan;
#[path = "../server/mod.rs"]
mod server;

use case::{Case, damage, differences, done, look, tables};
use pgdrill::{restore::salvage::SalvageRequest, scenario::plan::SalvageBy};

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
    request.fault_xids = vec![xid];
    request.undone_xids = vec![xid];
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
    request.fault_xids = vec![xid];
    request.undone_xids = vec![xid];
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
    let frozen = |line: &String| {
        line.starts_with("- app role writers") || line.starts_with("- acl role writers")
    };
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
