//! Baselines of a real server, recorded by roles that can do less and less.

mod cli;
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use cli::told;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use pgdrill::baseline::Baseline;
use serde_json::Value;
use support::Server;

const SCHEMA: &str = r#"
CREATE ROLE auditor LOGIN PASSWORD 'auditor' IN ROLE pg_read_all_data;
CREATE ROLE guest LOGIN PASSWORD 'guest';
CREATE SCHEMA "Web shop";
CREATE TABLE "Web shop"."order" (id int PRIMARY KEY, request_id uuid, note text);
INSERT INTO "Web shop"."order" SELECT g, gen_random_uuid(), repeat('x', g % 50) FROM generate_series(1, 5000) g;
CREATE TABLE prices (id bigserial, price numeric);
INSERT INTO prices (price) SELECT g FROM generate_series(1, 300) g;
CREATE TABLE secrets (id int, owner text);
INSERT INTO secrets VALUES (1, 'auditor'), (2, 'guest');
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secrets USING (owner = current_user);
GRANT USAGE ON SCHEMA "Web shop" TO guest;
GRANT SELECT ON prices TO guest;
SELECT lo_from_bytea(0, 'a letter');
CREATE DATABASE other;
"#;

fn server() -> Option<Server> {
    let server = Server::start("")?;
    for statement in SCHEMA.split(";\n") {
        query(&server, statement);
    }
    Some(server)
}

/// Rows as `psql` shows them.
fn query(server: &Server, sql: &str) -> String {
    let output = server.tool("psql", &["-XAtqc", sql]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The program, recording as a role whose password is its name.
fn recording(server: &Server, role: &str, place: &Path, further: &[&str]) -> Command {
    let access = server.access();
    let url = format!("postgres://{role}@{}:{}/postgres", access.host, access.port);
    let arguments: Vec<&str> = ["record", url.as_str()]
        .into_iter()
        .chain(further.iter().copied())
        .collect();
    let mut command = cli::pgdrill(&arguments, place);
    command
        .current_dir(place)
        .env("HOME", place)
        .env_remove("PGPASSFILE")
        .env("PGPASSWORD", role);
    command
}

fn recorded(output: &Output, file: &Path) -> Baseline {
    assert_eq!(output.status.code(), Some(0), "{}", told(output));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn a_role_that_can_only_read_records_all_and_writes_nothing() {
    let Some(server) = server() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    query(&server, "ALTER ROLE auditor BYPASSRLS");
    let next_xid = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
    query(&server, "ALTER ROLE guest SET app.password = 'hunter2'");
    let before = query(&server, next_xid);
    let file = place.path().join("queries.sql");
    let queries = "-- name: newest\nSELECT max(id) AS id, NULL AS none FROM \"Web shop\".\"order\";\n\
                   -- name: prices\nSELECT count(*) FROM prices\n";
    fs::write(&file, queries).unwrap();
    let options = ["--every-database", "--query", "queries.sql"];
    let output = recording(&server, "auditor", place.path(), &options)
        .output()
        .unwrap();
    let baseline = recorded(&output, &place.path().join("baseline.json"));
    assert_eq!(query(&server, next_xid), before, "a transaction wrote");
    let unread: Vec<_> = baseline.unread().collect();
    assert_eq!((&baseline.not_recorded, unread), (&[].into(), vec![]));
    let names: Vec<&String> = baseline.databases.keys().collect();
    assert_eq!(names, ["other", "postgres"]);
    let held = &baseline.databases["postgres"];
    let rows = |name: &str| (held.tables[name].rows, held.tables[name].live_rows);
    assert_eq!(rows("\"Web shop\".\"order\""), (5000, 0));
    assert_eq!(rows("public.secrets"), (2, 0));
    assert_eq!(held.large_objects.as_ref().unwrap().count, 1);
    let definitions = held.definitions.as_ref().unwrap();
    assert!(definitions["table public.prices"].contains("price numeric"));
    let globals = baseline.globals.as_ref().unwrap();
    assert!(
        globals.keys().any(|name| name.contains("auditor")),
        "{globals:?}"
    );
    assert!(
        held.privileges
            .as_ref()
            .unwrap()
            .iter()
            .any(|one| one.contains("guest"))
    );
    assert_eq!(held.sequences.as_ref().unwrap()[0].next, 301);
    assert!(held.catalog.as_ref().unwrap().len() > 10);
    let newest = serde_json::to_value(&held.queries["newest"]).unwrap();
    let expected = serde_json::json!({"columns": ["id", "none"], "rows": [["5000", Value::Null]]});
    assert_eq!(newest, expected);
    assert_eq!(held.queries["prices"].rows, [[Some("300".to_owned())]]);
    let text = fs::read_to_string(place.path().join("baseline.json")).unwrap();
    for secret in ["SCRAM-SHA-256$", "hunter2", "digest)"] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
    assert!(text.contains("(not recorded)"));
}

#[test]
fn what_a_role_may_not_see_is_told() {
    let Some(server) = server() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let output = recording(&server, "guest", place.path(), &[])
        .output()
        .unwrap();
    let baseline = recorded(&output, &place.path().join("baseline.json"));
    let held = &baseline.databases["postgres"];
    assert_eq!(held.tables["public.prices"].rows, 300);
    let unread = baseline.unread().map(|(_, table, _)| table);
    let unread: Vec<&str> = unread
        .filter(|table| !table.starts_with("information_schema."))
        .collect();
    assert_eq!(unread, ["\"Web shop\".\"order\"", "public.secrets"]);
    assert!(held.definitions.is_none() && held.catalog.is_none());
    let told = told(&output);
    for line in [
        "not recorded: public.secrets in database postgres: ",
        "not recorded: definitions of database postgres: `pg_dump`: exit status: 1: ",
        "not recorded: shared catalog: ",
    ] {
        assert!(told.contains(line), "{told}");
    }
    // Who is subject to a policy would see a part of the rows.
    let output = recording(&server, "auditor", place.path(), &["--replace"])
        .output()
        .unwrap();
    let baseline = recorded(&output, &place.path().join("baseline.json"));
    let (_, table, why) = baseline.unread().next().unwrap();
    assert_eq!(table, "public.secrets");
    assert!(why.contains("row-level security"), "{why}");
}

/// Which rows are chosen follows from their content, not from where they lie.
#[test]
fn a_sample_is_the_same_of_the_same_rows_in_another_order() {
    let Some(server) = server() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    query(&server, "ALTER ROLE auditor BYPASSRLS");
    let digests = |further: &[&str]| {
        let options = [further, &["--replace"]].concat();
        let output = recording(&server, "auditor", place.path(), &options)
            .output()
            .unwrap();
        let baseline = recorded(&output, &place.path().join("baseline.json"));
        let tables = &baseline.databases["postgres"].tables;
        let both = ["\"Web shop\".\"order\"", "public.prices"]
            .map(|name| (tables[name].rows, tables[name].digest.clone()));
        (baseline.sample, both)
    };
    let (whole, sampled) = (digests(&[]), digests(&["--sample", "20"]));
    assert_eq!((whole.0, sampled.0), (1000, 200));
    assert_ne!(whole.1[0].1, sampled.1[0].1);
    query(
        &server,
        "CREATE INDEX by_note ON \"Web shop\".\"order\" (note, id)",
    );
    query(&server, "CLUSTER \"Web shop\".\"order\" USING by_note");
    query(&server, "VACUUM FULL prices");
    assert_eq!(digests(&["--sample", "20"]), sampled);
    assert_eq!(digests(&[]), whole);
    // A change of every row is one of the sample's.
    query(
        &server,
        "UPDATE \"Web shop\".\"order\" SET note = note || '!'",
    );
    assert_ne!(digests(&["--sample", "20"]).1[0].1, sampled.1[0].1);
    assert_eq!(digests(&["--sample", "20"]).1[1], sampled.1[1]);
}

#[test]
fn bad_input_is_refused_and_leaves_what_was_there() {
    let Some(server) = server() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let refused = |code: i32, further: &[&str], mark: &str| {
        let output = recording(&server, "auditor", place.path(), further)
            .output()
            .unwrap();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(code), "{further:?}: {told}");
        assert!(
            told.contains(mark) && told.contains("hint: ") == (code == 64),
            "{told}"
        );
    };
    fs::write(place.path().join("baseline.json"), "kept").unwrap();
    refused(64, &[], "`baseline.json` is there already");
    let query_file = |sql: &str| fs::write(place.path().join("q.sql"), sql).unwrap();
    query_file("-- nothing\n");
    refused(
        64,
        &["--replace", "--query", "q.sql"],
        "the query `q` is empty",
    );
    query_file("INSERT INTO prices VALUES (0, 0)");
    let written = ["--replace", "--query", "q.sql"];
    refused(
        64,
        &written,
        "query `q`: ERROR: cannot execute INSERT in a read-only transaction",
    );
    query_file("SELECT generate_series(1, 1001)");
    refused(64, &written, "query `q` returned more than 1000 rows");
    refused(64, &["--replace", "--rate", "0B"], "would read nothing");
    refused(
        2,
        &["--replace", "--out", "nowhere/b.json"],
        "cannot write `nowhere/b.json`",
    );
    let mut wrong = recording(&server, "auditor", place.path(), &["--replace"]);
    let output = wrong.env("PGPASSWORD", "wrong").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("28P01"), "{}", told(&output));
    let kept = fs::read_to_string(place.path().join("baseline.json"));
    assert_eq!(kept.unwrap(), "kept");
}

#[test]
fn an_interrupted_recording_leaves_neither_a_file_nor_a_session() {
    let Some(server) = server() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let mut command = recording(&server, "auditor", place.path(), &["--rate", "1kB"]);
    let recording = command
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sessions = "SELECT count(*) >= 4 FROM pg_stat_activity WHERE usename = 'auditor'";
    wait(|| query(&server, sessions) == "t");
    kill(Pid::from_raw(recording.id() as i32), Signal::SIGINT).unwrap();
    let output = recording.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(
        told(&output).contains("interrupted: nothing was written"),
        "{}",
        told(&output)
    );
    let left = "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'auditor'";
    wait(|| query(&server, left) == "t");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

/// Waits until it is so; a minute is never needed.
fn wait(mut until: impl FnMut() -> bool) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(50));
    }
}
