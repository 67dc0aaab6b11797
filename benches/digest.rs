//! The digest of a table against the same COPY thrown away, and against
//! `md5(string_agg(t::text …))` in the server.
//!
//! Stream against stream: one connection's digest, and the COPY thrown away by the same
//! reader and by `psql`. As a drill does it: the probe with all its connections, against the
//! COPY and md5. The same server, a warm cache; rounds are paired and alternate. What is
//! printed is rate, the median ratio with its range (above 1: the digest is faster), and
//! how much memory the digests took at most.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{collections::BTreeMap, fs, time::Instant};

use pgdrill::{
    history::Recorder,
    postgres::copy::CopyReader,
    probe::{
        readers::{Readers, digest},
        tables::{Table, states, tables},
    },
};
use support::Server;

const ROUNDS: usize = 15;
const TABLES: [&str; 2] = ["external_agent.messages", "external_agent.agent_data"];

#[tokio::main]
async fn main() {
    let Some(server) = Server::start("max_wal_size = 4GB") else {
        println!("no PostgreSQL on this machine");
        return;
    };
    server.load(size(), &Recorder::in_memory()).await;
    // Nothing of the load's is left to do beside what is timed, and all pages are marked read.
    for settle in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
        server.tool("psql", &["-q", "-c", settle]);
    }
    for table in TABLES {
        compare(&server, table).await;
    }
}

/// Wanted size in bytes, from the environment or 300 MB.
fn size() -> u64 {
    let given = std::env::var("PGDRILL_BENCH_SIZE");
    given.map_or(300_000_000, |size| size.parse().unwrap())
}

async fn compare(server: &Server, name: &str) {
    let client = server.access().connect("bench").await.unwrap();
    let mut reader = CopyReader::connect(&server.access(), "bench")
        .await
        .unwrap();
    let query = format!("SELECT * FROM {name}");
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let md5_query = format!("SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t");
    println!("{copy}\n{md5_query}");
    let (readers, table) = probe(server, name).await;
    let bytes = thrown_away(&mut reader, &copy).await;
    let before = peak_memory();
    let mut ratios: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let stream = timed(async { digest(&mut reader, &query).await.unwrap() }).await;
        let discarded = timed(thrown_away(&mut reader, &copy)).await;
        let psql =
            timed(async { server.tool("psql", &["-q", "-o", "/dev/null", "-c", &copy]) }).await;
        let probe = timed(states(&readers, &table, &[])).await;
        let md5 = timed(client.query_one(&md5_query, &[])).await;
        let round = [
            discarded / stream,
            psql / stream,
            discarded / probe,
            md5 / probe,
        ];
        for (ratios, ratio) in ratios.iter_mut().zip(round) {
            ratios.push(ratio);
        }
        let rate = |seconds| bytes as f64 / 1e6 / seconds;
        println!(
            "{name}: one stream {:.0} MB/s, the probe {:.0} MB/s, md5 {:.0} MB/s",
            rate(stream),
            rate(probe),
            rate(md5)
        );
    }
    let [discarded, psql, probe, md5] = ratios.map(shown);
    println!(
        "{name}, {:.0} MB (median of {ROUNDS}, range)\n\
         one stream: / COPY thrown away {discarded}, / psql to /dev/null {psql}\n\
         the probe: / COPY thrown away {probe}, / md5(string_agg) {md5}; memory +{} kB",
        bytes as f64 / 1e6,
        peak_memory() - before
    );
}

/// The probe's connections and what they are to read.
async fn probe(server: &Server, name: &str) -> (Readers, Vec<Table>) {
    let readers = Readers::open(&server.access()).await.unwrap();
    let mut table = tables(readers.keeper(), &BTreeMap::new()).await.unwrap();
    table.retain(|table| table.name == name);
    (readers, table)
}

/// Median and range.
fn shown(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
    format!("{median:.2} ({least:.2} – {most:.2})")
}

async fn timed<T>(work: impl Future<Output = T>) -> f64 {
    let began = Instant::now();
    work.await;
    began.elapsed().as_secs_f64()
}

/// The same reader, doing nothing with what it reads. Returns the bytes.
async fn thrown_away(reader: &mut CopyReader, copy: &str) -> usize {
    let mut bytes = 0;
    let read = reader.read(copy, |data, _ends| bytes += data.len());
    read.await.unwrap();
    bytes
}

/// Most memory this process ever used, in kB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
