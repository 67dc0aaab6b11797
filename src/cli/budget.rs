//! How many drills are performed at the same time: as many as the command line says, or as CPUs,
//! memory and disk serve.

use std::{cmp::Reverse, fs, str::FromStr, thread, time::Duration};

use nix::sys::statvfs::statvfs;

use crate::scenario::plan::{Action, Plan, RunFor, Step};

/// Of a server without a limit: shared buffers, sessions, and its share of the harness.
const SERVER: u64 = 256 << 20;
/// Of a cluster without its data: WAL, system catalogs, logs.
const CLUSTER: u64 = 300 << 20;
const MOST: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// As many as this machine serves.
    Auto,
    Stated(usize),
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stated = || text.parse().ok().filter(|jobs| (1..=MOST).contains(jobs));
        match text {
            "auto" => Ok(Self::Auto),
            _ => stated()
                .map(Self::Stated)
                .ok_or_else(|| format!("expected `auto`, or a number from 1 to {MOST}")),
        }
    }
}

impl Jobs {
    /// How many, and why where it was left open. Where there are several, the longest begin first:
    /// what is left at the end is short then, and no CPU waits long.
    pub fn at_a_time(self, plans: &mut [Plan]) -> (usize, Option<String>) {
        let (jobs, why) = match self {
            Self::Stated(jobs) => (jobs, None),
            Self::Auto if plans.len() == 1 => (1, None),
            Self::Auto => {
                let (jobs, why) = Free::now().serves(plans);
                (jobs, Some(why))
            }
        };
        if jobs > 1 {
            plans.sort_by_key(|plan| Reverse(about_how_long(plan)));
        }
        (jobs, why)
    }
}

/// About how long a drill takes: what its clients run for, and a second or two for each other step.
fn about_how_long(plan: &Plan) -> Duration {
    let step = |step: &Step| match &step.action {
        Action::Run(RunFor::Time(time)) => time.0,
        _other => Duration::from_millis(1500),
    };
    plan.steps.iter().map(step).sum()
}

/// What of this machine is free.
struct Free {
    cpus: usize,
    memory: u64,
    disk: u64,
}

impl Free {
    /// What cannot be found out limits nothing.
    fn now() -> Self {
        let disk = statvfs(&std::env::temp_dir());
        let disk = disk.map(|disk| disk.blocks_available() * disk.fragment_size());
        Self {
            cpus: thread::available_parallelism().map_or(1, usize::from),
            memory: available_memory().unwrap_or(u64::MAX),
            disk: disk.unwrap_or(u64::MAX),
        }
    }

    /// For how many of the largest drills it is enough. One keeps a CPU busy: it waits as long as
    /// its servers and clients work on a second one.
    fn serves(&self, plans: &[Plan]) -> (usize, String) {
        let enough = |free: u64, need: fn(&Plan) -> u64| {
            let largest = plans.iter().map(need).max().unwrap_or(0).max(1);
            usize::try_from(free / largest).map_or(MOST, |enough| enough.min(MOST))
        };
        let (memory, disk) = (enough(self.memory, memory), enough(self.disk, disk));
        let (cpus, jobs) = (self.cpus, self.cpus.min(memory).min(disk).max(1));
        let why =
            format!("{jobs} drills at a time: {cpus} CPUs, memory for {memory}, disk for {disk}");
        (jobs, why)
    }
}

fn available_memory() -> Option<u64> {
    let told = fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = told.lines();
    let free = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = free.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Of the servers that there are at the beginning and later, and of stores that lie in memory.
fn memory(plan: &Plan) -> u64 {
    let begun = plan
        .servers
        .values()
        .map(|server| server.node.memory.0.max(SERVER));
    let largest = begun.clone().max().unwrap_or(SERVER);
    let stores = plan.strategy.stores.values().map(|store| store.size().0);
    begun.sum::<u64>() + count(plan, "restore") * largest + stores.sum::<u64>()
}

/// A copy of the data for each server and each backup.
fn disk(plan: &Plan) -> u64 {
    let copies = plan.servers.len() as u64 + count(plan, "restore") + count(plan, "backup");
    let data: u64 = plan.databases.values().map(|one| one.size.0).sum();
    copies * (data + CLUSTER)
}

fn count(plan: &Plan, step: &str) -> u64 {
    let steps = plan.steps.iter();
    steps.filter(|one| one.action.word() == step).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{lost_server, salvage};

    #[test]
    fn the_scarcest_decides() {
        let plans = [salvage().plan, lost_server().plan];
        let free = |cpus, memory: u64, disk: u64| Free {
            cpus,
            memory: memory << 20,
            disk: disk << 20,
        };
        let (jobs, why) = free(2, 8_000, 20_000).serves(&plans);
        assert_eq!(jobs, 2);
        assert_eq!(
            why,
            "2 drills at a time: 2 CPUs, memory for 15, disk for 20"
        );
        assert_eq!(free(8, 1_600, 20_000).serves(&plans).0, 3);
        assert_eq!(free(8, 8_000, 2_200).serves(&plans).0, 2);
        assert_eq!(free(8, 1, 1).serves(&plans).0, 1);
    }

    #[test]
    fn jobs_are_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(Jobs::Auto));
        assert_eq!("2".parse(), Ok(Jobs::Stated(2)));
        for bad in ["0", "65", "many", ""] {
            assert!(bad.parse::<Jobs>().is_err(), "{bad}");
        }
    }
}
