//! Acknowledged transactions a second, ledger on, against pgbench with the same SQL and
//! as many clients on the same server.
//!
//! Rounds are paired and alternate; above 1: pgdrill's clients are faster. pgbench runs
//! prepared statements, once a statement a round trip and once pipelined. Processor time of client
//! and server for a transaction is told, too: other work on the machine changes it little.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use pgdrill::{
    history::Recorder,
    ledger::{Reader, Writer},
    scenario::plan::Plan,
    secret::Secret,
    units::Rate,
    workload::Workloads,
};
use support::{
    Server,
    plan::{inserting, plan},
};

const CLIENTS: u32 = 6;
const SECONDS: u64 = 5;
const ROUNDS: usize = 5;
const INSERT: &str = "INSERT INTO live (id, body) VALUES";

#[tokio::main]
async fn main() {
    let Some(server) = Server::start("") else {
        println!("no PostgreSQL on this machine");
        return;
    };
    let sql = "CREATE TABLE live (id uuid PRIMARY KEY, body text NOT NULL); \
               CREATE ROLE bench LOGIN PASSWORD 'bench'; GRANT INSERT, SELECT ON live TO bench";
    let client = server.access().connect("bench").await.unwrap();
    client.batch_execute(sql).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (plain, pipelined) = (script(&server, false), script(&server, true));
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let ledger = dir.path().join(format!("ledger{round}"));
        let before = Spent::now(&server);
        let (ours, count) = ours(&server, &ledger, round).await;
        before.tell("pgdrill", &server, count);
        let before = Spent::now(&server);
        let plain = pgbench(&server, &plain);
        before.tell("pgbench", &server, plain * SECONDS as f64);
        let before = Spent::now(&server);
        let pipelined = pgbench(&server, &pipelined);
        before.tell("pgbench pipelined", &server, pipelined * SECONDS as f64);
        println!(
            "round {round}: pgdrill {ours:.0}/s, pgbench {plain:.0}/s, pgbench pipelined {pipelined:.0}/s"
        );
        ratios[0].push(ours / plain);
        ratios[1].push(ours / pipelined);
    }
    for (name, ratios) in ["pgbench", "pgbench pipelined"].iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ROUNDS / 2];
        println!("pgdrill / {name}: {median:.2} (median of {ROUNDS}, {CLIENTS} clients)");
    }
    ledger_cost(dir.path());
}

fn bench_plan() -> Plan {
    let sql = format!("{INSERT} ($1, $2)");
    let live = inserting("live", "bench", "live(id, body)", &sql, CLIENTS, Rate::Max);
    plan(20_000_000, vec![live])
}

/// Processor time so far, in ticks: of this process with the tools it executed, and of the server
/// with the backends that have ended.
struct Spent {
    client: u64,
    server: u64,
}

impl Spent {
    fn now(server: &Server) -> Self {
        let pid = fs::read_to_string(server.path("data/postmaster.pid")).unwrap();
        Self {
            client: ticks("self"),
            server: ticks(pid.lines().next().unwrap()),
        }
    }

    fn tell(&self, who: &str, server: &Server, transactions: f64) {
        // Until the last backend is gone.
        std::thread::sleep(Duration::from_millis(300));
        let now = Self::now(server);
        let each = |ticks: u64| ticks as f64 * 10_000.0 / transactions;
        let (client, server) = (
            each(now.client - self.client),
            each(now.server - self.server),
        );
        println!("  {who}: {client:.0} us client, {server:.0} us server a transaction");
    }
}

/// User and system time of a process and its children that have ended.
fn ticks(pid: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let times = fields.split(' ').skip(11).take(4);
    times.map(|time| time.parse::<u64>().unwrap()).sum()
}

/// Transactions a second, and how many in all.
async fn ours(server: &Server, ledger: &Path, round: usize) -> (f64, f64) {
    let passwords = BTreeMap::from([("bench".to_owned(), Secret::new("bench"))]);
    let (access, recorder) = (server.access(), Recorder::in_memory());
    let plan = bench_plan();
    let nonce = 1000 + round as u64;
    let running = Workloads::start(
        &plan,
        |_| access.clone(),
        &passwords,
        &recorder,
        ledger,
        nonce,
    )
    .unwrap();
    // As pgbench: connecting is not counted.
    while running.acknowledged() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (began, before) = (Instant::now(), running.acknowledged());
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let rate = (running.acknowledged() - before) as f64 / began.elapsed().as_secs_f64();
    let all = running.stop().await.unwrap();
    (rate, all[0].ok as f64)
}

/// The same transaction for pgbench: rising keys of each client, a body as long.
fn script(server: &Server, pipelined: bool) -> String {
    let (begin, end) = match pipelined {
        true => ("\\startpipeline\n", "\\endpipeline\n"),
        false => ("", ""),
    };
    let body = "数据 backup Київ ".repeat(5);
    let text = format!(
        "\\set n :n + 1\n\\set key :start + :client_id * 1099511627776 + :n\n{begin}BEGIN;\n\
         {INSERT} (('0123456789abcdef' || lpad(to_hex(:key::bigint), 16, '0'))::uuid, '{body}');\n\
         COMMIT;\n{end}"
    );
    let path = server.path(if pipelined {
        "pipelined.sql"
    } else {
        "plain.sql"
    });
    fs::write(&path, text).unwrap();
    server.own(&path);
    path.display().to_string()
}

fn pgbench(server: &Server, script: &str) -> f64 {
    let (clients, seconds) = (CLIENTS.to_string(), SECONDS.to_string());
    let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let start = format!("start={}", (start.as_millis() as u64) << 20);
    let arguments = [
        "-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-D", "n=0", "-D",
        &start, "-f", script,
    ];
    let output = server.tool("pgbench", &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("tps = "));
    let tps = line.and_then(|line| line.split_whitespace().nth(2));
    tps.and_then(|tps| tps.parse().ok()).expect(&text)
}

/// What the ledger's thread does for a record, as a share of a core.
fn ledger_cost(dir: &Path) {
    let records: Vec<_> = Reader::open(&dir.join("ledger0")).unwrap().collect();
    let mut writer = Writer::create(&dir.join("again")).unwrap();
    let began = Instant::now();
    records.iter().for_each(|r| writer.append(r).unwrap());
    writer.flush().unwrap();
    let each = began.elapsed().as_nanos() as f64 / records.len() as f64;
    let share = each * records.len() as f64 / SECONDS as f64 / 1e9 * 100.0;
    println!("ledger: {each:.0} ns a record, {share:.3} % of one core at the rate of round 0");
}
