//! The digest of a table against the same COPY thrown away, and against
//! `md5(string_agg(t::text …))` in the server.
//!
//! Rounds are paired and alternate; what is printed is rate and the median ratio
//! (above 1: the digest is faster), and how much memory the digests took at most.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, time::Instant};

use futures_util::TryStreamExt;
use pgdrill::{history::Recorder, probe::tables::digest};
use support::Server;
use tokio_postgres::Client;

const ROUNDS: usize = 5;
const TABLES: [&str; 2] = ["external_agent.messages", "external_agent.agent_data"];

#[tokio::main]
async fn main() {
    let Some(server) = Server::start("max_wal_size = 4GB") else {
        println!("no PostgreSQL on this machine");
        return;
    };
    server.load(size(), &Recorder::in_memory()).await;
    let client = server.access().connect("bench").await.unwrap();
    for table in TABLES {
        compare(&server, &client, table).await;
    }
}

/// Wanted size in bytes, from the environment or 300 MB.
fn size() -> u64 {
    let given = std::env::var("PGDRILL_BENCH_SIZE");
    given.map_or(300_000_000, |size| size.parse().unwrap())
}

async fn compare(server: &Server, client: &Client, table: &str) {
    let query = format!("SELECT * FROM {table}");
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let md5 = format!("SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t");
    let bytes = thrown_away(client, &copy).await;
    let before = peak_memory();
    let mut ratios: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let ours = timed(async { digest(client, &query).await.unwrap() }).await;
        let discarded = timed(thrown_away(client, &copy)).await;
        let psql =
            timed(async { server.tool("psql", &["-q", "-o", "/dev/null", "-c", &copy]) }).await;
        let md5 = timed(client.query_one(&md5, &[])).await;
        for (ratios, theirs) in ratios.iter_mut().zip([discarded, psql, md5]) {
            ratios.push(theirs / ours);
        }
        println!("{table}: {:.0} MB/s", bytes as f64 / 1e6 / ours);
    }
    let [discarded, psql, md5] = ratios.map(|mut ratios| {
        ratios.sort_by(f64::total_cmp);
        ratios[ROUNDS / 2]
    });
    println!(
        "{table}, {:.0} MB: digest / COPY thrown away {discarded:.2}, / psql to /dev/null {psql:.2}, \
         / md5(string_agg) {md5:.1}; memory +{} kB (median of {ROUNDS})",
        bytes as f64 / 1e6,
        peak_memory() - before
    );
}

async fn timed<T>(work: impl Future<Output = T>) -> f64 {
    let began = Instant::now();
    work.await;
    began.elapsed().as_secs_f64()
}

/// The same client, doing nothing with what it reads. Returns the bytes.
async fn thrown_away(client: &Client, copy: &str) -> usize {
    let stream = client.copy_out(copy).await.unwrap();
    let bytes = stream.try_fold(0, async |sum, chunk| Ok(sum + chunk.len()));
    bytes.await.unwrap()
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
