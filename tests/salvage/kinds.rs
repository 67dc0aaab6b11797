//! Tables of odd kinds: each row once, in its own table, and the table as it was.

use pgdrill::{
    restore::salvage::{FrozenTable, SalvageRequest},
    scenario::plan::SalvageBy,
};

use super::case::{Case, done, tables};

const KINDS: &str = include_str!("kinds.sql");
const LONG: &str = r#""Odd Names".a_name_of_sixty_three_bytes_that_no_suffix_can_be_added_to_at_a"#;

/// What a table is beside its rows, as far as `pg_dump` is silent.
const PROPERTIES: &str = "SELECT string_agg(format('%s %s %s', attname, attstattarget, attoptions), ', ' ORDER BY attnum) ||
  (SELECT format(' %s %s %s', t.reloptions, c.reloptions, c.relreplident) FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.oid = 'sales.orders'::regclass) ||
  (SELECT string_agg(format(' %s %s', indexrelid::regclass, indisclustered), ',' ORDER BY indexrelid) FROM pg_index WHERE indrelid = 'sales.orders'::regclass) ||
  (SELECT string_agg(format(' %s %s', tgname, tgenabled), ',' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal) ||
  (SELECT string_agg(format(' %s %s', rulename, ev_enabled), ',' ORDER BY rulename) FROM pg_rewrite WHERE ev_type <> '1')
  FROM pg_attribute WHERE attrelid = 'sales.orders'::regclass AND attnum > 0";

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_kind_come_home() {
    let Some(case) = Case::with(KINDS).await else {
        return;
    };
    rows_of_heirs_stay_theirs(&case).await;
    heirs_come_with_their_parent(&case).await;
    rows_without_columns(&case).await;
    triggers_that_always_fire_rest(&case).await;
    properties_survive_a_swap(&case).await;
    the_longest_name(&case).await;
    a_sequence_that_descends(&case).await;
    large_objects_come_with_their_rows(&case).await;
    a_frozen_table_comes_home_frozen(&case).await;
    a_target_after_the_fault(&case).await;
    case.bench.close().await;
}

async fn rows_of_heirs_stay_theirs(case: &Case) {
    for order in [
        ["log.events", "log.events_2026"],
        ["log.events_2026", "log.events"],
    ] {
        case.production.sql("DELETE FROM log.events").await;
        let salvaged = case.salvage(tables(&order)).await.unwrap();
        assert_eq!(done(&salvaged, "log.events").inserted, 30);
        assert_eq!(done(&salvaged, "log.events_2026").inserted, 40);
        case.whole_again("rows of a parent and its heir deleted")
            .await;
    }
    case.production
        .sql("UPDATE ONLY log.events SET body = '' WHERE id = 3")
        .await;
    case.production.sql("DELETE FROM ONLY log.events").await;
    case.salvage(tables(&["log.events"])).await.unwrap();
    case.whole_again("rows of a parent alone deleted").await;
}

/// As in SQL, where a table's name stands for its heirs, too.
async fn heirs_come_with_their_parent(case: &Case) {
    for fault in ["DELETE FROM log.events", "DROP TABLE log.events CASCADE"] {
        case.production.sql(fault).await;
        case.salvage(tables(&["log.events"])).await.unwrap();
        case.whole_again(fault).await;
    }
}

async fn rows_without_columns(case: &Case) {
    for fault in [
        "DROP TABLE log.ticks, log.marks",
        "DELETE FROM log.ticks; DELETE FROM log.marks",
        "DELETE FROM log.ticks WHERE ctid = '(0,2)'",
    ] {
        case.production.sql(fault).await;
        case.salvage(tables(&["log.ticks", "log.marks"]))
            .await
            .unwrap();
        case.whole_again(fault).await;
    }
}

async fn triggers_that_always_fire_rest(case: &Case) {
    let properties = case.production.value(PROPERTIES).await;
    case.production
        .sql("SET session_replication_role = replica; ALTER TABLE sales.orders DISABLE TRIGGER remember;
              DELETE FROM sales.orders WHERE id % 2 = 0; ALTER TABLE sales.orders ENABLE ALWAYS TRIGGER remember")
        .await;
    case.salvage(tables(&["sales.orders"])).await.unwrap();
    case.whole_again("rows deleted under triggers that always fire")
        .await;
    assert_eq!(case.production.value(PROPERTIES).await, properties);
}

async fn properties_survive_a_swap(case: &Case) {
    let properties = case.production.value(PROPERTIES).await;
    assert!(
        properties.contains("note 777 {n_distinct=5}"),
        "{properties}"
    );
    let mut request = tables(&["sales.orders"]);
    request.by = SalvageBy::Swap;
    let salvaged = case.salvage(request).await.unwrap();
    assert_eq!(done(&salvaged, "sales.orders").inserted, 200);
    case.whole_again("a swap").await;
    assert_eq!(case.production.value(PROPERTIES).await, properties);
    let comment = "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'lines_order_id_fkey'";
    assert_eq!(case.production.value(comment).await, "of its order");
}

async fn the_longest_name(case: &Case) {
    let mut request = tables(&[LONG]);
    request.by = SalvageBy::Swap;
    let salvaged = case.salvage(request).await.unwrap();
    assert_eq!(done(&salvaged, LONG).inserted, 9);
    case.whole_again("a swap of the longest name").await;
}

async fn a_sequence_that_descends(case: &Case) {
    for fault in ["DELETE FROM sales.countdown", "DROP TABLE sales.countdown"] {
        case.production.sql(fault).await;
        case.salvage(tables(&["sales.countdown"])).await.unwrap();
        case.whole_again(fault).await;
    }
    let next = "SELECT nextval('sales.countdown_id_seq')";
    assert_eq!(case.production.value(next).await, "-6");
}

/// What its role may do comes home with a table, and must wait for the thaw.
async fn a_frozen_table_comes_home_frozen(case: &Case) {
    for server in [&case.production, &case.scratch] {
        server.sql("GRANT INSERT, SELECT ON log.ticks TO app").await;
    }
    case.production.sql("DROP TABLE log.ticks").await;
    let mut request = tables(&["log.ticks"]);
    request.frozen_tables = vec![FrozenTable {
        table: "log.ticks".into(),
        role: "app".into(),
    }];
    case.salvage(request).await.unwrap();
    let may = "SELECT string_agg(privilege_type, ' ') FROM pg_class, aclexplode(relacl) WHERE oid = 'log.ticks'::regclass AND grantee = 'app'::regrole";
    assert_eq!(case.production.value(may).await, "SELECT");
}

async fn large_objects_come_with_their_rows(case: &Case) {
    let state = "SELECT string_agg(format('%s %s %s %s %s', m.oid, pg_get_userbyid(lomowner), lomacl, md5(lo_get(m.oid)), obj_description(m.oid, 'pg_largeobject')), ', ' ORDER BY m.oid)
      FROM pg_largeobject_metadata m";
    let before = case.production.value(state).await;
    case.production
        .sql("SELECT lo_unlink(scan) FROM sales.scans; DELETE FROM sales.scans")
        .await;
    case.salvage(tables(&["sales.scans"])).await.unwrap();
    case.whole_again("rows and their large objects deleted")
        .await;
    assert_eq!(case.production.value(state).await, before);
}

async fn a_target_after_the_fault(case: &Case) {
    let fault = "DELETE FROM sales.lines WHERE order_id % 3 = 0";
    let xid = case.fault(fault).await;
    let past = case.bench.copy(&case.production, "past").await;
    let request = SalvageRequest {
        fault_xids: vec![xid],
        undone_xids: vec![xid],
        ..tables(&["sales.lines"])
    };
    let error = case.salvage_from(&past, request.clone()).await.unwrap_err();
    let said = format!(
        "the target lies after the fault: the scratch server has transaction {xid} of the bad statement"
    );
    assert!(error.to_string().starts_with(&said), "{error}");
    let dumped = SalvageRequest {
        logical: true,
        ..request.clone()
    };
    let salvaged = case.salvage_from(&past, dumped).await.unwrap();
    assert_eq!(done(&salvaged, "sales.lines").inserted, 0);
    let salvaged = case.salvage(request).await.unwrap();
    assert_eq!(done(&salvaged, "sales.lines").inserted, 66);
}
