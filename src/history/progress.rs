//! How far long work has come: the one place that decides how often it is told.
//!
//! At most five times a second, and only when a hundredth of it was done or five seconds
//! passed, so that a history keeps some hundred lines at most of minutes of work. The end
//! is always told, with everything done.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::Recorder;
use crate::event::EventKind;

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
/// Pause between two looks at work that does not tell by itself how far it has come: a
/// look at another machine takes its time, and what is looked at is measured, too.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes done and to do; 0 to do: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    pub done: u64,
    pub total: u64,
}

#[derive(Debug)]
pub struct Progress<'a> {
    recorder: &'a Recorder,
    work: &'static str,
    told: Mutex<(Instant, u64)>,
}

impl<'a> Progress<'a> {
    pub fn begin(recorder: &'a Recorder, work: &'static str) -> Self {
        Self {
            recorder,
            work,
            told: Mutex::new((Instant::now(), 0)),
        }
    }

    /// So far it has come. May be called as often as one likes.
    pub fn reached(&self, bytes: Bytes) {
        // Somebody else tells just now.
        let Ok(mut told) = self.told.try_lock() else {
            return;
        };
        let (at, done) = *told;
        if is_news(bytes, bytes.done.saturating_sub(done), at.elapsed()) {
            *told = (Instant::now(), bytes.done);
            self.tell(bytes);
        }
    }

    /// It is done, and came to so many bytes.
    pub fn end(self, bytes: u64) {
        self.tell(Bytes {
            done: bytes,
            total: bytes,
        });
    }

    /// Does the work and meanwhile looks, every second, how far it has come.
    pub async fn during<T>(
        &self,
        work: impl Future<Output = T>,
        look: impl AsyncFn() -> Option<Bytes>,
    ) -> T {
        let looking = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Some(bytes) = look().await {
                    self.reached(bytes);
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = looking => unreachable!("it never ends by itself"),
        }
    }

    fn tell(&self, Bytes { done, total }: Bytes) {
        self.recorder.record(EventKind::Progress {
            work: self.work.into(),
            done: if total == 0 { done } else { done.min(total) },
            total,
        });
    }
}

fn is_news(bytes: Bytes, more: u64, since: Duration) -> bool {
    let much = bytes.total > 0 && more >= bytes.total / 100;
    since >= LONGEST || (since >= SHORTEST && much)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_at_most_five_times_a_second_or_five_seconds_are_news() {
        let of = |total| Bytes { done: 0, total };
        assert!(is_news(of(1000), 10, SHORTEST));
        assert!(!is_news(of(1000), 9, SHORTEST));
        assert!(!is_news(of(1000), 500, SHORTEST / 2));
        assert!(!is_news(of(0), 500, SHORTEST));
        assert!(is_news(of(0), 0, LONGEST));
    }

    #[tokio::test]
    async fn the_end_is_always_told() {
        let recorder = Recorder::in_memory();
        let progress = Progress::begin(&recorder, "backup");
        let look = async || Some(Bytes { done: 1, total: 9 });
        let done = progress.during(std::future::ready(7), look).await;
        progress.end(8);
        let told: Vec<EventKind> = recorder.events().into_iter().map(|it| it.kind).collect();
        let end = EventKind::Progress {
            work: "backup".into(),
            done: 8,
            total: 8,
        };
        assert_eq!((done, told), (7, vec![end]));
    }
}
