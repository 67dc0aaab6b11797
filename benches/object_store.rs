//! The embedded object store against a directory of this machine: a backup and a restore of a
//! gigabyte by pgBackRest, paired, as ratios; and the memory that it takes while ten pass through.
//!
//! `cargo bench --bench object_store`. Needs Debian's postgresql and pgbackrest. `PAIRS` (3) is how often
//! the two are compared, `GIGABYTES` (10) how many pass through.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use pgdrill::object_store::CA;
use support::{
    Server,
    object_store::{ObjectStore, SECRET},
};

const PGBACKREST: &str = "/usr/bin/pgbackrest";
/// Of a kilobyte each, of hexadecimal digits: compressed they are about half as long.
const FILL: &str =
    "create table filling as select number, (select string_agg(md5((number * 30 + part)::text), '')
    from generate_series(1, 30) part) from generate_series(1, 1000000) number";

fn main() {
    let Some(server) = Server::start("wal_level = replica\nmax_wal_size = 4GB") else {
        println!("no PostgreSQL on this machine: nothing to compare");
        return;
    };
    if !Path::new(PGBACKREST).exists() {
        println!("no pgBackRest on this machine: nothing to compare");
        return;
    }
    let store = ObjectStore::start();
    configure(&server, &store);
    server.tool("psql", &["-q", "-c", FILL, "-c", "checkpoint"]);
    pgbackrest(&server, &["stanza-create"]);
    let (mut backups, mut restores) = (Vec::new(), Vec::new());
    for pair in 0..stated("PAIRS", 3) {
        let [[kept, back], [kept_by_s3, back_by_s3]] = ["1", "2"].map(|repo| round(&server, repo));
        println!(
            "pair {pair}: backup {kept:.1?} and {kept_by_s3:.1?}, restore {back:.1?} and {back_by_s3:.1?}"
        );
        backups.push(kept_by_s3.as_secs_f64() / kept.as_secs_f64());
        restores.push(back_by_s3.as_secs_f64() / back.as_secs_f64());
    }
    tell("backup", backups);
    tell("restore", restores);
    let gigabytes = stated("GIGABYTES", 10);
    let before = store.peak_memory();
    for _ in 0..gigabytes {
        pass(&server);
    }
    println!(
        "memory at its peak: {before} before, {} after {gigabytes} GB in each direction",
        store.peak_memory()
    );
}

/// A full backup into a repository, and its restore into an empty directory.
fn round(server: &Server, repo: &str) -> [Duration; 2] {
    let repo = format!("--repo={repo}");
    let began = Instant::now();
    pgbackrest(server, &["backup", "--type=full", &repo]);
    let kept = began.elapsed();
    let into = server.directory("restored");
    let into = format!("--pg1-path={into}");
    let began = Instant::now();
    pgbackrest(server, &["restore", &repo, &into]);
    let back = began.elapsed();
    fs::remove_dir_all(server.path("restored")).expect("it can be removed");
    [kept, back]
}

/// A gigabyte there and back.
fn pass(server: &Server) {
    let config = server.path("pgbackrest.conf").display().to_string();
    let script = format!(
        "head -c 1G /dev/zero | {PGBACKREST} --config={config} --repo=2 repo-put passing &&
         test $({PGBACKREST} --config={config} --repo=2 repo-get passing | wc -c) = 1073741824"
    );
    server.tool("/bin/sh", &["-c", &script]);
}

fn pgbackrest(server: &Server, arguments: &[&str]) {
    let config = format!("--config={}", server.path("pgbackrest.conf").display());
    server.tool(
        PGBACKREST,
        &[&[config.as_str(), "--stanza=main"], arguments].concat(),
    );
}

/// Repository 1 is a directory, 2 the object store. WAL is archived nowhere: the files are what counts.
fn configure(server: &Server, store: &ObjectStore) {
    let port = server.access().port;
    let dir = server.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    let ca = server.path("ca.pem");
    fs::copy(store.state(CA), &ca).expect("it can be copied");
    server.own(&ca);
    let text = format!(
        "[global]\nstart-fast=y\narchive-check=n\nlog-path={dir}\nlock-path={dir}\nspool-path={dir}\n\
         log-level-file=off\nlog-level-console=warn\nrepo1-path={dir}/repository\nrepo1-retention-full=1\n\
         repo2-type=s3\nrepo2-path=/repository\nrepo2-s3-bucket=backups\nrepo2-s3-endpoint=localhost\n\
         repo2-storage-port={}\nrepo2-s3-region=us-east-1\nrepo2-s3-uri-style=path\nrepo2-s3-key=key\n\
         repo2-s3-key-secret={SECRET}\nrepo2-storage-ca-file={}\nrepo2-retention-full=1\n\
         [main]\npg1-path={dir}/data\npg1-port={port}\npg1-socket-path={dir}\npg1-user=postgres\n",
        store.port,
        ca.display(),
    );
    let file = server.path("pgbackrest.conf");
    fs::write(&file, text).expect("it can be written");
    server.own(&file);
}

/// A number of the environment.
fn stated(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn tell(what: &str, mut ratios: Vec<f64>) {
    ratios.sort_by(f64::total_cmp);
    let Some(max) = ratios.last() else {
        return;
    };
    println!(
        "{what}, object store to directory: ratio min {:.2}, median {:.2}, max {:.2}",
        ratios[0],
        ratios[ratios.len() / 2],
        max
    );
}
