//! Rows: beside their audit trail, and while they move.

use super::*;

/// An entry repeats the row of its change, or it is no entry of it.
const AUDITED: &str = "
CREATE TABLE public.things (id int, request_id uuid);
CREATE TABLE public.trail (table_name text, action text, request_id uuid, request_version int, new_row jsonb);
INSERT INTO things SELECT n, gen_random_uuid() FROM generate_series(1, 4) n;
INSERT INTO trail SELECT 'public.things', 'INSERT', request_id, 0, to_jsonb(things) FROM things;
UPDATE trail SET new_row = NULL WHERE new_row ->> 'id' = '1';
UPDATE trail SET new_row = new_row || '{\"id\": 9}' WHERE new_row ->> 'id' = '2'";

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_entry_tells_the_row_as_it_is() {
    let Some(bench) = Bench::open().await else {
        return;
    };
    let server = bench.server("one", AUDITED).await;
    let (passwords, business) = (passwords(&[]), Vec::new());
    let tables = ["public.things".to_owned()];
    let target = ProbeTarget {
        audit: vec![Trail {
            database: "postgres",
            log: "public.trail",
            tables: &tables,
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
