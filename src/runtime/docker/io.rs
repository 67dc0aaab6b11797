//! Bytes that a container read from block devices and wrote to them.
//!
//! The engine counts them by control group. Groups of version 1 don't see what goes through
//! the page cache, as everything of PostgreSQL does, and the engine says 0; where it runs on
//! this machine the container's processes are asked then.

use std::fs;

use bollard::models::ContainerBlkioStats;
use nix::unistd::Pid;

use crate::runtime::local::process;

/// Read and written, of a container with this id; 0 and 0 where nobody counts.
pub fn bytes(stats: &ContainerBlkioStats, id: &str) -> (u64, u64) {
    let counted = (of_group(stats, "read"), of_group(stats, "write"));
    match counted {
        (0, 0) if !id.is_empty() => of_processes(id),
        counted => counted,
    }
}

fn of_group(stats: &ContainerBlkioStats, op: &str) -> u64 {
    let entries = stats.io_service_bytes_recursive.iter().flatten();
    entries
        .filter(|entry| {
            entry
                .op
                .as_deref()
                .is_some_and(|found| found.eq_ignore_ascii_case(op))
        })
        .filter_map(|entry| entry.value)
        .sum()
}

/// Of its processes that live, and of their children that ended.
fn of_processes(id: &str) -> (u64, u64) {
    let own = process::all().filter(|pid| belongs(*pid, id));
    let counted = own.map(process::block_io);
    counted.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// The path of a container's control group ends in its id, whatever the driver.
fn belongs(pid: Pid, id: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"));
    groups.is_ok_and(|groups| groups.contains(id))
}
