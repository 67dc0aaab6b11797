//! A server ready from nothing, against `docker run IMAGE true`: paired, as a ratio.
//!
//! `cargo bench --bench server`. Needs a container engine. Each pair is a container that
//! does nothing, and a node with a server that accepts connections, both removed
//! before the next pair; what is timed ends when the server answers.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use pgdrill::{
    history::Recorder,
    postgres::{Server, server::SUPERUSER},
    runtime::{Choice, NodeSpec, Runtime, Wanted, choose, run::Run, run::RunId},
    secret::Secret,
};

const PAIRS: usize = 15;
const MAJOR: u32 = 17;

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = Run::begin(RunId::new(), dir.path()).expect("a run");
    let wanted = Wanted {
        choice: Choice::Docker,
        versions: vec![(MAJOR, Vec::new())],
        ..Wanted::default()
    };
    let Ok((runtime, _)) = choose(&wanted, run, &|_| ()).await else {
        println!("no container engine answers: nothing to compare");
        return;
    };
    let image = runtime.image(MAJOR, &[]).await.expect("an image");
    let image = image.split('@').next().unwrap_or_default().to_owned();
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        let nothing = docker_run_true(&image);
        let ready = server_ready(&runtime, pair).await;
        ratios.push(ready.as_secs_f64() / nothing.as_secs_f64());
        println!(
            "pair {pair}: docker run true {nothing:.2?}, server ready {ready:.2?}, ratio {:.2}",
            ratios[pair]
        );
    }
    runtime.close().await;
    ratios.sort_by(f64::total_cmp);
    println!(
        "ratio min {:.2}, median {:.2}, max {:.2}",
        ratios[0],
        ratios[PAIRS / 2],
        ratios[PAIRS - 1]
    );
}

fn docker_run_true(image: &str) -> Duration {
    let began = Instant::now();
    let status = Command::new("docker")
        .args(["run", "--rm", image, "true"])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("docker can be started").success());
    began.elapsed()
}

async fn server_ready(runtime: &Runtime, pair: usize) -> Duration {
    let recorder = Recorder::in_memory();
    let drill = format!("bench-{pair}");
    let began = Instant::now();
    let spec = NodeSpec {
        drill: drill.clone(),
        name: "primary".into(),
        postgres: MAJOR,
        ..NodeSpec::default()
    };
    let node = runtime.create(&spec, &recorder).await.expect("a node");
    let passwords = Arc::new(BTreeMap::from([(SUPERUSER.to_owned(), Secret::random())]));
    let server = Server {
        database: "postgres".into(),
        name: "primary".into(),
        node,
        passwords,
        scratch: false,
        moved: BTreeMap::new(),
    };
    server.create(&BTreeMap::new()).await.expect("a server");
    server.connect().await.expect("an answer");
    let ready = began.elapsed();
    assert!(runtime.close_drill(&drill).await.is_empty());
    ready
}
