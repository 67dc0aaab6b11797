//! What the clients of a fixture did: its ledger, and what was told of it on the way.

use pgdrill::{
    event::{EventKind, Throughput, WorkloadSummary},
    ledger::{Key, Outcome, Record},
};

use super::{FAULT_LSN, HistoryFixture, SECOND};

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
        xid: number as u32 + 1000,
    }
}

impl HistoryFixture {
    /// Every tenth of a second one acknowledged insert of each workload, while `up` says so.
    pub fn write_ledger(&mut self, end_us: u64, up: impl Fn(u8, u64) -> bool) {
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

    /// Beginning and end of the clients, and one second of throughput after the other, as
    /// the ledger has them.
    pub fn tell_traffic(&mut self, end_us: u64) {
        let names: Vec<String> = self.plan.workloads.keys().cloned().collect();
        for (index, name) in names.iter().enumerate() {
            let own = |one: &&Record| usize::from(one.workload) == index;
            let own: Vec<Record> = self.ledger.iter().filter(own).copied().collect();
            let workload = name.clone();
            let began = EventKind::WorkloadBegan {
                workload,
                clients: 4,
            };
            self.tell(2 * SECOND, began);
            for from_us in (2 * SECOND..end_us).step_by(SECOND as usize) {
                let second = throughput(name, &own, from_us);
                self.tell(from_us + SECOND, EventKind::Throughput(second));
            }
            self.tell(end_us, EventKind::WorkloadEnded(summary(name, &own)));
        }
    }
}

fn throughput(workload: &str, own: &[Record], from_us: u64) -> Throughput {
    let second = from_us..from_us + SECOND;
    let count = |outcome| {
        let counted = |one: &&Record| one.outcome == outcome && second.contains(&one.acked_us);
        own.iter().filter(counted).count() as u64
    };
    Throughput {
        workload: workload.into(),
        from_us,
        ok: count(Outcome::Ok),
        fail: count(Outcome::Fail),
        info: count(Outcome::Info),
        p95_us: 3_000,
    }
}

fn summary(workload: &str, own: &[Record]) -> WorkloadSummary {
    let ok = own.iter().filter(|one| one.outcome == Outcome::Ok);
    WorkloadSummary {
        workload: workload.into(),
        ok: ok.count() as u64,
        p50_us: 2_000,
        p95_us: 3_000,
        p99_us: 9_000,
        max_us: 40_000,
        ..WorkloadSummary::default()
    }
}
