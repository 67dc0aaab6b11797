//! Executing one command on this machine as the node's user, to its end or its deadline.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Gid, Pid, Uid, User as Account},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    task::JoinHandle,
};

use super::{
    process::{MARKER, OWNER},
    reaper::{self, Awaited},
};
use crate::{
    history::Recorder,
    meter::{self, outside},
    runtime::{
        Exec, Output, RuntimeError,
        exec::{Ended, GRACE, Lines, Place, UNTRANSLATED, keep},
    },
};

/// A command that ended may have left a daemon that holds its output open: we read so
/// much longer, then let go.
const DRAIN: Duration = Duration::from_secs(1);

/// With fewer bytes left a disk is full.
const FULL: u64 = 1 << 20;

/// Who executes commands in a node.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    /// The ids to change to; `None`: ourselves.
    pub ids: Option<(Uid, Gid)>,
}

/// What commands in a node find around them.
#[derive(Clone, Debug)]
pub struct Host {
    pub user: User,
    pub marker: String,
    pub owner: String,
    pub bin: PathBuf,
    pub home: PathBuf,
    /// What sets their clock.
    pub clock: Vec<(String, String)>,
}

impl User {
    /// Ourselves, or, when we are root, `postgres`, or `nobody` where there is none.
    pub fn unprivileged() -> Self {
        let ourselves = Account::from_uid(Uid::effective()).ok().flatten();
        if !Uid::effective().is_root() {
            let name = ourselves.map(|account| account.name);
            let name = name.unwrap_or_else(|| Uid::effective().to_string());
            return Self { name, ids: None };
        }
        let named = |name| Account::from_name(name).ok().flatten();
        match named("postgres").or_else(|| named("nobody")) {
            Some(account) => Self {
                name: account.name,
                ids: Some((account.uid, account.gid)),
            },
            None => Self {
                name: "65534".into(),
                ids: Some((Uid::from_raw(65534), Gid::from_raw(65534))),
            },
        }
    }
}

impl Host {
    /// Executes a command to its end and records it.
    pub async fn perform(
        &self,
        node: &str,
        exec: Exec,
        recorder: &Recorder,
    ) -> Result<Output, RuntimeError> {
        let place = Place {
            node,
            user: &self.user.name,
            recorder,
        };
        let began = Instant::now();
        let ended = match self.spawn(&exec) {
            Ok((child, _awaited)) => outside(meter::Activity::Tool, run_to_end(child, &exec)).await,
            Err(cause) => Ok(Ended::not_started(self.why_not(&exec, &cause))),
        };
        let mut ended =
            ended.map_err(RuntimeError::io(format!("wait for `{}`", exec.program())))?;
        if ended.exit != 0 {
            ended.stderr.extend(self.full_disk());
        }
        place.conclude(&exec, ended, began.elapsed())
    }

    fn spawn(&self, exec: &Exec) -> io::Result<(Child, Awaited)> {
        let mut command = Command::new(exec.program());
        command
            .args(exec.argv.iter().skip(1))
            .env_clear()
            .envs(self.environment())
            .envs(self.clock.iter().cloned())
            .envs(exec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home)
            .stdin(if exec.stdin.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some((uid, gid)) = self.user.ids {
            // Changing to another user as root drops our supplementary groups too.
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        reaper::spawn(&mut command)
    }

    /// The caller's own environment (PGHOST and the like) must not leak in.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let home = self.home.display().to_string();
        let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        vec![
            ("PATH", format!("{}:{system}", self.bin.display())),
            ("HOME", home.clone()),
            ("TMPDIR", home),
            ("USER", self.user.name.clone()),
            ("LOGNAME", self.user.name.clone()),
            ("LANG", "C.UTF-8".into()),
            (UNTRANSLATED.0, UNTRANSLATED.1.into()),
            ("TZ", "UTC".into()),
            (MARKER, self.marker.clone()),
            (OWNER, self.owner.clone()),
        ]
    }

    /// A hint after a failure, since not every program says that there was no room to write.
    fn full_disk(&self) -> Vec<u8> {
        match super::free_space(&self.home) {
            Ok(free) if free < FULL => {
                format!("hint: the disk is full at `{}`\n", self.home.display()).into_bytes()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    fn why_not(&self, exec: &Exec, cause: &io::Error) -> String {
        let mut why = format!("cannot execute `{}`: {cause}", exec.program());
        if cause.kind() == io::ErrorKind::PermissionDenied {
            why.push_str(&format!(
                "\nhint: the user `{}` must be able to enter `{}`; choose another place with TMPDIR",
                self.user.name,
                self.home.display()
            ));
        }
        why
    }
}

/// Kills a command's whole process group when its execution is given up.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            // A group that has gone already is what we want.
            let _ = killpg(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

async fn run_to_end(mut child: Child, exec: &Exec) -> io::Result<Ended> {
    let leader = child.id().map(|id| Pid::from_raw(id as i32));
    let mut group = Group(leader);
    let stdout = Stream::read(child.stdout.take(), exec);
    let stderr = Stream::read(child.stderr.take(), exec);
    let feeding = feed(&mut child, exec.stdin.clone());
    let waited = tokio::time::timeout(exec.deadline, child.wait()).await;
    let timed_out = waited.is_err();
    let status = match waited {
        Ok(status) => status?,
        Err(_) => end(&mut child, &group).await?,
    };
    // Its number is free for others now, and what it left running may go on.
    group.0 = None;
    feeding.abort();
    Ok(Ended {
        exit: exit_code(status),
        stdout: stdout.finish().await,
        stderr: stderr.finish().await,
        timed_out,
    })
}

/// Asks the group to end, and kills what has not within [`GRACE`].
async fn end(child: &mut Child, group: &Group) -> io::Result<ExitStatus> {
    group.signal(Signal::SIGTERM);
    let ended = tokio::time::timeout(GRACE, child.wait()).await;
    group.signal(Signal::SIGKILL);
    match ended {
        Ok(status) => status,
        Err(_) => child.wait().await,
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).unwrap_or(-1)
}

fn feed(child: &mut Child, input: Vec<u8>) -> JoinHandle<()> {
    let pipe = child.stdin.take();
    tokio::spawn(async move {
        if let Some(mut pipe) = pipe {
            // A command need not read all of its input.
            let _ = pipe.write_all(&input).await;
        }
    })
}

struct Stream {
    content: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Stream {
    fn read(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, exec: &Exec) -> Self {
        let content = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::new(exec.lines.clone());
        let reading = tokio::spawn(read_all(pipe, Arc::clone(&content), lines));
        Self { content, reading }
    }

    async fn finish(mut self) -> Vec<u8> {
        if tokio::time::timeout(DRAIN, &mut self.reading)
            .await
            .is_err()
        {
            self.reading.abort();
        }
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut content)
    }
}

async fn read_all(
    pipe: Option<impl AsyncRead + Unpin>,
    content: Arc<Mutex<Vec<u8>>>,
    mut lines: Lines,
) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        lines.push(&chunk[..count]);
        let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut content, &chunk[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server is started by a command, and inherits its environment.
    #[tokio::test]
    async fn what_a_server_says_is_not_translated() {
        let home = tempfile::tempdir().unwrap();
        let user = User {
            name: "nobody".into(),
            ids: None,
        };
        let host = Host {
            user,
            marker: String::new(),
            owner: String::new(),
            bin: PathBuf::from("/usr/bin"),
            home: home.path().to_owned(),
            clock: Vec::new(),
        };
        let (child, _awaited) = host.spawn(&Exec::new(["env"])).unwrap();
        let output = child.wait_with_output().await.unwrap();
        let environment = String::from_utf8(output.stdout).unwrap();
        let language = |line: &&str| line.starts_with("LANG") || line.starts_with("LC_");
        let mut languages: Vec<&str> = environment.lines().filter(language).collect();
        languages.sort_unstable();
        assert_eq!(languages, ["LANG=C.UTF-8", "LANGUAGE=C"]);
    }
}
