//! Changes planted in a restored server, one at a time: every one must be seen and named.
//!
//! No drill around each: one server, looked at, changed, looked at again by the probes of
//! every drill and judged by its checks, then put back as it was. `PGDRILL_PLANTED=all`
//! plants every change (`ci/nightly`), else a sample of them is planted.

mod changes;
mod cluster;
#[path = "../server/mod.rs"]
mod server;
#[path = "../../src/check/testing/mod.rs"]
mod testing;

use changes::Change;
use cluster::{Cluster, Told};
use pgdrill::report::terminal::say;

/// Every so many changes one is planted.
const SAMPLE: usize = 12;

/// What is not seen, and why that is right: the statement, a tab, the reason.
const UNSEEN: &str = include_str!("unseen.txt");

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_change_is_seen_and_named() {
    let Some(cluster) = Cluster::open().await else {
        return;
    };
    assert_eq!(cluster.unchanged().await, Vec::<String>::new());
    let changes = chosen(cluster.changes().await);
    let (mut planted, mut seen, mut wrong) = (0, 0, Vec::new());
    for change in &changes {
        let told = cluster.plant(change).await;
        planted += usize::from(!matches!(told, Told::Refused(_)));
        seen += usize::from(matches!(told, Told::Seen(_)));
        let line = format!("{change} -> {told}");
        say(&line);
        if !matches!(told, Told::Seen(_)) && reason(change).is_none() {
            wrong.push(line);
        }
    }
    say(&format!("{seen} seen / {planted} planted"));
    cluster.bench.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn chosen(all: Vec<Change>) -> Vec<Change> {
    let step = match std::env::var("PGDRILL_PLANTED") {
        Ok(which) if which == "all" => 1,
        _ => SAMPLE,
    };
    all.into_iter().step_by(step).collect()
}

/// Why a change need not be seen.
fn reason(change: &Change) -> Option<&'static str> {
    let mut known = UNSEEN.lines().filter_map(|line| line.split_once('\t'));
    known
        .find(|(sql, _)| change.sql.contains(sql))
        .map(|(_, why)| why)
}
