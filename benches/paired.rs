//! A tool in a drill against the bare tool: the same backup taken or restored by a drill and by hand, in the
//! same drill, one after the other, as ratios.
//!
//! `cargo bench --bench paired` (`TOOL=pg-dump`, `TOOL=incremental`; pgbackrest by default). Needs Debian's
//! postgresql and pgbackrest; `RUNTIME=docker` a container engine and its images. `SIZE` (1GB) is how much
//! data there is.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
};

use serde_json::Value;

const PAIRS: usize = 5;

/// What is compared.
struct Paired {
    tool: &'static str,
    /// A scenario up to the first pair, and the steps of each.
    scenario: &'static str,
    pair: &'static str,
    /// What is timed: the drill's step of a pair, and the one by hand.
    timed: &'static [(&'static str, usize, usize)],
}

const PAIRED: [Paired; 3] = [
    Paired {
        tool: "pgbackrest",
        scenario: include_str!("paired/pgbackrest.yaml"),
        pair: include_str!("paired/pgbackrest.pair.yaml"),
        timed: &[("restore", 0, 1)],
    },
    Paired {
        tool: "pg-dump",
        scenario: include_str!("paired/pg-dump.yaml"),
        pair: include_str!("paired/pg-dump.pair.yaml"),
        timed: &[("dump", 0, 1), ("restore", 2, 4)],
    },
    Paired {
        tool: "incremental",
        scenario: include_str!("paired/incremental.yaml"),
        pair: include_str!("paired/incremental.pair.yaml"),
        timed: &[("restore", 1, 3)],
    },
];

fn stated(variable: &str, otherwise: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| otherwise.into())
}

fn main() {
    let tool = stated("TOOL", "pgbackrest");
    let paired = PAIRED.iter().find(|one| one.tool == tool);
    let paired = paired.unwrap_or_else(|| panic!("TOOL={tool} is none that is compared"));
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("paired.yaml");
    fs::write(&file, paired.text()).expect("it can be written");
    let reports = dir.path().join("reports");
    let status = Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .args(["run", "--runtime", &stated("RUNTIME", "local"), "--reports"])
        .args([&reports, &file])
        .status()
        .expect("it can be started");
    println!("the drill ended with {status}");
    let steps = steps(&reports.join("latest"));
    let before = steps.len() - PAIRS * paired.steps();
    for (what, in_drill, bare) in paired.timed {
        let pairs = steps[before..].chunks(paired.steps());
        tell(what, pairs.map(|pair| (pair[*in_drill], pair[*bare])));
    }
}

impl Paired {
    fn text(&self) -> String {
        let pair = |number: usize| self.pair.replace("PAIR", &number.to_string());
        let pairs: String = (1..=PAIRS).map(pair).collect();
        self.scenario.replace("SIZE", &stated("SIZE", "1GB")) + &pairs
    }

    fn steps(&self) -> usize {
        self.pair
            .lines()
            .filter(|line| line.starts_with("  - "))
            .count()
    }
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

fn tell(what: &str, pairs: impl Iterator<Item = (f64, f64)>) {
    let mut ratios = Vec::new();
    for (in_drill, bare) in pairs {
        println!("{what} in the drill {in_drill:.2}s, bare {bare:.2}s");
        ratios.push(in_drill / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{what}: ratio min {:.2}, median {:.2}, max {:.2}",
        ratios[0],
        ratios[PAIRS / 2],
        ratios[PAIRS - 1]
    );
}
