//! What clients saw: the longest gap between acknowledged transactions.
//!
//! A gap counts when it ends after the first injection began; the one open at that instant
//! counts whole, and so does the one from the last acknowledgement to the clients' end.
//!
//! Arrivals are random, so even an undisturbed workload has gaps. A gap no longer than
//! the *allowance* is no outage: the larger of one second and twice the longest gap of
//! the steady state. Without it `outage: 0s` could never be met.

use serde::{Deserialize, Serialize};

/// The shortest gap that may count as an outage.
const SHORTEST_US: u64 = 1_000_000;

/// The gaps of one workload, in microseconds of the drill; never scaled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The outage: the longest gap if it exceeds the allowance, else 0; none when the
    /// workload acknowledged nothing or no fault was injected.
    pub measured_us: Option<u64>,
    /// The longest gap, whether it counts or not, and when it began.
    pub longest_gap_us: u64,
    pub gap_from_us: u64,
    /// The longest gap between acknowledged *writes*: what a freeze costs.
    pub write_gap_us: u64,
    /// A gap up to this long is natural.
    pub allowance_us: u64,
    /// How long the workload was watched since the first injection: no gap can be longer.
    pub watched_us: u64,
}

/// Measures a workload. `acks` as in [`super::account::Account`]: sorted, time × 2, plus 1
/// for a write.
pub fn measure(acks: &[u64], fault_began_us: Option<u64>, end_us: u64) -> Outage {
    let Some(began) = fault_began_us.filter(|_| !acks.is_empty()) else {
        return Outage::default();
    };
    let all: Vec<u64> = acks.iter().map(|ack| ack >> 1).collect();
    let writes: Vec<u64> = acks
        .iter()
        .filter(|ack| *ack & 1 == 1)
        .map(|ack| ack >> 1)
        .collect();
    let (from, longest) = longest_gap(&all, began, end_us);
    let allowance_us = SHORTEST_US.max(2 * steady_gap(&all, began));
    Outage {
        measured_us: Some(if longest > allowance_us { longest } else { 0 }),
        longest_gap_us: longest,
        gap_from_us: from,
        write_gap_us: longest_gap(&writes, began, end_us).1,
        allowance_us,
        watched_us: end_us.saturating_sub(began),
    }
}

/// Begin and length of the longest gap that ends after `began`.
fn longest_gap(times: &[u64], began: u64, end_us: u64) -> (u64, u64) {
    let Some(last) = times.last() else {
        return (began, end_us.saturating_sub(began));
    };
    let tail = (*last, end_us.max(*last));
    let gaps = times
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .chain([tail]);
    gaps.filter(|(_, to)| *to > began)
        .map(|(from, to)| (from, to - from))
        .max_by_key(|(_, length)| *length)
        .unwrap_or((began, 0))
}

fn steady_gap(times: &[u64], began: u64) -> u64 {
    let pairs = times.windows(2).filter(|pair| pair[1] <= began);
    pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Writes at these tenths of a second.
    fn acks(tenths: impl IntoIterator<Item = u64>) -> Vec<u64> {
        tenths
            .into_iter()
            .map(|at| (at * SECOND / 10) << 1 | 1)
            .collect()
    }

    #[test]
    fn the_gap_open_at_the_fault_counts_whole() {
        let outage = measure(&acks((0..50).chain(90..120)), Some(6 * SECOND), 12 * SECOND);
        assert_eq!(outage.measured_us, Some(4_100_000));
        assert_eq!(outage.gap_from_us, 4_900_000);
    }

    #[test]
    fn a_gap_before_the_fault_is_no_outage_and_shows_what_is_natural() {
        let outage = measure(&acks((0..10).chain(30..120)), Some(6 * SECOND), 12 * SECOND);
        assert_eq!(
            (outage.measured_us, outage.allowance_us),
            (Some(0), 4_200_000)
        );
    }

    #[test]
    fn a_service_that_never_came_back_is_out_until_the_end() {
        let outage = measure(&acks(0..50), Some(5 * SECOND), 20 * SECOND);
        assert_eq!(outage.measured_us, Some(15_100_000));
    }

    #[test]
    fn reads_go_on_while_writes_are_frozen() {
        let reads = (50..100).map(|at: u64| (at * SECOND / 10) << 1);
        let mut all: Vec<u64> = acks((0..50).chain(100..120))
            .into_iter()
            .chain(reads)
            .collect();
        all.sort_unstable();
        let outage = measure(&all, Some(5 * SECOND), 12 * SECOND);
        assert_eq!(
            (outage.measured_us, outage.write_gap_us),
            (Some(0), 5_100_000)
        );
    }

    #[test]
    fn nothing_acknowledged_is_not_measured() {
        assert_eq!(measure(&[], Some(1), 2).measured_us, None);
        assert_eq!(measure(&acks(0..5), None, 2).measured_us, None);
    }
}
