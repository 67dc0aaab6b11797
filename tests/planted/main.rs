//! Changes planted in a restored server, one at a time: every one must be seen and named.
//!
//! No drill around each: one server, looked at, changed, looked at again by the probes of
//! every drill and judged by its checks, then put back as it was. `PGDRILL_PLANTED=all`
//! plants every change (`ci/nightly`), `fields` those of each field of each catalog as it is, another
//! text those that have it in them; without it a sample is planted.

mod changes;
mod clients;
mod cluster;
mod rows;
#[path = "../server/mod.rs"]
mod server;
mod story;
#[path = "../../src/check/testing/mod.rs"]
mod testing;
mod told;

use changes::Change;
use cluster::Cluster;
use pgdrill::report::terminal::say;
use told::Told;

/// Every so many changes one is planted.
const SAMPLE: usize = 20;

/// What is not seen, or not by name, and why that is right: what the statement has in it, a
/// tab, the reason.
const UNSEEN: &str = include_str!("unseen.txt");

/// What the catalog's probe leaves out, with why.
const CATALOG: &str = include_str!("../../src/probe/catalog.sql");

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_change_is_seen_and_named() {
    let Some(cluster) = Cluster::open().await else {
        return;
    };
    assert_eq!(cluster.unchanged().await, Vec::<String>::new());
    let changes = cluster.changes().await;
    let (mut planted, mut seen, mut wrong) = (0, 0, Vec::new());
    for change in &changes {
        let told = cluster.plant(change).await;
        let line = format!("{change} -> {told}");
        say(&line);
        let refused = matches!(told, Told::Refused(_));
        planted += usize::from(!refused);
        seen += usize::from(!refused && is_seen(change, &told));
        match reason(change) {
            _ if is_seen(change, &told) => {}
            Some(why) => say(&format!("  {why}")),
            None => wrong.push(line),
        }
    }
    say(&format!("{seen} seen / {planted} planted"));
    cluster.bench.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A server whose catalogs can't be read any more is no pass, and nothing can be named; nor does a
/// change of a field as it is say whose it is. A change that a server refuses is none, but the list
/// must not hold one that every server refuses.
fn is_seen(change: &Change, told: &Told) -> bool {
    match told {
        Told::Seen(_) => true,
        Told::Open(_) | Told::Unnamed(_) => change.is_field(),
        Told::Refused(_) => change.is_generated(),
        Told::Unseen => false,
    }
}

/// Those to plant of all there are.
fn chosen(written: Vec<Change>) -> Vec<Change> {
    match std::env::var("PGDRILL_PLANTED").as_deref() {
        Err(_) => written.into_iter().step_by(SAMPLE).collect(),
        Ok("all") => written,
        Ok(part) => written
            .into_iter()
            .filter(|one| one.to_string().contains(part))
            .collect(),
    }
}

/// Why a change need not be seen.
fn reason(change: &Change) -> Option<&'static str> {
    let mut known = UNSEEN.lines().filter_map(|line| line.split_once('\t'));
    known
        .find(|(sql, _)| change.to_string().contains(sql))
        .map(|(_, why)| why)
        .or_else(|| left_out(change))
}

/// Why nobody looks at a field: the product's own list.
fn left_out(change: &Change) -> Option<&'static str> {
    let sql = change.to_string();
    let (_, field) = sql.split_once(" t SET ").filter(|_| change.is_field())?;
    let (field, _) = field.split_once(' ')?;
    let (_, why) = CATALOG.split_once(&format!("('{field}', '"))?;
    why.split_once("')").map(|(why, _)| why)
}
