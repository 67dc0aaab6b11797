//! What a node used over a stretch of the drill: CPU, memory and I/O, from the samples taken of it.
//!
//! A figure for whoever has to find out why something is slow; no verdict hangs on it.

use std::fmt;

use crate::{
    event::{EventKind, NodeStats},
    measure::drill_history::{DrillHistory, told},
    units::Bytes,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in hundredths of the time that passed: 100 is one core, busy.
    pub cpu_percent: u64,
    /// Memory in use at the end.
    pub memory: Bytes,
    /// Bytes read from block devices and written to them, a second; none where nobody counts
    /// them: a server that wrote nothing since its start is none.
    pub io: Option<(Bytes, Bytes)>,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cpu, memory) = (self.cpu_percent, self.memory);
        write!(f, "CPU {cpu} % of a core, memory {memory}, ")?;
        match self.io {
            Some((read, written)) => write!(f, "read {read}/s, written {written}/s"),
            None => f.write_str("I/O not counted here"),
        }
    }
}

/// What a node used between two moments; none with fewer than two samples between them.
pub fn usage(
    history: &DrillHistory<'_>,
    node: &str,
    (from_us, to_us): (u64, u64),
) -> Option<Usage> {
    let samples = told!(history.events, event, EventKind::NodeStats(stats) if stats.node == node
        => (event.at_us, stats));
    let samples: Vec<(u64, &NodeStats)> = samples
        .filter(|(at_us, _)| (from_us..=to_us).contains(at_us))
        .collect();
    let ((began_us, first), (ended_us, last)) = (samples.first()?, samples.last()?);
    let us = ended_us.checked_sub(*began_us).filter(|us| *us > 0)?;
    let a_second = |first: u64, last: u64| last.saturating_sub(first) * 1_000_000 / us;
    Some(Usage {
        cpu_percent: a_second(first.cpu_us, last.cpu_us) / 10_000,
        memory: Bytes(last.memory),
        io: (last.written_bytes > 0).then(|| {
            let bytes = |first, last| Bytes(a_second(first, last));
            (
                bytes(first.read_bytes, last.read_bytes),
                bytes(first.written_bytes, last.written_bytes),
            )
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{HistoryFixture, SECOND, salvage};

    fn sampled(
        fixture: HistoryFixture,
        at_us: u64,
        cpu_us: u64,
        written_bytes: u64,
    ) -> HistoryFixture {
        let stats = NodeStats {
            node: "primary".into(),
            cpu_us,
            memory: 64_000_000,
            read_bytes: 0,
            written_bytes,
        };
        fixture.with(at_us, EventKind::NodeStats(stats))
    }

    #[test]
    fn usage_is_what_was_added_between_the_first_and_the_last_sample() {
        let once = sampled(salvage(), 3 * SECOND, SECOND, 1_000_000);
        let fixture = sampled(once.clone(), 5 * SECOND, 2 * SECOND, 9_000_000);
        let of = |fixture: &HistoryFixture, node: &str| {
            let history = DrillHistory::new(&fixture.plan, &fixture.events);
            usage(&history, node, (2 * SECOND, 6 * SECOND)).map(|usage| usage.to_string())
        };
        let told = "CPU 50 % of a core, memory 64.0 MB, read 0 B/s, written 4.0 MB/s";
        assert_eq!(of(&fixture, "primary").as_deref(), Some(told));
        let uncounted = sampled(
            sampled(salvage(), 3 * SECOND, SECOND, 0),
            5 * SECOND,
            SECOND,
            0,
        );
        let told = "CPU 0 % of a core, memory 64.0 MB, I/O not counted here";
        assert_eq!(of(&uncounted, "primary").as_deref(), Some(told));
        assert_eq!(of(&fixture, "replacement"), None);
        assert_eq!(of(&once, "primary"), None);
    }
}
