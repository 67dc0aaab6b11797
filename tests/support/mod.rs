//! A private PostgreSQL of this machine, for tests and benchmarks that need a real one.

#![allow(dead_code, reason = "each test uses its own part of it")]

pub mod object_store;
pub mod plan;

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use pgdrill::{
    history::Recorder,
    model::{Model, Scripts},
    postgres::{Access, Tls},
    secret::Secret,
    units::Bytes,
};

/// A running server in a private directory; stopped and removed when dropped.
pub struct Server {
    bin: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
    superuser: Secret,
}

impl Server {
    /// Starts one with these further settings; none where the machine has no PostgreSQL.
    pub fn start(settings: &str) -> Option<Self> {
        let bin = newest_bin()?;
        let dir = tempfile::Builder::new()
            .prefix("pgdrill-test-")
            .tempdir()
            .unwrap();
        let server = Self {
            bin,
            dir,
            port: free_port(),
            superuser: Secret::random(),
        };
        server.own(server.dir.path());
        server.init();
        let config = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n{settings}\n",
            server.port,
            server.dir.path().display()
        );
        let file = server.path("data/postgresql.conf");
        let base = fs::read_to_string(&file).unwrap();
        fs::write(&file, base + &config).unwrap();
        server.up();
        Some(server)
    }

    /// The superuser's access.
    pub fn access(&self) -> Access {
        Access {
            host: "127.0.0.1".into(),
            port: self.port,
            database: "postgres".into(),
            user: "postgres".into(),
            password: self.superuser.clone(),
            tls: Tls::Off,
        }
    }

    /// Creates and fills the shipped model; returns its roles' passwords.
    pub async fn load(&self, size: u64, recorder: &Recorder) -> BTreeMap<String, Secret> {
        let model = Model::named("dual-tenant").unwrap();
        let roles = model.login_roles().iter().cloned();
        let passwords = roles.map(|role| (role, Secret::random())).collect();
        let (access, scripts) = (self.access(), self.scripts(&model));
        let psql = async |arguments: Vec<String>| self.psql(&arguments);
        let created = model.create(&access, &scripts, &passwords, &psql).await;
        created.unwrap();
        let loading = model.load(&access, (Bytes(size), 42), &scripts, &psql, recorder);
        loading.await.unwrap();
        passwords
    }

    /// The model's scripts in a directory, and another for its tablespaces.
    pub fn scripts(&self, model: &Model) -> Scripts {
        let scripts = Scripts {
            dir: self.directory("model"),
            tablespace_dir: self.directory("tablespaces"),
        };
        for name in &model.manifest.tablespaces {
            self.directory(&format!("tablespaces/{name}"));
        }
        for (name, content) in model.scripts().unwrap() {
            let path = self.path("model").join(name);
            fs::write(&path, content).unwrap();
            self.own(&path);
        }
        scripts
    }

    /// As a model wants it executed.
    pub fn psql(&self, arguments: &[String]) -> Result<(), String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.tool("psql", &arguments);
        Ok(())
    }

    /// A new empty directory of the server's user.
    pub fn directory(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        self.own(&path);
        path.display().to_string()
    }

    /// Starts the server.
    pub fn up(&self) {
        let log = self.path("log").display().to_string();
        self.pg_ctl(&["-l", &log, "start"]);
    }

    /// Stops the server: `fast` or `immediate`.
    pub fn down(&self, mode: &str) {
        self.pg_ctl(&["-m", mode, "stop"]);
    }

    /// Runs one of PostgreSQL's programs as the server's user, connected to the server.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(program);
        let access = self.access();
        command
            .args(arguments)
            .env("PGHOST", &access.host)
            .env("PGPORT", access.port.to_string())
            .env("PGUSER", &access.user)
            .env("PGDATABASE", &access.database)
            .env("PGPASSWORD", access.password.reveal());
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
        output
    }

    /// A path in the private directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Gives a path to the server's user.
    pub fn own(&self, path: &Path) {
        if let Some((uid, gid)) = server_user() {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    fn init(&self) {
        let password = self.path("password");
        fs::write(&password, self.superuser.reveal()).unwrap();
        self.own(&password);
        let (data, password) = (self.path("data"), password.display().to_string());
        let mut command = self.command("initdb");
        command.args(["--no-sync", "-U", "postgres", "-A", "scram-sha-256"]);
        command.args(["-E", "UTF8", "--locale", "C.UTF-8", "--data-checksums"]);
        command.args(["--pwfile", &password, "-D"]).arg(data);
        command.stdout(std::process::Stdio::null());
        run(&mut command);
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = self.command("pg_ctl");
        command
            .arg("-w")
            .arg("-D")
            .arg(self.path("data"))
            .args(arguments);
        command.stdout(std::process::Stdio::null());
        run(&mut command);
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        // Its user can't read the home directory of whoever runs the tests.
        command
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path());
        if let Some((uid, gid)) = server_user() {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.path("data/postmaster.pid").exists() {
            self.down("immediate");
        }
    }
}

fn run(command: &mut Command) {
    // Not `output`: the server would keep a pipe open.
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// The server refuses to run as root: then it is `postgres`.
fn server_user() -> Option<(u32, u32)> {
    let user = nix::unistd::User::from_name("postgres").ok().flatten()?;
    nix::unistd::geteuid()
        .is_root()
        .then(|| (user.uid.as_raw(), user.gid.as_raw()))
}

fn newest_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let bins = versions.flatten().map(|entry| entry.path().join("bin"));
    let mut bins: Vec<PathBuf> = bins.filter(|bin| bin.join("postgres").exists()).collect();
    bins.sort();
    bins.pop()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
