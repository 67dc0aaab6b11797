//! The object store as a program of its own on this machine, for tests and benchmarks of its clients.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use pgdrill::object_store::{CA, STATE, Settings, TALLY, Tally};

use super::free_port;

/// What its clients sign with.
pub const SECRET: &str = "bM3tq7ZkWv";

/// Longer than any answer takes.
const MINUTE: Duration = Duration::from_secs(60);

/// One that serves the bucket `backups` to who has `key` and [`SECRET`], until it is dropped.
pub struct ObjectStore {
    dir: tempfile::TempDir,
    process: Child,
    pub port: u16,
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl ObjectStore {
    /// One that this machine alone reaches, as `localhost`.
    pub fn start() -> Self {
        Self::called("localhost", "127.0.0.1")
    }

    /// One with a certificate for this host, at this address.
    pub fn called(host: &str, address: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let settings = Settings {
            root: dir.path().to_owned(),
            bucket: "backups".into(),
            host: host.into(),
            listen: format!("{address}:{port}"),
            access_key: "key".into(),
            secret_key: SECRET.into(),
        };
        let file = dir.path().join("settings.json");
        fs::write(&file, serde_json::to_vec(&settings).unwrap()).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_pgdrill"))
            .arg("object-store")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let store = Self { dir, process, port };
        until(|| store.state(CA).exists());
        store
    }

    /// A file by which it is told, or tells.
    pub fn state(&self, file: &str) -> PathBuf {
        self.dir.path().join(STATE).join(file)
    }

    pub fn path(&self, file: &str) -> String {
        self.dir.path().join(file).display().to_string()
    }

    /// What was asked of it.
    pub fn tally(&self) -> Tally {
        serde_json::from_slice(&fs::read(self.state(TALLY)).unwrap()).unwrap()
    }

    /// As the kernel tells it: `proc_pid_status(5)`, `VmHWM`.
    pub fn peak_memory(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.unwrap_or("unknown").trim().to_owned()
    }
}

/// Waits until something is so.
pub fn until(done: impl Fn() -> bool) {
    let end = Instant::now() + MINUTE;
    while !done() {
        assert!(Instant::now() < end, "it never happened");
        sleep(Duration::from_millis(10));
    }
}
