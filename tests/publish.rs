//! Histories in a real database: written once, the same when published again, by whoever may.

mod cli;
mod support;
#[path = "../src/check/testing/mod.rs"]
mod testing;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use cli::told;
use pgdrill::history::planned;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::Server;
use testing::{HistoryFixture, lost_server, salvage};

const TABLES: [&str; 4] = [
    "drills",
    "backup_policies",
    "backup_history",
    "recovery_history",
];

/// A run that was judged.
fn run_of(place: &Path, name: &str, fixtures: &[HistoryFixture]) -> String {
    let run = place.join(name);
    fs::create_dir_all(&run).unwrap();
    let names = fixtures.iter().map(|fixture| fixture.plan.drill.as_str());
    planned::write(&run, names, Vec::new()).unwrap();
    for fixture in fixtures {
        fixture.write(&run.join("drills").join(&fixture.plan.drill));
    }
    pgdrill::report::write_run(&run).unwrap();
    run.display().to_string()
}

fn url(server: &Server, user: &str, database: &str) -> String {
    let access = server.access();
    format!(
        "postgres://{user}@{}:{}/{database}",
        access.host, access.port
    )
}

/// The program, which finds no password but the one it is given.
fn pgdrill(arguments: &[&str], place: &Path) -> Command {
    let mut command = cli::pgdrill(arguments, place);
    command
        .env("HOME", place)
        .env_remove("PGPASSFILE")
        .env_remove("PGPASSWORD");
    command
}

fn publish(server: &Server, run: &str) -> Output {
    let to = url(server, "postgres", "postgres");
    let mut command = pgdrill(&["publish", run, "--to", &to], Path::new(run));
    command.env("PGPASSWORD", server.access().password.reveal());
    command.output().unwrap()
}

/// Rows as `psql` shows them.
fn query(server: &Server, sql: &str) -> String {
    let output = server.tool("psql", &["-XAtqc", sql]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn everything(server: &Server) -> Vec<String> {
    let all = TABLES.map(|table| {
        query(
            server,
            &format!("TABLE pgdrill.{table} ORDER BY 1, 2, 4, 5"),
        )
    });
    all.to_vec()
}

#[test]
fn a_run_is_published_once_however_often_and_with_it_the_view() {
    let Some(server) = Server::start("") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let run = run_of(
        place.path(),
        "20260301T020000Z-a",
        &[salvage(), lost_server()],
    );
    let output = publish(&server, &run);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        told(&output).contains("2 drills, 2 backups and 4 rows of recoveries"),
        "{}",
        told(&output)
    );
    let once = everything(&server);
    assert_eq!(publish(&server, &run).status.code(), Some(0));
    assert_eq!(everything(&server), once);
    insta::assert_snapshot!(once.join("\n\n"));
    let view = query(
        &server,
        "SELECT recovery_type, recovery_count, avg_rto_seconds, \
        min_rto_seconds, max_rto_seconds, avg_rpo_seconds \
        FROM pgdrill.v_rto_rpo_monitoring ORDER BY 1",
    );
    insta::assert_snapshot!(view, @r"
    latest|1|9.1035|9.1|9.107|20.79
    lsn|1|9.5535|9.1|10.007|0
    ");
    // A second run beside it.
    let next = run_of(place.path(), "20260302T020000Z-b", &[lost_server()]);
    assert_eq!(publish(&server, &next).status.code(), Some(0));
    let count = "SELECT count(DISTINCT run), count(*) FROM pgdrill.drills";
    assert_eq!(query(&server, count), "2|3");
}

#[test]
fn another_run_of_the_same_name_is_refused_and_nothing_of_it_is_written() {
    let Some(server) = Server::start("") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let run = run_of(place.path(), "nightly", &[lost_server()]);
    assert_eq!(publish(&server, &run).status.code(), Some(0));
    let before = everything(&server);
    query(
        &server,
        "UPDATE pgdrill.drills SET began = began - interval '1 day'",
    );
    let output = publish(&server, &run);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(
        told(&output).contains("hint: give the run's directory another name"),
        "{}",
        told(&output)
    );
    query(
        &server,
        "UPDATE pgdrill.drills SET began = began + interval '1 day'",
    );
    assert_eq!(everything(&server), before);
}

#[test]
fn many_publish_at_the_same_time_into_a_database_without_tables() {
    let Some(server) = Server::start("") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let run = |name| run_of(place.path(), name, &[lost_server()]);
    let runs = ["first", "second", "third"].map(run);
    std::thread::scope(|scope| {
        for run in runs.iter().chain(&runs) {
            scope.spawn(|| {
                let output = publish(&server, run);
                assert_eq!(output.status.code(), Some(0), "{}", told(&output));
            });
        }
    });
    let count =
        "SELECT (SELECT count(*) FROM pgdrill.drills), (SELECT count(*) FROM pgdrill.migrations)";
    assert_eq!(query(&server, count), "3|1");
}

#[test]
fn passwords_are_found_and_never_told() {
    let Some(server) = Server::start("") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let run = run_of(place.path(), "run", &[lost_server()]);
    let password = r"p:a\s@s/w%?#'w0rd";
    query(
        &server,
        r"CREATE ROLE ops LOGIN PASSWORD 'p:a\s@s/w%?#''w0rd'",
    );
    query(&server, "CREATE DATABASE ops OWNER ops");
    let to = url(&server, "ops", "ops");
    let publish = |command: &mut Command, code: i32, mark: &str| {
        let output = command.output().unwrap();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(mark) && !told.contains("w0rd"), "{told}");
    };
    let new = |arguments: &[&str]| pgdrill(arguments, place.path());
    let arguments = ["publish", &run, "--to", &to];
    publish(&mut new(&arguments), 2, "password missing");
    publish(new(&arguments).env("PGPASSWORD", "w0rd"), 2, "28P01");
    publish(new(&arguments).env("PGPASSWORD", password), 0, "as `ops`");
    let passfile = place.path().join(".pgpass");
    let line = format!("127.0.0.1:*:ops:ops:{}\n", r"p\:a\\s@s/w%?#'w0rd");
    fs::write(&passfile, line).unwrap();
    fs::set_permissions(&passfile, fs::Permissions::from_mode(0o644)).unwrap();
    publish(&mut new(&arguments), 64, "may be read by others");
    fs::set_permissions(&passfile, fs::Permissions::from_mode(0o600)).unwrap();
    publish(&mut new(&arguments), 0, "as `ops`");
    let whole = to.replacen("ops@", "ops:p%3Aa%5Cs%40s%2Fw%25%3F%23'w0rd@", 1);
    publish(
        &mut new(&["publish", &run, "--to", &whole]),
        64,
        "can be read by everybody",
    );
    fs::remove_file(&passfile).unwrap();
    publish(
        new(&["publish", &run]).env("PGDRILL_PUBLISH", &whole),
        0,
        "as `ops`",
    );
    publish(
        &mut new(&["publish", &run]),
        64,
        "no database to publish to is stated",
    );
}

#[test]
fn what_cannot_be_published_is_said_before_drills_begin() {
    let Some(server) = Server::start("") else {
        return;
    };
    let place = cli::place();
    query(&server, "CREATE ROLE reader LOGIN PASSWORD 'reader'");
    let reports = place.path().join("reports").display().to_string();
    let refused = |to: &str, mark: &str| {
        let arguments = ["run", "quick", "--reports", &reports, "--publish", to];
        let mut command = pgdrill(&arguments, place.path());
        let output = command.env("PGPASSWORD", "reader").output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", told(&output));
        assert!(told(&output).contains(mark), "{}", told(&output));
        assert_eq!(cli::left_in(place.path()), Vec::<String>::new());
    };
    refused("postgres://reader@127.0.0.1:1/postgres", "error connecting");
    refused(&url(&server, "reader", "nowhere"), "3D000");
    refused(
        &url(&server, "reader", "postgres"),
        "permission denied for database",
    );
    refused("http://127.0.0.1/", "is no URL of a PostgreSQL database");
    // What was tried is not kept.
    assert_eq!(query(&server, "SELECT to_regnamespace('pgdrill')"), "");
    query(
        &server,
        "CREATE SCHEMA pgdrill CREATE TABLE migrations (version int)",
    );
    query(
        &server,
        "INSERT INTO pgdrill.migrations VALUES (7); GRANT SELECT ON pgdrill.migrations TO reader; \
        GRANT USAGE ON SCHEMA pgdrill TO reader",
    );
    refused(&url(&server, "reader", "postgres"), "of version 7");
}

/// Has a server speak TLS, and nothing else to who comes by the network: with a certificate for this
/// host, by an authority whose own certificate is written to `authority`.
fn only_by_tls(server: &Server, host: &str, authority: &Path) {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signed = ca.self_signed(&ca_key).unwrap();
    fs::write(authority, signed.pem()).unwrap();
    let own = CertificateParams::new([host.to_owned()]).unwrap();
    let own = own.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let files = [
        ("server.crt", own.pem()),
        ("server.key", key.serialize_pem()),
        ("pg_hba.conf", "hostssl all all all scram-sha-256\n".into()),
    ];
    for (name, text) in files {
        let file = server.path("data").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        server.own(&file);
    }
    query(server, "ALTER SYSTEM SET ssl = on");
    query(server, "SELECT pg_reload_conf()");
}

#[test]
fn a_connection_is_protected_as_its_url_demands() {
    let Some(server) = Server::start("") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let run = run_of(place.path(), "run", &[lost_server()]);
    let publish = |options: &str, code: i32, mark: &str| {
        let to = url(&server, "postgres", "postgres") + options;
        let mut command = pgdrill(&["publish", &run, "--to", &to], place.path());
        command.env("PGPASSWORD", server.access().password.reveal());
        let output = command.output().unwrap();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(code), "{options}: {told}");
        assert!(told.contains(mark), "{options}: {told}");
    };
    let by = |mode: &str, authority: &Path| {
        format!("?sslmode={mode}&sslrootcert={}", authority.display())
    };
    let [own, other] = ["own.crt", "other.crt"].map(|name| place.path().join(name));
    publish("?sslmode=require", 2, "does not offer TLS");
    publish("?sslmode=prefer", 0, "as `postgres`");
    only_by_tls(&server, "db.example", &other);
    only_by_tls(&server, "db.example", &own);
    publish("?sslmode=disable", 2, "no encryption");
    publish("?sslmode=prefer", 0, "as `postgres`");
    publish("?sslmode=require", 0, "as `postgres`");
    publish(&by("verify-ca", &own), 0, "as `postgres`");
    publish(&by("verify-full", &own), 2, "not valid for name");
    for mode in ["require", "verify-ca", "verify-full"] {
        publish(&by(mode, &other), 2, "invalid peer certificate");
    }
    only_by_tls(&server, "127.0.0.1", &own);
    publish(&by("verify-full", &own), 0, "as `postgres`");
    let itself = server.path("data/server.crt");
    publish(&by("verify-full", &itself), 0, "as `postgres`");
}
