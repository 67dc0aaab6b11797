//! The bulk load against `psql \copy` of prepared files of the same rows, one stream.
//!
//! Both fill the same empty tables without indexes. Rounds are paired and alternate;
//! what is printed is rate and the median ratio (above 1: the loader is faster).
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use pgdrill::{history::Recorder, model::Model, secret::Secret, units::Bytes};
use support::Server;

const SEED: u64 = 42;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let Some(server) = Server::start("max_wal_size = 4GB") else {
        println!("no PostgreSQL on this machine");
        return;
    };
    let model = Model::named("dual-tenant").unwrap();
    create(&server, &model).await;
    let size = size();
    let (files, binary) = prepared(&server, &model, size, "binary", "(FORMAT binary)").await;
    let sent: u64 = files.iter().map(|f| fs::metadata(f).unwrap().len()).sum();
    let mb = sent as f64 / 1e6;
    let (_, text) = prepared(&server, &model, size, "text", "").await;
    let scripts = [("binary", binary), ("text", text)];
    for (format, script) in scripts {
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let ours = ours(&server, &model, size).await;
            let psql = psql(&server, &model, &script).await;
            let rates = (mb / ours, mb / psql);
            println!(
                "round {round}: pgdrill {:.0} MB/s, psql \\copy {format} {:.0} MB/s",
                rates.0, rates.1
            );
            ratios.push(psql / ours);
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "pgdrill / psql \\copy {format}: {:.2} (median of {ROUNDS}, {mb:.0} MB of rows)",
            ratios[ROUNDS / 2]
        );
    }
}

/// Wanted size in bytes, from the environment or 300 MB.
fn size() -> Bytes {
    let given = std::env::var("PGDRILL_BENCH_SIZE");
    given.map_or(Bytes(300_000_000), |size| size.parse().unwrap())
}

async fn create(server: &Server, model: &Model) {
    let roles = model.login_roles().iter().cloned();
    let passwords: BTreeMap<String, Secret> = roles.map(|r| (r, Secret::random())).collect();
    let scripts = server.scripts(model);
    let psql = async |arguments: Vec<String>| server.psql(&arguments);
    let created = model
        .create(&server.access(), &scripts, &passwords, &psql)
        .await;
    created.unwrap();
}

async fn empty(server: &Server, model: &Model) {
    let names: Vec<&str> = model
        .manifest
        .tables
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    let client = server.access().connect("bench").await.unwrap();
    let sql = format!("TRUNCATE {}", names.join(", "));
    client.batch_execute(&sql).await.unwrap();
    client.batch_execute("CHECKPOINT").await.unwrap();
}

async fn ours(server: &Server, model: &Model, size: Bytes) -> f64 {
    empty(server, model).await;
    let began = Instant::now();
    let (access, recorder) = (server.access(), Recorder::in_memory());
    model.fill(&access, size, SEED, &recorder).await.unwrap();
    began.elapsed().as_secs_f64()
}

async fn psql(server: &Server, model: &Model, script: &Path) -> f64 {
    empty(server, model).await;
    let began = Instant::now();
    let script = script.display().to_string();
    server.tool("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-f", &script]);
    began.elapsed().as_secs_f64()
}

/// The same rows as files of a format, one a table, written by the server itself; and the script
/// that reads them.
async fn prepared(
    server: &Server,
    model: &Model,
    size: Bytes,
    format: &str,
    options: &str,
) -> (Vec<PathBuf>, PathBuf) {
    ours(server, model, size).await;
    let tables = model.manifest.tables.iter();
    let path = |name: &str| server.path("data").join(format!("{name}.{format}"));
    let files: Vec<PathBuf> = tables.map(|table| path(&table.name)).collect();
    let out = script(server, model, &files, "out.sql", "TO", options);
    let out = out.display().to_string();
    server.tool("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-f", &out]);
    let name = format!("{format}.sql");
    let script = script(server, model, &files, &name, "FROM", options);
    (files, script)
}

/// A psql script that copies every table.
fn script(
    server: &Server,
    model: &Model,
    files: &[PathBuf],
    name: &str,
    way: &str,
    options: &str,
) -> PathBuf {
    let lines = model
        .manifest
        .tables
        .iter()
        .zip(files)
        .map(|(table, file)| {
            let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            let (source, columns) = match (way, table.name.as_str()) {
                // A partitioned table is no source of COPY.
                ("TO", name) => (
                    format!("(SELECT {} FROM {name})", columns.join(", ")),
                    String::new(),
                ),
                (_, name) => (name.to_owned(), format!(" ({})", columns.join(", "))),
            };
            format!(
                "\\copy {source}{columns} {way} '{}' {options}\n",
                file.display()
            )
        });
    let path = server.path(name);
    fs::write(&path, lines.collect::<String>()).unwrap();
    path
}
