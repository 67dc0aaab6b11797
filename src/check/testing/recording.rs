//! What every fixture tells: beginning and end, steps, a backup, what probes saw.

use std::collections::BTreeMap;

use pgdrill::{
    event::*, fault::Facts, observation::Observation, scenario::plan::*, store::local,
    workload::readback,
};

use super::{
    FAULT_LSN, HistoryFixture, SECOND,
    observed::{archive, observations},
};

/// So many tenths of a second in microseconds.
pub fn tenths(count: u64) -> u64 {
    count * SECOND / 10
}

impl HistoryFixture {
    pub fn observe(&mut self, at_us: u64, moment: Moment, server: &str, timeline: u32) {
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
    pub fn perform(&mut self, ends: &[u64]) {
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

    /// Tells when each span of the recovery time begins.
    pub fn phases(&mut self, phases: &[(u64, Phase)]) {
        for &(at_us, phase) in phases {
            self.tell(at_us, EventKind::PhaseBegan { phase });
        }
    }

    /// Beginning and end of the drill, around everything else.
    pub fn frame(&mut self, end_us: u64) {
        let started = EventKind::DrillStarted {
            format: pgdrill::history::FORMAT,
            scenario: self.plan.scenario.clone(),
            drill: self.plan.drill.clone(),
            wall: "2026-03-01T02:00:00Z".into(),
            pgdrill: "0.1.0".into(),
        };
        let ended = EventKind::DrillEnded {
            completed: true,
            reason: String::new(),
            leaked: vec![],
            unanswered: String::new(),
        };
        self.tell(0, started);
        self.tell(1, environment());
        self.phases(&[(2, Phase::Steady)]);
        self.tell(SECOND, loaded());
        self.tell(end_us, ended);
    }

    /// A full backup that its verifier found good, and the steady state after it.
    pub fn backed_up(&mut self, server: &str) {
        let taken = BackupRecord {
            server: server.into(),
            ..backup()
        };
        self.tell(4 * SECOND, EventKind::BackupTaken(taken));
        let listed = EventKind::BackupsListed {
            cluster: server.into(),
            backup: "main".into(),
            listed: vec![backup().listed],
        };
        self.tell(4 * SECOND, listed);
        let line = "pg_basebackup -F p -X none -D /pgdrill/store/main-1";
        self.tell(tenths(39), command(server, line, tenths(18)));
        let said = EventKind::VerifierSaid(VerifierSaid {
            server: server.into(),
            tool: "pg_verifybackup".into(),
            object: "main-1".into(),
            good: Some(true),
            again: false,
            output: "backup successfully verified".into(),
        });
        self.tell(3_950_000, said);
        self.observe(9 * SECOND, Moment::Before, server, 1);
    }

    /// Where a server's WAL stood, and the segment it had archived last.
    pub fn stands(&mut self, at_us: u64, server: &str, lsn: u64, last_archived: &str) {
        let position = EventKind::WalPosition(WalPosition {
            server: server.into(),
            lsn,
            last_archived: last_archived.into(),
            archive_failures: 0,
            took_us: 0,
            arrived: BTreeMap::new(),
            written: BTreeMap::new(),
        });
        self.tell(at_us, position);
    }

    /// A server's log was read, and nothing unexpected found.
    pub fn log_read(&mut self, at_us: u64, server: &str, lines: u64) {
        let server = server.to_owned();
        let read = EventKind::ServerLogRead {
            server,
            lines,
            unread: String::new(),
        };
        self.tell(at_us, read);
    }
}

fn environment() -> EventKind {
    EventKind::Environment {
        runtime: "docker".into(),
        postgres: 17,
        image: "pgdrill-server:17-0123456789ab".into(),
        versions: BTreeMap::from([("postgres".into(), "17.6".into())]),
    }
}

fn loaded() -> EventKind {
    EventKind::DataLoaded {
        bytes: 20_400_000,
        wanted: 20_000_000,
        rows: 41_000,
        took_us: SECOND,
    }
}

pub fn backup() -> BackupRecord {
    BackupRecord {
        backup: "main".into(),
        server: PRIMARY.into(),
        began_us: 2 * SECOND,
        listed: Listed {
            label: "main-1".into(),
            store: local(),
            tool: "pg-basebackup".into(),
            start_lsn: Some(0x200_0028),
            stop_lsn: Some(0x200_0100),
            timeline: Some(1),
            first_segment: "000000010000000000000002".into(),
            bytes: 41_000_000,
            ..Listed::default()
        },
    }
}

pub fn fault(fault: Fault, began_us: u64) -> FaultRecord {
    let Facts {
        object, boundary, ..
    } = fault.facts();
    let target = if object.is_empty() { PRIMARY } else { &object };
    let statement = boundary == BoundaryKind::Statement;
    FaultRecord {
        name: fault.to_string(),
        target: target.into(),
        evidence: format!("{target} is gone"),
        fault,
        server: PRIMARY.into(),
        database: "postgres".into(),
        boundary,
        began_us,
        ended_us: began_us + 40_000,
        server_time: "2026-03-01 02:00:12+00".into(),
        lsn: FAULT_LSN,
        xid: statement.then_some(900),
        commit_lsn: statement.then_some(FAULT_LSN),
        took_effect: true,
    }
}

pub fn command(node: &str, line: &str, took_us: u64) -> EventKind {
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

/// A recovery that replayed the three segments of the archive.
pub fn recovered(server: &str) -> EventKind {
    let segment = |number: u64| (format!("0000000100000000{number:08X}"), 16 << 20);
    EventKind::Recovered(RecoveryRecord {
        server: server.into(),
        archive: (1..=3).map(segment).collect(),
        left: vec![(1, 0x400_0000)],
        follows: None,
        log: vec!["LOG:  redo starts at 0/2000028".into()],
    })
}

pub fn restored(server: &str, scratch: bool, target: &str) -> EventKind {
    EventKind::Restored(RestoreRecord {
        server: server.into(),
        backup: "main-1".into(),
        store: local(),
        nature: Nature::Physical,
        in_place: false,
        target: target.into(),
        scratch,
        timeline: 2,
        next_xid: 100_000,
        reached_lsn: FAULT_LSN - 0x100,
        reached_time: "2026-03-01 02:00:11+00".into(),
        configured: false,
        paused: false,
        bytes: 41_000_000,
    })
}
