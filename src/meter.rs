//! How much of a drill's time passes outside the harness: inside tools and the engine,
//! inside servers, and in declared waits. What is left is the harness's own.
//!
//! A drill is performed under its [`Meter`] ([`Meter::over`]); whatever it does in between
//! and is not its own work runs [`outside`]. Only the drill itself counts: live clients and
//! samplers are tasks of their own that run beside it and have no meter. Stretches
//! that overlap count once, so a tool beside a query hides nothing and adds nothing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

/// Where time passes that is not the harness's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A command in a node, or what makes and removes nodes: the engine, or on `local`
    /// the file system.
    Tool,
    /// A server that owes an answer.
    Server,
    /// A wait that the scenario declares, such as `run: 4s`.
    Wait,
}

/// What a stretch of a drill was spent on. Microseconds of the drill's clock; the first
/// three overlap where several worked at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// When the stretch began: at the end of the one before.
    pub from_us: u64,
    pub to_us: u64,
    /// Inside tools and the engine.
    pub tools_us: u64,
    pub servers_us: u64,
    pub waits_us: u64,
    /// Inside any of them: their union.
    pub outside_us: u64,
}

impl Spent {
    pub fn own_us(&self) -> u64 {
        (self.to_us - self.from_us).saturating_sub(self.outside_us)
    }
}

/// Adds up what passes outside. Clones share one sum.
#[derive(Clone, Debug)]
pub struct Meter {
    began: Instant,
    sums: Arc<Mutex<Sums>>,
}

#[derive(Debug, Default)]
struct Sums {
    from_us: u64,
    places: [Union; 3],
    any: Union,
}

/// The length of a union of stretches that are told in the order of time.
#[derive(Clone, Copy, Debug, Default)]
struct Union {
    open: u32,
    since_us: u64,
    sum_us: u64,
}

/// A stretch that ends when this is dropped.
#[derive(Debug)]
pub struct Stretch {
    meter: Meter,
    place: Activity,
}

tokio::task_local! {
    static METER: Meter;
}

impl Meter {
    pub fn new(began: Instant) -> Self {
        let sums = Arc::default();
        Self { began, sums }
    }

    pub async fn over<F: Future>(self, work: F) -> F::Output {
        METER.scope(self, work).await
    }

    /// The meter of the drill that this task performs; none beside a drill.
    pub fn current() -> Option<Self> {
        METER.try_with(Self::clone).ok()
    }

    /// From now on, until the stretch is dropped, time passes there.
    pub fn begin(&self, place: Activity) -> Stretch {
        self.change(place, Union::enter);
        let meter = self.clone();
        Stretch { meter, place }
    }

    /// What the time since the last call was spent on.
    pub fn take(&self) -> Spent {
        let mut sums = self.lock();
        let to_us = self.now_us();
        let from_us = std::mem::replace(&mut sums.from_us, to_us);
        let [tools_us, servers_us, waits_us] =
            sums.places.each_mut().map(|union| union.take(to_us));
        Spent {
            from_us,
            to_us,
            tools_us,
            servers_us,
            waits_us,
            outside_us: sums.any.take(to_us),
        }
    }

    fn change(&self, place: Activity, change: fn(&mut Union, u64)) {
        let mut sums = self.lock();
        // Read under the lock: unions need their stretches in the order of time.
        let at_us = self.now_us();
        change(&mut sums.places[place as usize], at_us);
        change(&mut sums.any, at_us);
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        self.meter.change(self.place, Union::leave);
    }
}

impl Union {
    fn enter(&mut self, at_us: u64) {
        if self.open == 0 {
            self.since_us = at_us;
        }
        self.open += 1;
    }

    fn leave(&mut self, at_us: u64) {
        self.open -= 1;
        if self.open == 0 {
            self.sum_us += at_us - self.since_us;
        }
    }

    /// The length up to now; what is open goes on.
    fn take(&mut self, at_us: u64) -> u64 {
        if self.open > 0 {
            self.sum_us += at_us - self.since_us;
            self.since_us = at_us;
        }
        std::mem::take(&mut self.sum_us)
    }
}

/// Does work whose time passes outside the harness.
pub async fn outside<F: Future>(place: Activity, work: F) -> F::Output {
    let _stretch = Meter::current().map(|meter| meter.begin(place));
    work.await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_union_counts_every_instant_once(stretches in prop::collection::vec((0u64..50, 1u64..20), 0..12), cut in 0u64..80) {
            let mut turns: Vec<(u64, bool)> = stretches
                .iter()
                .flat_map(|(from, length)| [(*from, true), (from + length, false)])
                .collect();
            turns.sort_unstable();
            let mut union = Union::default();
            let mut taken = None;
            for (at, enters) in turns {
                if at >= cut && taken.is_none() {
                    taken = Some(union.take(cut));
                }
                if enters { union.enter(at) } else { union.leave(at) }
            }
            let covered = |at: &u64| stretches.iter().any(|(from, length)| (*from..from + length).contains(at));
            let sum = taken.unwrap_or_default() + union.take(100);
            prop_assert_eq!(sum, (0..100).filter(covered).count() as u64);
            prop_assert!(taken.is_none_or(|taken| taken == (0..cut).filter(covered).count() as u64));
        }
    }

    #[tokio::test]
    async fn only_what_the_drill_itself_waits_for_counts() {
        let meter = Meter::new(Instant::now());
        let pause = || tokio::time::sleep(Duration::from_millis(5));
        let drill = async {
            pause().await;
            let beside = tokio::spawn(outside(Activity::Server, pause()));
            outside(Activity::Tool, outside(Activity::Server, pause())).await;
            beside.await.unwrap();
        };
        meter.clone().over(drill).await;
        let spent = meter.take();
        assert_eq!(spent.tools_us, spent.outside_us);
        assert!(spent.servers_us >= 5_000 && spent.servers_us <= spent.tools_us);
        assert!(spent.own_us() >= 5_000 && spent.to_us - spent.from_us >= 10_000);
        let next = meter.take();
        assert_eq!((next.from_us, next.outside_us), (spent.to_us, 0));
    }
}
