//! Rows: beside their audit trail, and while they move.

use pgdrill::scenario::{model::Audit, plan::LiveTable};
use serde_json::json;

use super::*;

/// An entry repeats the row of its change, or it is no entry of it. Columns have names of their own.
const AUDITED: &str = "
CREATE TABLE public.things (id int, order_key text, changed int DEFAULT 0);
CREATE TABLE public.trail (rel text, op text, k text, v int, after jsonb);
INSERT INTO things SELECT n, 'order ' || n FROM generate_series(1, 4) n;
INSERT INTO trail SELECT 'public.things', 'INSERT', order_key, 0, to_jsonb(things) FROM things;
UPDATE trail SET after = NULL WHERE after ->> 'id' = '1';
UPDATE trail SET after = after || '{\"id\": 9}' WHERE after ->> 'id' = '2'";

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_entry_tells_the_row_as_it_is() {
    let Some(bench) = Bench::open().await else {
        return;
    };
    let server = bench.server("one", AUDITED).await;
    let (passwords, business) = (passwords(&[]), Vec::new());
    let columns =
        json!({"table": "rel", "action": "op", "key": "k", "version": "v", "row": "after"});
    let audit = json!({"log": "public.trail", "tables": ["public.things"], "columns": columns});
    let audit: Audit = serde_json::from_value(audit).unwrap();
    let things =
        json!({"name": "public.things", "key": "order_key", "version": "changed", "columns": []});
    let things: LiveTable = serde_json::from_value(things).unwrap();
    let target = ProbeTarget {
        audit: vec![Trail {
            database: "postgres",
            audit: &audit,
            tables: vec![&things],
            nonce: 0,
        }],
        ..target(&server, &passwords, &business, None)
    };
    let Observation::Audit(audit) = only(&target, CheckKind::Audit).await else {
        panic!("no trail");
    };
    let AuditState {
        missing,
        different,
        right,
        ..
    } = audit;
    assert_eq!((missing.count, different.count, right), (0, 2, 2));
    bench.close().await;
}

/// A table of several ranges.
const LARGE: &str = "CREATE TABLE large WITH (fillfactor = 50) AS
  SELECT id, repeat(md5(id::text), 40) AS body FROM generate_series(1, 30000) id";
/// Gives rows new places, and leaves what is in them.
const MOVE: &str =
    "UPDATE large SET id = id WHERE id % 5 = extract(milliseconds FROM clock_timestamp())::int % 5";

/// Whatever moves meanwhile, no row is read twice or not at all: the ranges of a table are
/// read at one moment.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_move_are_read_once() {
    let Some(bench) = Bench::open().await else {
        return;
    };
    let server = bench.server("one", LARGE).await;
    let mut reader = CopyReader::connect(&server.access, "test").await.unwrap();
    let alone = readers::digest(&mut reader, "SELECT body, id FROM large");
    let alone = alone.await.unwrap();
    let mover = server.connect().await;
    let moving = async {
        loop {
            mover.batch_execute(MOVE).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..8 {
            let readers = Readers::open(&server.access).await.unwrap();
            let tables: Vec<Table> = probe_tables::tables(readers.keeper(), &BTreeMap::new())
                .await
                .unwrap();
            let states = probe_tables::states(&readers, &tables, &[]).await.unwrap();
            let large = &states["public.large"];
            assert_eq!((large.rows, &large.digest), (alone.count, &alone.hex()));
        }
    };
    tokio::select! {
        () = moving => {}
        () = reading => {}
    }
    bench.close().await;
}
