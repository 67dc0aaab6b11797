//! The process that owns a run, and whether it lives.

use std::{fmt, fs, str::FromStr};

use crate::runtime::RuntimeError;

/// The process a run lives in, told apart from a later one that got the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    pub boot: String,
    /// Its process-id namespace: process ids of another one mean nothing here.
    pub namespace: String,
    /// Its machine: host name and machine id, the latter empty where there is none.
    pub machine: String,
}

/// What is known of the owner of something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// It is gone: what it owns is left over.
    Dead,
    /// Another machine's, or another container's: can't tell from here.
    Unknown,
    /// It lives: what it owns is not to be touched.
    Live,
}

impl Owner {
    pub fn this_process() -> Result<Self, RuntimeError> {
        let pid = std::process::id() as i32;
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let error = RuntimeError::io("read the identity of this process in /proc");
        let namespace = fs::read_link("/proc/self/ns/pid").map_err(&error)?;
        Ok(Self {
            pid,
            started: start_time(pid).unwrap_or_default(),
            boot: read("/proc/sys/kernel/random/boot_id").map_err(&error)?,
            namespace: digits(&namespace.to_string_lossy()),
            machine: machine(
                &read("/proc/sys/kernel/hostname").unwrap_or_default(),
                &read("/etc/machine-id").unwrap_or_default(),
            ),
        })
    }

    /// Whether the process still lives, as seen from `here`.
    pub fn life(&self, here: &Self) -> Life {
        if self.boot != here.boot {
            let rebooted = self.machine == here.machine && self.knows_its_machine();
            return if rebooted { Life::Dead } else { Life::Unknown };
        }
        if self.namespace != here.namespace {
            return Life::Unknown;
        }
        match start_time(self.pid) {
            Some(started) if started == self.started => Life::Live,
            Some(_) | None => Life::Dead,
        }
    }

    /// Whether its machine has an id: without one, another machine can have the same name.
    fn knows_its_machine(&self) -> bool {
        !self.machine.ends_with('-')
    }
}

/// A machine told apart from others, if it has an id; what an image that was never started
/// holds in its place is none.
fn machine(host: &str, id: &str) -> String {
    let id = if id == "uninitialized" { "" } else { id };
    format!("{host}-{id}")
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Clock ticks since boot at which a process started; `None` when there is none, or it
/// is a zombie.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (boot, namespace, machine) = (&self.boot, &self.namespace, &self.machine);
        write!(
            f,
            "{}/{}/{boot}/{namespace}/{machine}",
            self.pid, self.started
        )
    }
}

impl FromStr for Owner {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.trim().splitn(5, '/');
        let mut next = || parts.next().ok_or(());
        Ok(Self {
            pid: next()?.parse().map_err(|_| ())?,
            started: next()?.parse().map_err(|_| ())?,
            boot: next()?.to_owned(),
            namespace: next()?.to_owned(),
            machine: next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_number_alone_does_not_make_it() {
        let here = Owner::this_process().unwrap();
        let read: Owner = here.to_string().parse().unwrap();
        assert_eq!(read, here);
        assert_eq!(read.life(&here), Life::Live);
        let earlier = Owner {
            started: here.started + 1,
            ..here.clone()
        };
        assert_eq!(earlier.life(&here), Life::Dead);
    }

    #[test]
    fn owners_elsewhere_cannot_be_told() {
        let here = Owner {
            machine: machine("host", "4711"),
            ..Owner::this_process().unwrap()
        };
        let boot = "another".to_owned();
        let rebooted = Owner {
            boot: boot.clone(),
            ..here.clone()
        };
        assert_eq!(rebooted.life(&here), Life::Dead);
        let machine = "another".to_owned();
        let elsewhere = Owner {
            boot,
            machine,
            ..here.clone()
        };
        assert_eq!(elsewhere.life(&here), Life::Unknown);
        let container = Owner {
            namespace: "1".into(),
            ..here.clone()
        };
        assert_eq!(container.life(&here), Life::Unknown);
    }

    #[test]
    fn the_name_alone_does_not_make_a_machine() {
        for (id, expected) in [
            ("4711", Life::Dead),
            ("", Life::Unknown),
            ("uninitialized", Life::Unknown),
        ] {
            let here = Owner {
                machine: machine("host", id),
                ..Owner::this_process().unwrap()
            };
            let boot = "another".to_owned();
            let other = Owner {
                boot,
                ..here.clone()
            };
            assert_eq!(other.life(&here), expected, "{id}");
        }
    }
}
