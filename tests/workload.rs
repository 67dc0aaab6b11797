//! Data model and workloads against a real server of this machine.

#[path = "workload/model.rs"]
mod model;
mod support;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use pgdrill::{
    event::EventKind,
    history::Recorder,
    ledger::{Key, Outcome, Reader, Record},
    model::Model,
    postgres::Access,
    scenario::{
        model::Expectation,
        plan::{PRIMARY, Plan, WorkloadPlan},
    },
    secret::Secret,
    units::{Bytes, Rate},
    workload::{Workloads, create_own_tables, readback},
};
use support::{
    Server,
    plan::{inserting, plan, workload},
};
use tokio_postgres::SimpleQueryMessage;

const SIZE: u64 = 20_000_000;
/// The smallest `size` of a scenario.
const SMALLEST: u64 = 10_000_000;
const NONCE: u64 = 0x0123_4567_89ab_cdef;

const NOTES: &str = "CREATE TABLE public.notes (id text PRIMARY KEY, body text); \
                     GRANT INSERT ON public.notes TO note_taker";

fn notes(rate: f64) -> WorkloadPlan {
    let sql = "INSERT INTO public.notes (id, body) VALUES ($1, $2)";
    let rate = Rate::PerSecond(rate);
    WorkloadPlan {
        create: Some(NOTES.into()),
        ..inserting(
            "notes",
            "note_taker",
            "public.notes(id, body)",
            sql,
            1,
            rate,
        )
    }
}

/// What is said of a custom workload whose table is made by this.
async fn refusal(server: &Server, create: &str) -> String {
    let client = server.access().connect("test").await.unwrap();
    let drop = "DROP TABLE IF EXISTS public.notes";
    client.batch_execute(drop).await.unwrap();
    let notes = WorkloadPlan {
        create: Some(create.into()),
        ..notes(1.0)
    };
    let made = create_own_tables(&plan(SIZE, vec![notes]), PRIMARY, &server.access()).await;
    made.err().map_or(String::new(), |error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_the_ledger_cannot_be_held_against_is_refused() {
    let Some(server) = Server::start("fsync = off") else {
        return;
    };
    let said = [
        (
            "CREATE TABLE public.notes (id text,\n body txt)",
            "`create` failed at line 2, column 7: ERROR: type \"txt\" does not exist (42704)",
        ),
        (
            "CREATE TABLE public.notes (id text, body text); DROP TABLE nothing",
            "`create` failed at statement 2: ERROR: table \"nothing\" does not exist (42P01)",
        ),
        (
            "BEGIN; CREATE TABLE public.notes (id text, body text)",
            "`SELECT id, body FROM public.notes`: ERROR: relation \"public.notes\" does not exist (42P01)",
        ),
        (
            "CREATE TABLE public.notes (nr text, body text)",
            "`SELECT id, body FROM public.notes`: ERROR: column \"id\" does not exist (42703)",
        ),
        (
            "CREATE TABLE public.notes (id bigint, body text)",
            "the key `id` of public.notes is of type int8 (hint: it must be uuid or text)",
        ),
        (
            "CREATE TABLE public.notes (id uuid, body jsonb)",
            "the payload `body` of public.notes is of type jsonb (hint: it must be text)",
        ),
        (
            "CREATE TABLE public.notes AS VALUES ('1', 'x'), (NULL, 'y');\n\
             ALTER TABLE public.notes RENAME column1 TO id; ALTER TABLE public.notes RENAME column2 TO body",
            "the key `id` is not NULL in 1 of the rows that public.notes has before any client \
             began (hint: leave it NULL: it tells the clients' rows)",
        ),
        ("CREATE TABLE public.notes (id varchar, body varchar)", ""),
    ];
    for (create, cause) in said {
        let whole = match cause {
            "" => String::new(),
            cause => format!("workload `notes`: {cause}"),
        };
        assert_eq!(refusal(&server, create).await, whole);
    }
}

/// A drill's worth of server, data, plan and passwords.
struct Bench {
    server: Server,
    plan: Plan,
    passwords: BTreeMap<String, Secret>,
    recorder: Recorder,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Option<Self> {
        let server = Server::start("")?;
        let recorder = Recorder::in_memory();
        let mut passwords = server.load(SIZE, &recorder).await;
        let client = server.access().connect("test").await.unwrap();
        let sql = "CREATE ROLE note_taker LOGIN PASSWORD 'note'";
        client.batch_execute(sql).await.unwrap();
        passwords.insert("note_taker".into(), Secret::new("note"));
        let workloads = vec![
            workload("agent", 4, Rate::PerSecond(200.0)),
            notes(20.0),
            workload("oa", 2, Rate::PerSecond(60.0)),
        ];
        let plan = plan(SIZE, workloads);
        create_own_tables(&plan, PRIMARY, &server.access())
            .await
            .unwrap();
        Some(Self {
            server,
            plan,
            passwords,
            recorder,
            dir: tempfile::tempdir().unwrap(),
        })
    }

    fn start(&self) -> Workloads {
        let ledger = self.dir.path().join("ledger");
        let access = self.server.access();
        Workloads::start(
            &self.plan,
            |_| access.clone(),
            &self.passwords,
            &self.recorder,
            &ledger,
            NONCE,
        )
        .unwrap()
    }

    /// Reads back and holds the ledger against it.
    async fn judge(&self) -> Judgement {
        let file = self.dir.path().join("readback");
        let rows = readback::read(&self.server.access(), PRIMARY, &self.plan, NONCE, &file).await;
        let present = read(&file);
        assert_eq!(rows.unwrap(), present.len() as u64);
        Judgement::of(&read(&self.dir.path().join("ledger")), &present)
    }
}

fn read(file: &Path) -> Vec<Record> {
    let mut reader = Reader::open(file).unwrap();
    let records = reader.by_ref().collect();
    assert!(!reader.torn());
    records
}

/// What the ledger says of the rows that are there.
#[derive(Debug, Default, PartialEq)]
struct Judgement {
    lost: u64,
    damaged: u64,
    resurrected: u64,
    unexpected: u64,
}

impl Judgement {
    fn of(ledger: &[Record], present: &[Record]) -> Self {
        let mut judged = Self::default();
        let tried: HashMap<(Key, u32), &Record> =
            ledger.iter().map(|r| ((r.key, r.version), r)).collect();
        let found: HashMap<Key, u32> = present.iter().map(|r| (r.key, r.version)).collect();
        for row in present {
            match tried.get(&(row.key, row.version)) {
                None => judged.unexpected += 1,
                Some(r) if r.outcome == Outcome::Fail => judged.resurrected += 1,
                Some(r) if r.digest != row.digest || r.tenant != row.tenant => judged.damaged += 1,
                Some(_) => {}
            }
        }
        let erasures = ledger.iter().filter(|r| r.deletes());
        let erased: HashSet<Key> = erasures
            .filter(|r| r.outcome != Outcome::Fail)
            .map(|r| r.key)
            .collect();
        let acknowledged = ledger.iter().filter(|r| r.outcome == Outcome::Ok);
        for record in acknowledged.filter(|r| r.key != Key::NONE) {
            let there = found.get(&record.key);
            let lost = there.map_or(!erased.contains(&record.key), |v| *v < record.version);
            judged.lost += u64::from(lost && !record.deletes());
            judged.resurrected += u64::from(there.is_some() && record.deletes());
        }
        judged
    }
}

/// Waits until so many more transactions were acknowledged.
async fn acknowledged(workloads: &Workloads, more: u64) {
    let wanted = workloads.acknowledged() + more;
    let deadline = Instant::now() + Duration::from_secs(30);
    while workloads.acknowledged() < wanted {
        let now = workloads.acknowledged();
        assert!(Instant::now() < deadline, "{now} of {wanted} acknowledged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Writes of a workload that were acknowledged within a time.
fn written(ledger: &[Record], workload: u8, within_us: Range<u64>) -> usize {
    let own = ledger.iter().filter(|r| r.workload == workload);
    let written = own.filter(|r| r.outcome == Outcome::Ok && r.key != Key::NONE);
    let acked = written.filter(|r| within_us.contains(&r.acked_us));
    acked.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_is_read_back_as_written_and_a_strange_one_too() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let workloads = bench.start();
    acknowledged(&workloads, 1500).await;
    let summaries = workloads.stop().await.unwrap();
    for summary in &summaries {
        assert_eq!((summary.fail, summary.info), (0, 0), "{summary:?}");
        assert!(summary.ok > 0 && summary.p50_us <= summary.p99_us);
    }
    let strange = "INSERT INTO public.notes (id, body) VALUES ('A-1017', 'by telephone')";
    let client = bench.server.access().connect("test").await.unwrap();
    client.batch_execute(strange).await.unwrap();
    let expected = Judgement {
        unexpected: 1,
        ..Judgement::default()
    };
    assert_eq!(bench.judge().await, expected);
    let ledger = read(&bench.dir.path().join("ledger"));
    let updates = ledger.iter().filter(|r| r.version > 0 && !r.deletes());
    let updates = updates.count();
    assert!(updates > 20, "{updates} updates");
    let erased: HashSet<u8> = ledger
        .iter()
        .filter(|r| r.deletes())
        .map(|r| r.workload)
        .collect();
    assert_eq!(erased, HashSet::from([0, 2]), "agent and OA erase rows");
    assert!((0..3).all(|workload| written(&ledger, workload, 0..u64::MAX) > 0));
    let writes = ledger.iter().filter(|r| r.key != Key::NONE);
    assert!(writes.clone().all(|r| r.lsn > 0));
    let windows = bench.recorder.events().into_iter();
    let windows = windows.filter(|e| matches!(e.kind, EventKind::Throughput(_)));
    assert!(windows.count() >= 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_live_through_a_crash_and_nothing_acknowledged_is_lost() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let workloads = bench.start();
    acknowledged(&workloads, 300).await;
    bench.server.down("immediate");
    tokio::time::sleep(Duration::from_millis(6500)).await;
    bench.server.up();
    acknowledged(&workloads, 500).await;
    let summaries = workloads.stop().await.unwrap();
    let agent = &summaries[0];
    assert!(agent.fail > 100, "patience ended for some: {agent:?}");
    assert!(
        agent.errors.keys().any(|e| e.starts_with("given up")),
        "{agent:?}"
    );
    assert!(agent.max_us < 8_000_000, "{agent:?}");
    assert_eq!(bench.judge().await, Judgement::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_business_fails_and_comes_back() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let client = bench.server.access().connect("test").await.unwrap();
    let workloads = bench.start();
    acknowledged(&workloads, 300).await;
    let freeze = "REVOKE oa_writers FROM oa_app_user";
    client.batch_execute(freeze).await.unwrap();
    let frozen_us = bench.recorder.now_us();
    acknowledged(&workloads, 400).await;
    let thawed_us = bench.recorder.now_us();
    let thaw = "GRANT oa_writers TO oa_app_user";
    client.batch_execute(thaw).await.unwrap();
    acknowledged(&workloads, 400).await;
    let summaries = workloads.stop().await.unwrap();
    let ledger = read(&bench.dir.path().join("ledger"));
    assert_eq!(written(&ledger, 2, frozen_us + 200_000..thawed_us), 0);
    assert!(written(&ledger, 2, thawed_us..u64::MAX) > 0);
    let oa = &summaries[2];
    assert!(oa.errors.keys().all(|e| e.starts_with("42501")), "{oa:?}");
    assert!(oa.fail > 0 && oa.info == 0, "{oa:?}");
    assert_eq!((summaries[0].fail, summaries[0].info), (0, 0));
    assert_eq!(bench.judge().await, Judgement::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_too_long_for_a_lock_is_refused_and_not_in_doubt() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let client = bench.server.access().connect("test").await.unwrap();
    let workloads = bench.start();
    acknowledged(&workloads, 100).await;
    let lock = "BEGIN; LOCK TABLE public.notes";
    client.batch_execute(lock).await.unwrap();
    // One statement runs into its time-out, the next ones' patience ends.
    let locked_us = bench.recorder.now_us();
    tokio::time::sleep(Duration::from_millis(6000)).await;
    let unlocked_us = bench.recorder.now_us();
    client.batch_execute("ROLLBACK").await.unwrap();
    acknowledged(&workloads, 300).await;
    let summaries = workloads.stop().await.unwrap();
    let ledger = read(&bench.dir.path().join("ledger"));
    assert!(written(&ledger, 1, locked_us..unlocked_us) <= 1);
    let notes = &summaries[1];
    let said = |text: &str| notes.errors.keys().any(|e| e.starts_with(text));
    assert!(said("57014") && said("given up"), "{notes:?}");
    assert_eq!(notes.info, 0, "{notes:?}");
    assert_eq!(bench.judge().await, Judgement::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_follow_the_endpoint() {
    let (Some(bench), Some(other)) = (Bench::new().await, Bench::new().await) else {
        return;
    };
    let mut workloads_plan = bench.plan.clone();
    workloads_plan.workloads.retain(|name, _| name == "notes");
    let plan = Plan {
        workloads: workloads_plan.workloads,
        ..bench.plan.clone()
    };
    let (recorder, ledger) = (&bench.recorder, bench.dir.path().join("ledger"));
    let started = Workloads::start(
        &plan,
        |_| bench.server.access(),
        &bench.passwords,
        recorder,
        &ledger,
        NONCE,
    );
    let workloads = started.unwrap();
    acknowledged(&workloads, 20).await;
    workloads.move_to("notes", &other.server.access());
    acknowledged(&workloads, 20).await;
    let summaries = workloads.stop().await.unwrap();
    assert!(summaries[0].info <= 1, "{summaries:?}");
    let rows = |server: &Server| {
        let counted = server.tool("psql", &["-qAt", "-c", "SELECT count(*) FROM notes"]);
        let text = String::from_utf8(counted.stdout).unwrap();
        text.trim().parse::<u64>().unwrap()
    };
    let (here, there) = (rows(&bench.server), rows(&other.server));
    assert!(here >= 20 && there >= 20, "{here} {there}");
}
