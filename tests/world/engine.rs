//! Engines that lack something, go away or fall silent, and where they are found.

use std::{
    io::{BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{sync::MutexGuard, task::spawn_blocking};

use crate::{
    ALONE, Local, STRATEGY, assert_told,
    cli::{has_engine, has_postgres, left_in, pgdrill, read_until, told, told_until},
    of_run_in_engine,
    proxy::Engine,
    scenario,
};

/// A run of the short drill on this engine.
fn run(local: &Local, engine: &Engine, more: &[&str]) -> Command {
    let file = scenario(local.reports.path(), STRATEGY, "");
    let mut command = local.command(&file, more);
    command.env("DOCKER_HOST", engine.host());
    command
}

async fn output(mut command: Command) -> Output {
    let ended = spawn_blocking(move || command.output().unwrap());
    ended.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_missing_and_cannot_be_made_is_told() {
    let engine = Engine::without_images();
    let local = Local::new();
    for (more, further) in [
        (&["--runtime=docker"][..], "docker"),
        (
            &["--pg-bin=/nowhere"],
            "local: `/nowhere` can't be drilled with",
        ),
    ] {
        let output = output(run(&local, &engine, &[&["--postgres=17"], more].concat())).await;
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let cause = "no space left on device";
        assert_told(
            &told,
            &["error: ", "the image `pgdrill-server:17-", cause, further],
        );
        local.left_nothing();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_engine_has_no_image_auto_takes_this_machine() {
    if !has_postgres() {
        return;
    }
    let engine = Engine::without_images();
    let local = Local::new();
    let output = output(run(&local, &engine, &[])).await;
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_told(
        &told,
        &["runtime local: ", "(not docker: ", "pgdrill-server:"],
    );
    local.left_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_never_answers_does_not_serve() {
    let engine = Engine::silent();
    let local = Local::new();
    let output = output(run(&local, &engine, &["--runtime=docker"])).await;
    let told = told(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    let host = engine.host();
    let all = [
        "error: no container engine answers",
        &host,
        "no answer within 5 s",
        "hint: ",
    ];
    assert_told(&told, &all);
    local.left_nothing();
}

/// A run on an engine, up to its second step.
struct Drilling {
    child: Child,
    rest: BufReader<ChildStderr>,
}

impl Drilling {
    async fn begin(local: &Local, engine: &Engine) -> Self {
        let mut command = run(local, engine, &["--runtime=docker"]);
        let begun = spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let rest = told_until(&mut child, " 2/");
            Self { child, rest }
        });
        begun.await.unwrap()
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).unwrap();
    }

    /// Waits until it tells this.
    async fn tells(mut self, mark: &'static str) -> Self {
        let told = spawn_blocking(move || {
            read_until(&mut self.rest, mark);
            self
        });
        told.await.unwrap()
    }

    /// Its end, and what it told from the second step on.
    async fn end(mut self) -> (ExitStatus, String) {
        let ended = spawn_blocking(move || {
            let mut told = String::new();
            self.rest.read_to_string(&mut told).unwrap();
            (self.child.wait().unwrap(), told)
        });
        ended.await.unwrap()
    }
}

/// A run behind an engine's proxy, alone in the engine; none without an engine.
async fn drilling() -> Option<(MutexGuard<'static, ()>, Local, Engine, Drilling)> {
    if !has_engine() {
        return None;
    }
    let alone = ALONE.lock().await;
    let (local, engine) = (Local::new(), Engine::behind_proxy());
    let drilling = Drilling::begin(&local, &engine).await;
    Some((alone, local, engine, drilling))
}

/// The run was unknown, what it could not remove is in the engine, and `clean` removes it.
fn unknown_and_cleaned(local: &Local, (status, told): (ExitStatus, String)) {
    assert_eq!(status.code(), Some(2), "{told}");
    assert_told(
        &told,
        &["the container engine stopped answering", "pgdrill clean"],
    );
    let reports = local.reports.path();
    let dir = run_of(local);
    let run = std::fs::read_to_string(reports.join(&dir).join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["drills"][0]["judged"]["verdict"], "unknown", "{told}");
    cleaned(local, &dir);
}

/// The name of the run.
fn run_of(local: &Local) -> String {
    let mut dirs = left_in(local.reports.path()).into_iter();
    dirs.find(|name| name.contains("Z-")).unwrap()
}

/// What a run could not remove is in the engine, and `clean` removes it.
fn cleaned(local: &Local, dir: &str) {
    assert_ne!(of_run_in_engine(dir), "", "nobody could remove it");
    let place = local.reports.path().display().to_string();
    let mut clean = pgdrill(&["clean", "--reports", &place], local.tmp.path());
    let cleaned = clean.output().unwrap();
    assert_eq!(
        cleaned.status.code(),
        Some(0),
        "{}",
        crate::cli::told(&cleaned)
    );
    assert_eq!(of_run_in_engine(dir), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_ends_the_run_as_unknown_and_clean_removes_the_rest() {
    let Some((_alone, local, engine, drilling)) = drilling().await else {
        return;
    };
    engine.stop().await;
    unknown_and_cleaned(&local, drilling.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_ends_the_run_as_unknown_and_clean_removes_the_rest() {
    let Some((_alone, local, engine, drilling)) = drilling().await else {
        return;
    };
    engine.hang();
    let ended = drilling.end().await;
    assert_told(&ended.1, &["no answer within 5 s"]);
    unknown_and_cleaned(&local, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_run_whose_engine_hangs() {
    let Some((_alone, local, engine, drilling)) = drilling().await else {
        return;
    };
    engine.hang();
    drilling.interrupt();
    let ended = drilling.end().await;
    assert_told(
        &ended.1,
        &["ended early: cancelled", "no answer within 5 s"],
    );
    unknown_and_cleaned(&local, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_ends_a_run_at_once_and_clean_removes_the_rest() {
    let Some((_alone, local, engine, drilling)) = drilling().await else {
        return;
    };
    engine.hang();
    drilling.interrupt();
    let drilling = drilling.tells("cancelled: ").await;
    drilling.interrupt();
    let (status, told) = drilling.end().await;
    assert_eq!(status.code(), Some(130), "{told}");
    assert_told(&told, &["stopped at once", "pgdrill clean"]);
    cleaned(&local, &run_of(&local));
}

/// A configuration of docker in which a context leads to this engine, as docker writes it.
fn write_context(config: &Path, engine: &Engine) {
    let endpoint = format!("host={}", engine.host());
    for arguments in [
        &["create", "drills", "--docker", &endpoint][..],
        &["use", "drills"],
    ] {
        let mut docker = Command::new("docker");
        docker.arg("context").args(arguments);
        docker
            .env_remove("DOCKER_HOST")
            .env("DOCKER_CONFIG", config);
        assert!(docker.output().unwrap().status.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_of_dockers_context_is_taken() {
    if !has_engine() {
        return;
    }
    let _alone = ALONE.lock().await;
    let (local, engine) = (Local::new(), Engine::behind_proxy());
    let config = local.reports.path().join("docker");
    write_context(&config, &engine);
    let in_context = |mut command: Command, context: &str| {
        command.env_remove("DOCKER_HOST");
        command.env("DOCKER_CONFIG", &config);
        command.env("DOCKER_CONTEXT", context);
        output(command)
    };
    let host = engine.host();
    let doctor = || {
        let mut command = pgdrill(&["doctor"], local.tmp.path());
        command.stdout(Stdio::piped());
        command
    };
    let examined = told(&in_context(doctor(), "").await);
    assert_told(&examined, &["engine ", &host]);

    let drilled = in_context(run(&local, &engine, &["--runtime=docker"]), "drills").await;
    let drilled_told = told(&drilled);
    assert_eq!(drilled.status.code(), Some(0), "{drilled_told}");
    assert_told(&drilled_told, &["runtime docker: ", &host]);

    let nowhere = told(&in_context(doctor(), "nowhere").await);
    let config = config.display().to_string();
    assert_told(&nowhere, &["context `nowhere`", &config, "hint: "]);
}
