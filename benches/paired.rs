//! A restore in a drill against the bare tool: `pgbackrest restore`, start, and the end of recovery of
//! the same backup, in the same drill, one after the other, as ratios.
//!
//! `cargo bench --bench restore`. Needs Debian's postgresql and pgbackrest; `RUNTIME=docker` a container
//! engine and its images. `SIZE` (1GB) is how much data there is.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
};

use serde_json::Value;

const SCENARIO: &str = include_str!("restore.yaml");
const PAIRS: usize = 5;

/// The same as the drill asks for, by hand. Recovery has ended when the control file says so.
const BARE: &str = r#"  - command: >
      set -e; data={data}-bare; mkdir -m 700 $data $data-spaces;
      pgbackrest --config={run}/pgbackrest.conf --stanza=main --pg1-path=$data --tablespace-map-all=$data-spaces restore;
      {bin}/pg_ctl -D $data -w -t 600 -l {run}/bare.log -o "-p 6432 -c archive_mode=off -c listen_addresses='' -k {run}" start;
      until {bin}/pg_controldata -D $data | grep -q 'in production'; do sleep 0.05; done;
      touch {run}/bare-done
  - command: "{bin}/pg_ctl -D {data}-bare -m immediate stop && rm -rf {data}-bare {data}-bare-spaces"
"#;

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("restore.yaml");
    fs::write(&file, scenario()).expect("it can be written");
    let runtime = std::env::var("RUNTIME").unwrap_or_else(|_| "local".into());
    let reports = dir.path().join("reports");
    let status = Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .args(["run", "--runtime", &runtime, "--reports"])
        .args([&reports, &file])
        .status()
        .expect("it can be started");
    println!("the drill ended with {status}");
    tell(&steps(&reports.join("latest")));
}

fn scenario() -> String {
    let size = std::env::var("SIZE").unwrap_or_else(|_| "1GB".into());
    let pair =
        |number| format!("  - restore: {{ into: scratch-{number}, target: latest }}\n{BARE}");
    let pairs: String = (1..=PAIRS).map(pair).collect();
    SCENARIO.replace("SIZE", &size) + &pairs
}

/// What each step took from its first file on, in seconds: of a restore without making the node.
fn steps(run: &Path) -> Vec<f64> {
    let drills = fs::read_dir(run.join("drills")).expect("a drill");
    let drill = drills.flatten().next().expect("a drill").path();
    let history = fs::File::open(drill.join("history.jsonl")).expect("a history");
    let (mut began, mut took) = (0.0, Vec::new());
    for line in BufReader::new(history).lines() {
        let event: Value = serde_json::from_str(&line.expect("a line")).expect("an event");
        let at = event["at_us"].as_f64().unwrap_or_default() / 1e6;
        let kind = &event["kind"];
        if kind["step_began"].is_object() || kind["phase_began"]["phase"] == "fetch" {
            began = at;
        } else if kind["step_ended"].is_object() {
            took.push(at - began);
        }
    }
    took
}

fn tell(steps: &[f64]) {
    let mut ratios = Vec::new();
    for pair in steps[1..].chunks(3) {
        println!("restore in the drill {:.2}s, bare {:.2}s", pair[0], pair[1]);
        ratios.push(pair[0] / pair[1]);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "ratio min {:.2}, median {:.2}, max {:.2}",
        ratios[0],
        ratios[PAIRS / 2],
        ratios[PAIRS - 1]
    );
}
