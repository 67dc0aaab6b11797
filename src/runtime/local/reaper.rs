//! What the dead leave: a process is there as a zombie until its parent takes note of it. Those
//! whose parents died before them are adopted, by us rather than by an init that may be slow or
//! none, as in a container; and we take note.
//!
//! Only of those: a command's own end is what `host` waits for, and a child of our own process
//! group is somebody else's.

use std::{
    collections::BTreeSet,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use nix::{
    sys::{
        prctl,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

use super::process;

/// Processes whose end somebody waits for.
static AWAITED: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());

/// Takes note of adopted processes until dropped.
#[derive(Debug)]
pub struct Reaper(JoinHandle<()>);

impl Reaper {
    /// From now on orphans are adopted by this process. Must be called within a tokio runtime.
    pub fn start() -> io::Result<Self> {
        prctl::set_child_subreaper(true)?;
        let mut ended = signal(SignalKind::child())?;
        Ok(Self(tokio::spawn(async move {
            while ended.recv().await.is_some() {
                reap();
            }
        })))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes note of every adopted process that has ended.
pub fn reap() {
    // Held, so that no command begins in between.
    let awaited = awaited();
    for pid in process::adopted_dead() {
        if !awaited.contains(&pid) {
            // Another look may have been quicker.
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }
}

fn awaited() -> MutexGuard<'static, BTreeSet<Pid>> {
    AWAITED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that somebody waits for.
#[derive(Debug)]
pub struct Awaited(Option<Pid>);

/// Starts a command whose end is the caller's to wait for, as long as the second is kept.
pub fn spawn(command: &mut Command) -> io::Result<(Child, Awaited)> {
    let mut awaited = awaited();
    let child = command.spawn()?;
    let pid = child.id().map(|id| Pid::from_raw(id as i32));
    awaited.extend(pid);
    Ok((child, Awaited(pid)))
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            awaited().remove(&pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_orphan_is_noted_and_a_command_is_left_to_who_waits_for_it() {
        let _reaper = Reaper::start().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.01 & echo $!; exit 7"]);
        command
            .process_group(0)
            .stdout(std::process::Stdio::piped());
        let (child, _awaited) = spawn(&mut command).unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(7));
        let orphan = String::from_utf8(output.stdout).unwrap();
        let orphan = format!("/proc/{}", orphan.trim());
        let gone = async {
            while std::path::Path::new(&orphan).exists() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), gone).await;
        assert!(waited.is_ok(), "{orphan} is still there");
    }
}
