//! The data model: as large as wanted, and its business checks hold.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_as_large_as_wanted() {
    for size in sizes() {
        let Some(server) = Server::start("fsync = off\nmax_wal_size = 4GB") else {
            return;
        };
        let recorder = Recorder::in_memory();
        server.load(size, &recorder).await;
        if std::env::var_os("PGDRILL_SHOW_SIZES").is_some() {
            show_sizes(&server, size).await;
        }
        let events = recorder.events();
        let Some(EventKind::DataLoaded { bytes, .. }) = events.last().map(|e| &e.kind) else {
            panic!("no DataLoaded: {events:?}");
        };
        let ratio = *bytes as f64 / size as f64;
        assert!((0.9..=1.1).contains(&ratio), "{ratio} of {size}");
    }
}

/// Sizes in bytes, from the environment or small ones.
fn sizes() -> Vec<u64> {
    let given = std::env::var("PGDRILL_TEST_SIZES").unwrap_or("10e6 60e6".into());
    let sizes = given.split_whitespace();
    sizes
        .map(|size| size.parse::<f64>().unwrap() as u64)
        .collect()
}

/// What `row_bytes` and `fixed_bytes` of the manifest ought to be.
#[allow(
    clippy::print_stdout,
    reason = "asked for by hand when a model changes"
)]
async fn show_sizes(server: &Server, size: u64) {
    let client = server.access().connect("sizes").await.unwrap();
    let sql = "SELECT pg_database_size(current_database())";
    let total: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    println!(
        "size {size} got {total} ratio {}",
        total as f64 / size as f64
    );
    let model = Model::named("dual-tenant").unwrap();
    for (table, rows) in model.manifest.rows(Bytes(size)) {
        let sql = "SELECT greatest(pg_total_relation_size($1::text::regclass), \
                   (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree($1::text::regclass)))::int8";
        let bytes: i64 = client.query_one(sql, &[&table]).await.unwrap().get(0);
        println!("{table:40} rows {rows:9} bytes {bytes:12}");
    }
}

/// Also of a database of the smallest size, and as every tenant.
#[tokio::test(flavor = "multi_thread")]
async fn the_business_checks_hold_and_leave_no_trace() {
    for size in [SMALLEST, SIZE] {
        let Some(server) = Server::start("fsync = off") else {
            return;
        };
        let passwords = server.load(size, &Recorder::in_memory()).await;
        let model = Model::named("dual-tenant").unwrap();
        let rows = model.rows(Bytes(size));
        for (business, check) in model.checks() {
            let access = server.access();
            let access = access.as_role(&check.role, &passwords[&check.role]);
            let tenants = &model.manifest.businesses[business].tenants;
            let mut batches = vec![check.sql.clone()];
            if let (true, Some(tenants)) = (check.tenant, tenants) {
                let setting = &tenants.setting;
                let as_tenant = |tenant| format!("SET LOCAL {setting} = '{tenant}'; {}", check.sql);
                batches = (1..=rows[&tenants.table]).map(as_tenant).collect();
                assert!(batches.len() > 1, "{} tenants of {size}", batches.len());
            }
            for batch in batches {
                let got = came_to(&access, &format!("BEGIN; {batch}")).await;
                assert_eq!(got, check.expect, "{size}: {}: {batch}", check.name);
                let read_only = came_to(&access, &format!("BEGIN READ ONLY; {batch}")).await;
                let writes = read_only == Expectation::Error("25006".into());
                assert_eq!(writes, check.writes, "{}: {read_only:?}", check.name);
            }
        }
    }
}

/// What a batch comes to, nothing of which stays.
async fn came_to(access: &Access, batch: &str) -> Expectation {
    let client = access.connect("check").await.unwrap();
    match client.simple_query(batch).await {
        Ok(messages) => {
            let row = |m: &_| matches!(m, SimpleQueryMessage::Row(_));
            assert!(messages.iter().any(row), "no rows: {batch}");
            Expectation::Rows
        }
        Err(error) => Expectation::Error(error.code().unwrap().code().into()),
    }
}
