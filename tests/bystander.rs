//! Never touch what pgdrill did not create: somebody else's server, of the very image that
//! drills use, lives through a killed run and the cleaning up after it.
//!
//! The bystander is a server that the test needs and pgdrill must not know of, so it comes
//! from `testcontainers`, not from pgdrill's own runtimes.

mod cli;

use std::{env::temp_dir, process::Stdio};

use testcontainers::{
    ContainerAsync, GenericImage, ImageExt,
    core::{ExecCommand, WaitFor},
    runners::AsyncRunner,
};

use cli::{pgdrill, told, told_until};

const SERVE: &str = "initdb -D /tmp/data -A trust >/dev/null && exec postgres -D /tmp/data";

/// The image that drills of PostgreSQL 17 use, if an engine has it: name and tag.
fn image() -> Option<(String, String)> {
    let mut list = pgdrill(&["images", "list"], &temp_dir());
    let listed = list.stdout(Stdio::piped()).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut words = listed.split_whitespace();
    let (name, tag) = words
        .find(|word| word.starts_with("pgdrill-server:17-"))?
        .split_once(':')?;
    Some((name.to_owned(), tag.to_owned()))
}

async fn ask(bystander: &ContainerAsync<GenericImage>, query: &str) -> String {
    let command = ExecCommand::new(["psql", "-XAt", "-d", "postgres", "-c", query]);
    let mut said = bystander.exec(command).await.unwrap();
    let answer = said.stdout_to_vec().await.unwrap();
    String::from_utf8(answer).unwrap().trim().to_owned()
}

/// Starts a drill in containers and kills it when its first step runs.
fn drill_and_die() {
    let reports = tempfile::tempdir().unwrap();
    let place = reports.path().display().to_string();
    let arguments = [
        "run",
        "oa-table-dropped",
        "--runtime=docker",
        "--postgres=17",
        "--reports",
        &place,
    ];
    let mut child = pgdrill(&arguments, &temp_dir()).spawn().unwrap();
    let _rest = told_until(&mut child, " 1/");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_pgdrill_did_not_create_is_left_alone() {
    let Some((name, tag)) = image() else { return };
    let bystander = GenericImage::new(name, tag)
        .with_wait_for(WaitFor::message_on_stderr(
            "database system is ready to accept connections",
        ))
        .with_cmd(["bash", "-c", SERVE])
        .start()
        .await
        .unwrap();
    ask(
        &bystander,
        "create table t as select generate_series(1, 100) id",
    )
    .await;
    let state = "select pg_postmaster_start_time(), count(*), sum(id) from t";
    let before = ask(&bystander, state).await;
    assert!(before.ends_with("|100|5050"), "{before}");

    tokio::task::spawn_blocking(drill_and_die).await.unwrap();
    let clean = pgdrill(&["clean"], &temp_dir()).output().unwrap();
    let told = told(&clean);
    assert_eq!(clean.status.code(), Some(0), "{told}");

    assert_eq!(ask(&bystander, state).await, before, "{told}");
}
