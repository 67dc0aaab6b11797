//! A line that bytes pass at so many a second, however many use it at the same time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// When it is free again.
#[derive(Debug)]
pub struct Line(Mutex<Instant>);

impl Default for Line {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Line {
    /// When so many bytes will have passed, at so many bytes a second.
    pub fn passes(&self, bytes: u64, bandwidth: u64) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let takes = Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
        *free = (*free).max(Instant::now()) + takes;
        *free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_later_waits_for_who_is_there() {
        let line = Line::default();
        let first = line.passes(500_000, 1000);
        assert_eq!(line.passes(2000, 1000) - first, Duration::from_secs(2));
        assert_eq!(line.passes(0, 1000), line.passes(0, 1));
    }
}
