//! `pgdrill record` against one sequential read of the same database: every table's `COPY` by `psql`,
//! thrown away. Paired, in one run, with a warm cache; and how much memory the program took at most.
//!
//! `cargo bench --bench record`. Needs PostgreSQL of this machine. `SIZE` (1000000000) is how many bytes of
//! data there are, `PAIRS` (5) how often the two are compared.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use pgdrill::history::Recorder;
use support::Server;

/// Every table's rows, as one stream after the other.
const READ: &str = "SELECT format('COPY (SELECT * FROM %I.%I) TO STDOUT (FORMAT binary)', schemaname, tablename) \
     FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";

#[tokio::main]
async fn main() {
    let Some(server) = Server::start("max_wal_size = 4GB\nshared_buffers = 256MB") else {
        println!("no PostgreSQL on this machine");
        return;
    };
    server
        .load(stated("SIZE", 1_000_000_000), &Recorder::in_memory())
        .await;
    for settle in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
        server.tool("psql", &["-q", "-c", settle]);
    }
    let dir = tempfile::tempdir().unwrap();
    let statements = server.tool("psql", &["-XAtc", READ]).stdout;
    let statements = String::from_utf8(statements).unwrap().replace('\n', ";\n");
    let script = server.path("read.sql");
    fs::write(&script, statements).unwrap();
    server.own(&script);
    let (mut ratios, mut peak) = (Vec::new(), 0);
    for _ in 0..stated("PAIRS", 5) {
        let began = Instant::now();
        server.tool(
            "psql",
            &[
                "-Xq",
                "-o",
                "/dev/null",
                "-f",
                &script.display().to_string(),
            ],
        );
        let read = began.elapsed();
        let (recorded, memory) = record(&server, dir.path());
        peak = peak.max(memory);
        println!("read {read:.2?}, recorded {recorded:.2?}, {memory} kB");
        ratios.push(recorded.as_secs_f64() / read.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (
        ratios[0],
        ratios[ratios.len() / 2],
        ratios[ratios.len() - 1],
    );
    println!(
        "recording takes {median:.2} ({least:.2} – {most:.2}) of the time of one sequential read, \
         and {peak} kB of memory at most"
    );
}

fn stated(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// The program as a user starts it: how long it took, and the most memory it used, in kB.
fn record(server: &Server, dir: &Path) -> (Duration, u64) {
    let access = server.access();
    let url = format!(
        "postgres://postgres@{}:{}/postgres",
        access.host, access.port
    );
    let began = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .args(["record", "--replace", &url])
        .env("PGPASSWORD", access.password.reveal())
        .current_dir(dir)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(memory(&program));
        if let Some(status) = program.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
    (began.elapsed(), peak)
}

/// The most memory that a process has used so far; 0 of one that has ended.
fn memory(program: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or_default()
}
