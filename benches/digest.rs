//! The digest of a table against the same COPY thrown away, and against
//! `md5(string_agg(t::text …))` in the server.
//!
//! Thrown away by the same reader that the digest has, and by `psql`; one stream each, the
//! same server, a warm cache. Rounds are paired and alternate; what is printed is rate, the
//! median ratio with its range (above 1: the digest is faster), and how much memory the
//! digests took at most.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, time::Instant};

use pgdrill::{history::Recorder, postgres::copy::CopyReader, probe::tables::digest};
use support::Server;

const ROUNDS: usize = 9;
const TABLES: [&str; 2] = ["external_agent.messages", "external_agent.agent_data"];

#[tokio::main]
async fn main() {
    let Some(server) = Server::start("max_wal_size = 4GB") else {
        println!("no PostgreSQL on this machine");
        return;
    };
    server.load(size(), &Recorder::in_memory()).await;
    for table in TABLES {
        compare(&server, table).await;
    }
}

/// Wanted size in bytes, from the environment or 300 MB.
fn size() -> u64 {
    let given = std::env::var("PGDRILL_BENCH_SIZE");
    given.map_or(300_000_000, |size| size.parse().unwrap())
}

async fn compare(server: &Server, table: &str) {
    let client = server.access().connect("bench").await.unwrap();
    let mut reader = CopyReader::connect(&server.access(), "bench")
        .await
        .unwrap();
    let query = format!("SELECT * FROM {table}");
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let md5 = format!("SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t");
    println!("{copy}\n{md5}");
    let bytes = thrown_away(&mut reader, &copy).await;
    let before = peak_memory();
    let mut ratios: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let ours = timed(async { digest(&mut reader, &query).await.unwrap() }).await;
        let discarded = timed(thrown_away(&mut reader, &copy)).await;
        let psql =
            timed(async { server.tool("psql", &["-q", "-o", "/dev/null", "-c", &copy]) }).await;
        let md5 = timed(client.query_one(&md5, &[])).await;
        for (ratios, theirs) in ratios.iter_mut().zip([discarded, psql, md5]) {
            ratios.push(theirs / ours);
        }
        println!("{table}: {:.0} MB/s", bytes as f64 / 1e6 / ours);
    }
    let [discarded, psql, md5] = ratios.map(shown);
    println!(
        "{table}, {:.0} MB: digest / COPY thrown away {discarded}, / psql to /dev/null {psql}, \
         / md5(string_agg) {md5}; memory +{} kB (median of {ROUNDS}, range)",
        bytes as f64 / 1e6,
        peak_memory() - before
    );
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
    let read = reader.read(copy, |data| bytes += data.len());
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
