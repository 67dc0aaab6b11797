//! Shared memory that outlives a server killed with SIGKILL, as it would not outlive a machine.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Stdio};

use nix::unistd::Pid;
use tokio::process::Command;

/// A segment mapped by one of the node's processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// System V, by its id.
    SystemV(u64),
    /// POSIX, by its file.
    Posix(PathBuf),
}

/// The segments that processes hold. Only PostgreSQL's: nothing else here makes any.
pub fn of(pids: &[Pid]) -> BTreeSet<Segment> {
    pids.iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/maps")).ok())
        .flat_map(|maps| maps.lines().filter_map(segment).collect::<Vec<_>>())
        .collect()
}

/// One line of `/proc/<pid>/maps`; the inode of a System V segment is its id.
fn segment(line: &str) -> Option<Segment> {
    let mut fields = line.split_whitespace().skip(4);
    let inode = fields.next()?;
    let name = fields.next()?;
    if name.starts_with("/SYSV") {
        return inode.parse().ok().map(Segment::SystemV);
    }
    let posix = name.starts_with("/dev/shm/PostgreSQL.");
    posix.then(|| Segment::Posix(PathBuf::from(name)))
}

/// Removes segments; those that are gone, or attached to by somebody, are left.
pub async fn remove(segments: BTreeSet<Segment>) {
    for segment in segments {
        match segment {
            Segment::Posix(path) => drop(fs::remove_file(path)),
            Segment::SystemV(id) if unattached(id) => {
                let mut command = Command::new("ipcrm");
                command.args(["-m", &id.to_string()]);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                // A segment of 56 bytes that stays is no reason to fail.
                let _ = command.status().await;
            }
            Segment::SystemV(_) => {}
        }
    }
}

fn unattached(id: u64) -> bool {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1) == Some(&id.to_string().as_str()) && fields.get(6) == Some(&"0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_from_maps() {
        let system_v = "7f1-7f2 rw-s 00000000 00:01 7    /SYSV0052e2c1 (deleted)";
        assert_eq!(segment(system_v), Some(Segment::SystemV(7)));
        let posix = "7f1-7f2 rw-s 00000000 00:1a 52   /dev/shm/PostgreSQL.3456";
        let path = PathBuf::from("/dev/shm/PostgreSQL.3456");
        assert_eq!(segment(posix), Some(Segment::Posix(path)));
        assert_eq!(segment("7f1-7f2 r-xp 0 08:01 99 /usr/lib/libc.so"), None);
        assert_eq!(segment("7f1-7f2 rw-p 0 00:00 0"), None);
    }
}
