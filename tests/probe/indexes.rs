//! Indexes in every column, and sequences beside what they feed.

use super::*;

/// Every column of every index counts: of several columns, of single values that many rows share,
/// and of an access method that knows no scan of the whole.
const INDEXED: &str = "
CREATE EXTENSION amcheck; CREATE EXTENSION bloom;
CREATE TABLE words (tags int[], letters text[], colour text, size int);
INSERT INTO words SELECT '{1}', ARRAY['w' || n, 'v' || n], 'colour ' || n % 40, n FROM generate_series(1, 20000) n;
CREATE INDEX words_gin ON words USING gin (tags, letters);
CREATE INDEX words_hash ON words USING hash (colour);
CREATE INDEX words_bloom ON words USING bloom (size);
CREATE SEQUENCE shared; CREATE TABLE a (n bigint DEFAULT nextval('shared')); CREATE TABLE b (n int DEFAULT nextval('shared') * 10);
INSERT INTO a DEFAULT VALUES; INSERT INTO b DEFAULT VALUES; INSERT INTO a DEFAULT VALUES;
CHECKPOINT";

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_read_in_every_column_and_sequences_beside_what_they_feed() {
    let Some(bench) = Bench::open().await else {
        return;
    };
    let server = bench.server("one", INDEXED).await;
    let copy = bench.copy(&server, "two").await;
    let sound = structure(&server).await;
    let all = ["gin", "hash", "bloom"].map(|kind| format!("postgres: public.words_{kind}"));
    assert_eq!(sound.read, all);
    for index in ["words_gin", "words_hash", "words_bloom"] {
        zero_the_last_page(&copy, index).await;
    }
    let damaged = structure(&copy).await;
    let found = damaged.different.iter().chain(damaged.refused.keys());
    let found: Vec<&String> = found.collect();
    assert_eq!(damaged.read, Vec::<String>::new(), "{found:?}");
    fed_by_a_sequence(&server).await;
    bench.close().await;
}

async fn structure(server: &Server) -> Structure {
    let (passwords, business) = (passwords(&[]), Vec::new());
    let target = target(server, &passwords, &business, None);
    match only(&target, CheckKind::Amcheck).await {
        Observation::Amcheck(structure) => structure,
        other => panic!("{other:#?}"),
    }
}

async fn zero_the_last_page(server: &Server, relation: &str) {
    let client = server.connect().await;
    let where_ = "SELECT pg_relation_filepath($1::text::regclass), pg_relation_size($1::text::regclass) / 8192 - 1";
    let row = client.query_one(where_, &[&relation]).await.unwrap();
    let (path, page): (String, i64) = (row.get(0), row.get(1));
    let file = server.node.layout().data.join(path).display().to_string();
    shell(
        server,
        format!("dd if=/dev/zero of={file} bs=8192 count=1 seek={page} conv=notrunc"),
    )
    .await;
}

async fn fed_by_a_sequence(server: &Server) {
    let (passwords, business) = (passwords(&[]), Vec::new());
    let target = target(server, &passwords, &business, None);
    let Observation::Sequences(sequences) = only(&target, CheckKind::Sequences).await else {
        panic!("no sequences");
    };
    let [shared] = &sequences[..] else {
        panic!("{sequences:#?}");
    };
    assert_eq!(shared.column.as_deref(), Some("public.a.n"));
    assert_eq!((shared.next, shared.max), (4, Some(3)));
}
