//! Hand-written histories for tests: a plan, its events, a ledger and a readback.
//!
//! Two tales are told whole: `salvage` (a table dropped, brought home through a scratch
//! server) and `lost_server` (everything lost, restored elsewhere, cut over). Tests bend
//! one thing in them and look at what turns red.
#![allow(dead_code, missing_docs, reason = "each test target uses another part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pgdrill::{
    event::*,
    history::files,
    ledger::{Key, Outcome, Record, Writer},
    measure::story::Story,
    observation::*,
    scenario::plan::*,
    units::{Bytes, Rate, Time},
    workload::readback,
};

#[path = "testing/tales.rs"]
mod tales;

pub use tales::{lost_server, oa_alone_moved, salvage};

pub const SECOND: u64 = 1_000_000;
/// Where the WAL stands at the fault.
pub const FAULT_LSN: u64 = 0x300_0000;

/// A drill that never happened.
#[derive(Clone, Debug)]
pub struct Tale {
    pub plan: Plan,
    pub events: Vec<Event>,
    pub ledger: Vec<Record>,
    pub readback: Vec<Record>,
}

pub fn seconds(text: &str) -> Time {
    text.parse().unwrap()
}

impl Tale {
    /// Adds an event.
    pub fn tell(&mut self, at_us: u64, kind: EventKind) {
        self.events.push(Event {
            seq: 0,
            at_us,
            kind,
        });
    }

    /// Puts the events in order of time and numbers them.
    pub fn in_order(mut self) -> Self {
        self.events.sort_by_key(|event| event.at_us);
        for (seq, event) in self.events.iter_mut().enumerate() {
            event.seq = seq as u64;
        }
        self
    }

    /// Bends every observation of a moment.
    pub fn bend(mut self, moment: Moment, bend: impl Fn(&mut Observation)) -> Self {
        for event in &mut self.events {
            if let EventKind::Observed {
                moment: at,
                observation,
                ..
            } = &mut event.kind
                && *at == moment
            {
                bend(observation);
            }
        }
        self
    }

    /// Leaves out events.
    pub fn without(mut self, gone: impl Fn(&EventKind) -> bool) -> Self {
        self.events.retain(|event| !gone(&event.kind));
        self.in_order()
    }

    /// Adds an event and puts it in order.
    pub fn with(mut self, at_us: u64, kind: EventKind) -> Self {
        self.tell(at_us, kind);
        self.in_order()
    }

    /// A step failed: everything after it is skipped and nothing is observed any more.
    pub fn failing_at(self, word: usize, why: &str) -> Self {
        let ended = |event: &Event| matches!(&event.kind, EventKind::StepEnded { step, .. } if *step == word);
        let at = self
            .events
            .iter()
            .find(|event| ended(event))
            .map_or(0, |event| event.at_us);
        let mut tale = self;
        tale.events.retain(|event| event.at_us < at);
        tale.tell(
            at,
            EventKind::StepEnded {
                step: word,
                outcome: StepOutcome::Failed(why.into()),
            },
        );
        tale.tell(
            at + SECOND,
            EventKind::DrillEnded {
                completed: false,
                reason: "a step failed".into(),
                leaked: vec![],
            },
        );
        tale.in_order()
    }

    /// Writes the drill's directory.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        let plan = serde_json::to_string_pretty(&self.plan).unwrap();
        std::fs::write(dir.join(files::PLAN), plan).unwrap();
        let lines = self
            .events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap() + "\n");
        std::fs::write(dir.join(files::HISTORY), lines.collect::<String>()).unwrap();
        write_records(&dir.join(files::LEDGER), &self.ledger);
        for server in self.read_back() {
            let here = |one: &&Record| self.server_of(one.workload) == server;
            let rows: Vec<Record> = self.readback.iter().filter(here).copied().collect();
            write_records(&dir.join(readback::file_name(server)), &rows);
        }
    }

    /// Servers whose rows were read back.
    fn read_back(&self) -> BTreeSet<&str> {
        let servers = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Observed {
                server,
                observation: Observation::Readback { .. },
                ..
            } => Some(server.as_str()),
            _other => None,
        });
        servers.collect()
    }

    fn server_of(&self, workload: u8) -> &str {
        let story = Story {
            plan: &self.plan,
            events: &self.events,
        };
        let name = self.plan.workloads.keys().nth(usize::from(workload));
        story.server_of(name.unwrap())
    }

    /// Judges it by way of its files.
    pub fn judge(&self) -> pgdrill::check::Judgement {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        pgdrill::check::judge(dir.path(), |_| vec!["app.cache".into()]).unwrap()
    }
}

fn write_records(path: &Path, records: &[Record]) {
    let mut writer = Writer::create(path).unwrap();
    for record in records {
        writer.append(record).unwrap();
    }
    writer.flush().unwrap();
}

/// `oa` is workload 1 and `agent` 0: the plan's map is sorted.
pub const AGENT: u8 = 0;
pub const OA: u8 = 1;

/// An acknowledged insert that was sent 2 ms before.
pub fn insert(workload: u8, number: u64, acked_us: u64, lsn: u64) -> Record {
    Record {
        key: Key::new(workload, 1, (number % 4) as u16, number),
        version: 0,
        outcome: Outcome::Ok,
        workload,
        tenant: (number % 3) as u32 + 1,
        digest: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        intended_us: acked_us.saturating_sub(3_000),
        sent_us: acked_us.saturating_sub(2_000),
        acked_us,
        lsn,
    }
}

fn plan(drill: &str, steps: Vec<(&str, Action)>) -> Plan {
    let workload = |name: &str, kind, rate| WorkloadPlan {
        name: name.into(),
        kind,
        clients: 4,
        rate: Rate::PerSecond(rate),
    };
    let oa = Objectives {
        rpo: Some(seconds("5m")),
        rto: Some(seconds("30m")),
        outage: None,
    };
    let agent = Objectives {
        rpo: Some(seconds("15m")),
        rto: Some(seconds("1h")),
        outage: None,
    };
    let step = |(line, (title, action)): (usize, (&str, Action))| Step {
        line: line + 10,
        title: title.into(),
        deadline: seconds("10m"),
        action,
    };
    Plan {
        scenario: drill.trim_end_matches("-pg17").into(),
        drill: drill.into(),
        about: "A hand-written tale.".into(),
        tags: vec!["quick".into(), "s0".into()],
        file: format!("scenarios/s0/{}.yaml", drill.trim_end_matches("-pg17")),
        postgres: 17,
        scale: 60,
        seed: 42,
        servers: BTreeMap::from([("primary".into(), ServerPlan::default())]),
        data: DataPlan {
            model: "dual-tenant".into(),
            size: Bytes(20_000_000),
        },
        workloads: BTreeMap::from([
            ("oa".into(), workload("oa", WorkloadKind::Oa, 20.0)),
            ("agent".into(), workload("agent", WorkloadKind::Agent, 20.0)),
        ]),
        strategy: strategy(),
        steps: steps.into_iter().enumerate().map(step).collect(),
        objectives: BTreeMap::from([("oa".into(), oa), ("agent".into(), agent)]),
        human: HumanSpans::default(),
        checks: pgdrill::scenario::plan::CheckKind::ALL.to_vec(),
        expect: Expect::default(),
        deadline: seconds("30m"),
    }
}

fn strategy() -> StrategyPlan {
    StrategyPlan {
        name: "base-and-wal".into(),
        settings: BTreeMap::from([("archive_timeout".into(), "60s".into())]),
        apply: Apply::Restart,
        archive: Archive::Safe,
        full: FullBackup::PgBasebackup(vec![]),
        tables: vec![],
        retention: Retention {
            full: seconds("30d"),
            wal: seconds("45d"),
            tables: seconds("90d"),
            rule: RetentionRule::Computed,
        },
        recovery: Recovery {
            signal: RecoverySignal::RecoverySignal,
            restore_command: "cp {archive}/%f %p".into(),
        },
    }
}

/// Everything in order on a server.
fn observations(timeline: u32) -> Vec<Observation> {
    let table = |rows: u64, digest: &str| TableState {
        rows,
        digest: digest.into(),
        live_rows: 7,
    };
    let tables = BTreeMap::from([
        ("app.cache".into(), table(5, "0c")),
        ("app.orders".into(), table(1000, "0a")),
        ("app.users".into(), table(200, "0b")),
    ]);
    let sequence = SequenceState {
        sequence: "app.orders_id_seq".into(),
        next: 1001,
        column: "app.orders.id".into(),
        max: Some(1000),
    };
    let business = |name: &str, expected: &str| BusinessResult {
        name: name.into(),
        role: "app_user".into(),
        expected: expected.into(),
        got: expected.into(),
    };
    let server = ServerState {
        timeline,
        version: 170_006,
        system_identifier: 7,
        checksum_failures: Some(0),
        archive_mode: "on".into(),
        archived: 3,
        settings: BTreeMap::from([("wal_level".into(), "replica".into())]),
        ..ServerState::default()
    };
    vec![
        Observation::Tables(tables),
        Observation::Privileges(vec![
            "app_user table app.users INSERT".into(),
            "app_user table app.users SELECT".into(),
        ]),
        Observation::Catalog(BTreeMap::from([(
            "table app.users".into(),
            "owner db_admin".into(),
        )])),
        Observation::Sequences(vec![sequence]),
        Observation::Business(vec![business("login", "rows"), business("peek", "42501")]),
        Observation::Server(server),
        Observation::Amcheck {
            exit: 0,
            messages: vec![],
        },
        Observation::LargeObjects {
            count: 8,
            digest: "0d".into(),
        },
        Observation::Performance(vec![QueryTiming {
            name: "inbox".into(),
            runs: 20,
            p50_us: 900,
            p95_us: 2_000,
        }]),
    ]
}

fn archive(timeline: u32) -> Observation {
    let name = |timeline: u32, segment: u64| format!("{timeline:08X}{:08X}{segment:08X}", 0);
    let mut segments: Vec<String> = (1..=3).map(|segment| name(1, segment)).collect();
    if timeline > 1 {
        segments.push(name(timeline, 4));
    }
    Observation::Archive {
        segments,
        odd: vec![],
    }
}

impl Tale {
    fn observe(&mut self, at_us: u64, moment: Moment, server: &str, timeline: u32) {
        let mut all = observations(timeline);
        if moment == Moment::After {
            all.push(Observation::Readback {
                file: readback::file_name(server),
                rows: 0,
            });
            all.push(archive(timeline));
        }
        for observation in all {
            let server = server.to_owned();
            self.tell(
                at_us,
                EventKind::Observed {
                    moment,
                    server,
                    took_us: 1000,
                    observation,
                },
            );
        }
    }

    /// Tells the steps: each begins where the one before ended.
    fn perform(&mut self, ends: &[u64]) {
        let mut began = 2 * SECOND;
        for (step, ended) in ends.iter().enumerate() {
            let title = self.plan.steps[step].title.clone();
            self.tell(began, EventKind::StepBegan { step, title });
            self.tell(
                *ended,
                EventKind::StepEnded {
                    step,
                    outcome: StepOutcome::Done,
                },
            );
            began = *ended;
        }
    }

    fn frame(&mut self, end_us: u64) {
        let started = EventKind::DrillStarted {
            scenario: self.plan.scenario.clone(),
            drill: self.plan.drill.clone(),
            wall: "2026-03-01T02:00:00Z".into(),
            pgdrill: "0.1.0".into(),
        };
        self.tell(0, started);
        let environment = EventKind::Environment {
            runtime: "docker".into(),
            postgres: 17,
            image: "pgdrill-server:17-0123456789ab".into(),
            versions: BTreeMap::from([("postgres".into(), "17.6".into())]),
        };
        self.tell(1, environment);
        self.tell(
            2,
            EventKind::PhaseBegan {
                phase: Phase::Steady,
            },
        );
        let loaded = EventKind::DataLoaded {
            bytes: 20_400_000,
            wanted: 20_000_000,
            rows: 41_000,
            took_us: SECOND,
        };
        self.tell(SECOND, loaded);
        self.tell(
            end_us,
            EventKind::DrillEnded {
                completed: true,
                reason: String::new(),
                leaked: vec![],
            },
        );
    }

    /// One summary and one second of throughput after the other, as the ledger has them.
    fn tell_traffic(&mut self, end_us: u64) {
        let names: Vec<String> = self.plan.workloads.keys().cloned().collect();
        for (index, name) in names.iter().enumerate() {
            let mine: Vec<Record> = self
                .ledger
                .iter()
                .filter(|one| usize::from(one.workload) == index)
                .copied()
                .collect();
            for from_us in (2 * SECOND..end_us).step_by(SECOND as usize) {
                let within = |one: &&Record| (from_us..from_us + SECOND).contains(&one.acked_us);
                let count = |outcome| {
                    mine.iter()
                        .filter(within)
                        .filter(|one| one.outcome == outcome)
                        .count() as u64
                };
                let second = Throughput {
                    workload: name.clone(),
                    from_us,
                    ok: count(Outcome::Ok),
                    fail: count(Outcome::Fail),
                    info: count(Outcome::Info),
                    p95_us: 3_000,
                };
                self.tell(from_us + SECOND, EventKind::Throughput(second));
            }
            let ok = mine.iter().filter(|one| one.outcome == Outcome::Ok).count() as u64;
            let summary = WorkloadSummary {
                workload: name.clone(),
                ok,
                p50_us: 2_000,
                p95_us: 3_000,
                p99_us: 9_000,
                max_us: 40_000,
                ..WorkloadSummary::default()
            };
            self.tell(end_us, EventKind::WorkloadEnded(summary));
        }
    }

    /// Every tenth of a second one acknowledged insert of each workload, while `up` says so.
    fn write_ledger(&mut self, end_us: u64, up: impl Fn(u8, u64) -> bool) {
        let mut number = 1;
        for at in (3 * SECOND..end_us).step_by(100_000) {
            for workload in [AGENT, OA] {
                // It stands at FAULT_LSN at 12 s.
                let lsn = FAULT_LSN - 12 * 0x10000 + at * 0x10000 / SECOND;
                let mut record = insert(workload, number, at + u64::from(workload) * 7_000, lsn);
                if !up(workload, at) {
                    record.outcome = Outcome::Fail;
                    record.lsn = 0;
                }
                self.ledger.push(record);
                number += 1;
            }
        }
        self.readback = self
            .ledger
            .iter()
            .filter(|one| one.outcome == Outcome::Ok)
            .copied()
            .collect();
    }
}

fn phase(at_us: u64, phase: Phase) -> (u64, EventKind) {
    (at_us, EventKind::PhaseBegan { phase })
}

fn fault(name: &str, target: &str, boundary: Boundary, began_us: u64) -> FaultRecord {
    let statement = boundary == Boundary::Statement;
    FaultRecord {
        fault: name.into(),
        target: target.into(),
        server: "primary".into(),
        boundary,
        began_us,
        ended_us: began_us + 40_000,
        server_time: "2026-03-01 02:00:12+00".into(),
        lsn: FAULT_LSN,
        xid: statement.then_some(900),
        commit_lsn: statement.then_some(FAULT_LSN),
        bit: true,
        evidence: format!("{target} is gone"),
    }
}

fn command(node: &str, line: &str, took_us: u64) -> EventKind {
    EventKind::Command(CommandRecord {
        node: node.into(),
        user: "postgres".into(),
        command: line.into(),
        exit: 0,
        took_us,
        stdout: String::new(),
        stderr: "waiting for checkpoint".into(),
    })
}

fn common(tale: &mut Tale) {
    let backup = BackupRecord {
        label: "full-1".into(),
        kind: "full".into(),
        server: "primary".into(),
        start_lsn: 0x200_0028,
        end_lsn: 0x200_0100,
        began_us: 2 * SECOND,
        bytes: 41_000_000,
    };
    tale.tell(4 * SECOND, EventKind::BackupTaken(backup));
    tale.tell(
        3_900_000,
        command(
            "primary",
            "pg_basebackup -F p -X none -D /pgdrill/store/full-1",
            1_800_000,
        ),
    );
    let said = EventKind::VerifierSaid {
        tool: "pg_verifybackup".into(),
        object: "full-1".into(),
        good: true,
        output: "backup successfully verified".into(),
    };
    tale.tell(3_950_000, said);
    tale.observe(9 * SECOND, Moment::Before, "primary", 1);
}

fn restored(server: &str, scratch: bool, target: &str) -> EventKind {
    EventKind::Restored(RestoreRecord {
        server: server.into(),
        backup: "full-1".into(),
        target: target.into(),
        scratch,
        timeline: 2,
        reached_lsn: FAULT_LSN - 0x100,
        reached_time: "2026-03-01 02:00:11+00".into(),
        bytes: 41_000_000,
    })
}

fn empty(plan: Plan) -> Tale {
    Tale {
        plan,
        events: vec![],
        ledger: vec![],
        readback: vec![],
    }
}
