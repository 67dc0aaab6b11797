//! When a client's transactions are meant to begin, whatever became of earlier ones.
//!
//! Each client has its own Poisson process at its share of the rate; their sum is one
//! at the whole rate. The OA comes in bursts: its process runs only while it is on. The
//! next arrival is computed when the last is taken, so a backlog costs no memory.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// Mean length of a burst, in microseconds.
const ON: f64 = 1_600_000.0;
/// Mean length of the gap after it, in microseconds: much shorter than the smallest
/// objective that makes sense, or the loss could not be measured.
const OFF: f64 = 200_000.0;

#[derive(Debug)]
pub struct Arrivals {
    rng: ChaCha12Rng,
    /// Mean distance while on, in microseconds; none: closed loop.
    gap: Option<f64>,
    bursts: bool,
    due: f64,
    on_until: f64,
}

impl Arrivals {
    /// Arrivals from `from_us` on, `rate` a second.
    pub fn open(rng: ChaCha12Rng, rate: f64, bursts: bool, from_us: u64) -> Self {
        let on = if bursts { ON / (ON + OFF) } else { 1.0 };
        let mut arrivals = Self {
            rng,
            gap: Some(1e6 / rate * on),
            bursts,
            due: from_us as f64,
            on_until: f64::INFINITY,
        };
        if bursts {
            arrivals.on_until = arrivals.due + arrivals.exponential(ON);
        }
        arrivals.advance();
        arrivals
    }

    /// Closed loop: always due.
    pub fn closed(rng: ChaCha12Rng) -> Self {
        Self {
            rng,
            gap: None,
            bursts: false,
            due: 0.0,
            on_until: f64::INFINITY,
        }
    }

    /// Whether the next transaction waits for the last.
    pub fn is_closed(&self) -> bool {
        self.gap.is_none()
    }

    /// When the next transaction is meant to begin; `now_us` in a closed loop.
    pub fn due_us(&self, now_us: u64) -> u64 {
        self.gap.map_or(now_us, |_| self.due as u64)
    }

    pub fn advance(&mut self) {
        let Some(mean) = self.gap else {
            return;
        };
        let mut gap = self.exponential(mean);
        while self.bursts && self.due + gap > self.on_until {
            gap -= self.on_until - self.due;
            self.due = self.on_until + self.exponential(OFF);
            self.on_until = self.due + self.exponential(ON);
        }
        self.due += gap;
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        let uniform: f64 = self.rng.random();
        -mean * (1.0 - uniform).ln()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn gaps(bursts: bool) -> Vec<f64> {
        let mut arrivals = Arrivals::open(ChaCha12Rng::seed_from_u64(7), 100.0, bursts, 0);
        let mut last = 0.0;
        let mut gap = || {
            let gap = arrivals.due - last;
            last = arrivals.due;
            arrivals.advance();
            gap
        };
        (0..200_000).map(|_| gap()).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// Standard deviation by mean: 1 for a Poisson process.
    fn variation(values: &[f64]) -> f64 {
        let mean = mean(values);
        let squares: Vec<f64> = values.iter().map(|v| (v - mean).powi(2)).collect();
        (squares.iter().sum::<f64>() / values.len() as f64).sqrt() / mean
    }

    #[test]
    fn a_poisson_process_has_the_rate_and_exponential_gaps() {
        let gaps = gaps(false);
        assert!((mean(&gaps) - 10_000.0).abs() < 100.0);
        assert!((variation(&gaps) - 1.0).abs() < 0.02);
        let long = gaps.iter().filter(|gap| **gap > 10_000.0).count() as f64;
        assert!((long / gaps.len() as f64 - (-1.0f64).exp()).abs() < 0.01);
    }

    #[test]
    fn bursts_keep_the_rate_and_leave_gaps() {
        let gaps = gaps(true);
        assert!((mean(&gaps) - 10_000.0).abs() < 300.0);
        assert!(variation(&gaps) > 1.5);
    }

    #[test]
    fn a_closed_loop_is_always_due() {
        let arrivals = Arrivals::closed(ChaCha12Rng::seed_from_u64(7));
        assert_eq!(arrivals.due_us(5), 5);
    }
}
