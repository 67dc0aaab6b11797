//! Faults of the world around a run: each is a clear error with its place and a hint, an
//! exit code as documented, and nothing left behind.

mod cli;

use std::{
    collections::BTreeMap,
    io::Read,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use cli::{
    has_engine, has_postgres, left_in, pgdrill, place, postgres_bin, servers_of, told, told_until,
};
use pgdrill::{
    history::Recorder,
    postgres::Server,
    runtime::{Choice, NodeSpec, Wanted, choose, run::Run, run::RunId},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

/// A short drill that passes; `more` is further YAML.
fn scenario(dir: &Path, strategy: &str, more: &str) -> String {
    let file = dir.join("short.yaml");
    let text = format!(
        "name: short\nabout: A table is dropped.\ntags: [quick]\n\
         data: {{ model: dual-tenant, size: 20MB }}\n\
         workloads:\n  oa: {{ clients: 1, rate: 20/s }}\n\
         strategy: {strategy}\n{more}\
         steps:\n  - backup: {{ kind: full }}\n  - run: 1s\n  - inject: {{ drop-table: internal_oa.users }}\n  \
         - switch-wal\n  - restore: {{ into: scratch, target: {{ before: fault }} }}\n  \
         - salvage: {{ tables: [internal_oa.users], into: primary }}\n  - verify: primary\n  - run: 1s\n\
         objectives:\n  oa: {{ rpo: 5m, rto: 30m }}\n"
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

const STRATEGY: &str = "base-and-wal";

/// A run on `local` with everything below one directory.
struct Local {
    tmp: TempDir,
    reports: TempDir,
}

impl Local {
    fn new() -> Self {
        Self {
            tmp: place(),
            reports: place(),
        }
    }

    fn run(&self, scenario: &str, more: &[&str]) -> Output {
        let reports = self.reports.path().display().to_string();
        let mut arguments = vec!["run", scenario, "--runtime=local", "--reports", &reports];
        arguments.extend(more);
        let mut command = pgdrill(&arguments, self.tmp.path());
        command.stdout(Stdio::piped()).output().unwrap()
    }

    fn left_nothing(&self) {
        assert_eq!(left_in(self.tmp.path()), Vec::<String>::new());
        assert_eq!(servers_of(self.tmp.path()), 0);
    }
}

fn assert_told(told: &str, all: &[&str]) {
    for part in all {
        assert!(told.contains(part), "`{part}` is missing:\n{told}");
    }
}

#[test]
fn a_server_that_dies_at_its_start_shows_its_log() {
    if !has_postgres() {
        return;
    }
    let local = Local::new();
    let settings = "servers: { primary: { settings: { shared_buffers: 1kB } } }\n";
    let file = scenario(local.reports.path(), STRATEGY, settings);
    let output = local.run(&file, &[]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_told(
        &told,
        &[
            "server `primary` did not start",
            "| ",
            "outside the valid range",
        ],
    );
    local.left_nothing();
}

#[test]
fn a_strategy_whose_tool_is_missing_fails_and_names_it() {
    if !has_postgres() {
        return;
    }
    let local = Local::new();
    let strategy = "\n  about: A tool that is not there.\n  settings: { wal_level: replica, archive_mode: on }\n  \
                    full: { command: 'no-such-tool backup-push {data}' }\n  \
                    retention: { full: 30d, wal: 45d }\n  \
                    recovery: { restore_command: 'cp {archive}/%f %p' }";
    let file = scenario(local.reports.path(), strategy, "");
    let output = local.run(&file, &[]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_told(&told, &["exited with 127: ", "no-such-tool"]);
    local.left_nothing();
}

#[test]
fn programs_that_lack_a_tool_or_are_too_old_are_refused() {
    let Some(bin) = postgres_bin() else { return };
    let local = Local::new();
    let file = scenario(local.reports.path(), STRATEGY, "");
    let programs = local.reports.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    for program in ["initdb", "pg_ctl", "pg_dump", "psql", "postgres"] {
        symlink(bin.join(program), programs.join(program)).unwrap();
    }
    let place = programs.display().to_string();
    let refused = |why: &str| {
        let output = local.run(&file, &["--pg-bin", &place]);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert_told(&told, &["error: ", &place, why, "hint: "]);
        local.left_nothing();
    };
    refused("it lacks `pg_basebackup`");

    symlink(bin.join("pg_basebackup"), programs.join("pg_basebackup")).unwrap();
    std::fs::remove_file(programs.join("postgres")).unwrap();
    let old = "#!/bin/sh\necho 'postgres (PostgreSQL) 12.22'\n";
    std::fs::write(programs.join("postgres"), old).unwrap();
    make_executable(&programs.join("postgres"));
    refused("PostgreSQL 12.22 is none of the supported");
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_port_that_somebody_took_is_told_and_nothing_is_left() {
    let (tmp, dir) = (place(), place());
    let wanted = Wanted {
        choice: Choice::Local,
        local_dir: Some(tmp.path().to_owned()),
        ..Wanted::default()
    };
    let run = Run::begin(RunId::new(), dir.path()).unwrap();
    let Ok((runtime, _)) = choose(&wanted, run, &|_| ()).await else {
        return;
    };
    let spec = NodeSpec {
        drill: "port".into(),
        name: "primary".into(),
        postgres: *runtime.majors().last().unwrap(),
        ..NodeSpec::default()
    };
    let node = runtime.create(&spec, &Recorder::in_memory()).await.unwrap();
    // Only one who insists on this very port gets it.
    let _stranger = TcpListener::bind(("127.0.0.1", node.port())).unwrap();
    let server = Server {
        name: "primary".into(),
        node,
        passwords: Arc::default(),
        scratch: false,
    };
    let error = server.create(&BTreeMap::new()).await.unwrap_err();
    assert_told(
        &error.to_string(),
        &["server `primary` did not start", "Address already in use"],
    );
    assert_eq!(runtime.close().await, Vec::<String>::new());
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
}

/// A file system of its own; none where we may not mount.
struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, options: &str) -> Option<Self> {
        let options = format!("{options},mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "pgdrill-test"])
            .arg(dir)
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self(dir.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.unwrap().success() || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_below_the_servers_is_told_and_nothing_is_left() {
    if !has_postgres() {
        return;
    }
    // Full while the cluster is made, and while it is packed.
    for size in ["20m", "70m"] {
        let local = Local::new();
        let Some(_mount) = Mount::new(local.tmp.path(), &format!("size={size}")) else {
            return;
        };
        let file = scenario(local.reports.path(), STRATEGY, "");
        let output = local.run(&file, &[]);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{size}: {told}");
        // PostgreSQL says it in its own words, and `tar` not at all.
        let full = [
            "the disk is full",
            "No space left on device",
            "Check free disk space",
        ];
        assert!(full.iter().any(|why| told.contains(why)), "{told}");
        local.left_nothing();
    }
}

#[test]
fn a_full_disk_below_the_reports_is_told_and_nothing_is_left() {
    if !has_postgres() {
        return;
    }
    // Full at the first file, while the history is written, and with the reports.
    for size in ["4k", "64k", "300k"] {
        let local = Local::new();
        let file = scenario(local.tmp.path(), STRATEGY, "");
        let Some(_mount) = Mount::new(local.reports.path(), &format!("size={size}")) else {
            return;
        };
        let output = local.run(&file, &[]);
        let told = told(&output);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(output.status.code(), Some(2), "{size}: {told}");
        assert_told(&told, &["No space left on device"]);
        local.left_nothing();
    }
}

#[test]
fn reports_that_cannot_be_written_are_refused_before_anything_is_created() {
    let local = Local::new();
    let file = scenario(local.tmp.path(), STRATEGY, "");
    let Some(_mount) = Mount::new(local.reports.path(), "ro") else {
        return;
    };
    let output = local.run(&file, &[]);
    let told = told(&output);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert_told(&told, &["Read-only file system", "hint: ", "--reports"]);
    local.left_nothing();
}

/// Two runs at the same time that share all they can.
fn two_at_once(runtime: &str) {
    let (tmp, reports) = (place(), place());
    let file = scenario(reports.path(), STRATEGY, "");
    let place = reports.path().display().to_string();
    let arguments = ["run", &file, "--runtime", runtime, "--reports", &place];
    let both = [(), ()].map(|()| {
        let mut command = pgdrill(&arguments, tmp.path());
        command.stdout(Stdio::piped()).spawn().unwrap()
    });
    for child in both {
        let output = child.wait_with_output().unwrap();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(!told.contains("removed what"), "{told}");
    }
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
    let runs = left_in(reports.path());
    let mut runs: Vec<&String> = runs.iter().filter(|name| name.contains('-')).collect();
    runs.sort();
    assert_eq!(runs.len(), 2, "each has its own directory: {runs:?}");
    for run in runs {
        assert_eq!(of_run_in_engine(run), "");
    }
}

#[test]
fn two_runs_at_once_leave_each_other_alone_on_this_machine() {
    if has_postgres() {
        two_at_once("local");
    }
}

#[test]
fn two_runs_at_once_leave_each_other_alone_in_the_engine() {
    if has_engine() {
        two_at_once("docker");
    }
}

/// What the engine has of a run, by the name of its directory.
fn of_run_in_engine(dir: &str) -> String {
    if !has_engine() {
        return String::new();
    }
    let (_, run) = dir.rsplit_once('-').unwrap();
    let label = format!("label=pgdrill.run={run}");
    let listed = |arguments: &[&str]| {
        let mut command = Command::new("docker");
        let output = command.args(arguments).args(["-q", "--filter", &label]);
        String::from_utf8(output.output().unwrap().stdout).unwrap()
    };
    listed(&["ps", "-a"]) + &listed(&["volume", "ls"]) + &listed(&["network", "ls"])
}

/// An engine's socket that can be taken away.
struct Engine {
    _dir: TempDir,
    socket: PathBuf,
    serving: JoinHandle<()>,
}

impl Engine {
    fn serve<F: Future<Output = ()> + Send + 'static>(
        answer: impl Fn(UnixStream) -> F + Send + 'static,
    ) -> Self {
        let dir = place();
        let socket = dir.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(answer(connection));
            }
        });
        Self {
            _dir: dir,
            socket,
            serving,
        }
    }

    /// The machine's own engine, by a way that can be cut.
    fn behind_proxy() -> Self {
        Self::serve(|mut near| async move {
            let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
            // Either side may hang up at any time.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        })
    }

    /// One that has the base images only, and cannot build.
    fn without_images() -> Self {
        Self::serve(|connection| async move {
            let mut connection = BufReader::new(connection);
            let request = request(&mut connection).await;
            let (status, body) = match request.as_str() {
                path if path.contains("/version") => {
                    (200, r#"{"Version":"1","ApiVersion":"1.41"}"#)
                }
                path if path.contains("/build") => (
                    500,
                    r#"{"message":"write /var/lib/docker/tmp: no space left on device"}"#,
                ),
                path if path.contains("/images/debian") => (200, r#"{"Id":"sha256:0"}"#),
                _ => (404, r#"{"message":"No such image"}"#),
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
        })
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Cuts every connection; there are no new ones.
    async fn stop(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

/// Reads a request to its end and returns its first line.
async fn request(connection: &mut BufReader<UnixStream>) -> String {
    let (mut head, mut line) = (Vec::new(), String::new());
    while connection.read_line(&mut line).await.unwrap() > 2 {
        head.push(std::mem::take(&mut line).to_ascii_lowercase());
    }
    if head.iter().any(|line| line.contains("chunked")) {
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") && connection.read_buf(&mut body).await.unwrap() > 0 {}
    }
    head.first().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_missing_and_cannot_be_made_is_told() {
    let engine = Engine::without_images();
    let local = Local::new();
    let file = scenario(local.reports.path(), STRATEGY, "");
    let reports = local.reports.path().display().to_string();
    let run = async |more: &[&str]| {
        let mut arguments = vec!["run", &file, "--postgres=17", "--reports", &reports];
        arguments.extend(more);
        let mut command = pgdrill(&arguments, local.tmp.path());
        command.env("DOCKER_HOST", engine.host());
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    };
    for (more, further) in [
        (&["--runtime=docker"][..], "docker"),
        (
            &["--pg-bin=/nowhere"],
            "local: `/nowhere` can't be drilled with",
        ),
    ] {
        let output = run(more).await;
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let cause = "no space left on device";
        assert_told(
            &told,
            &["error: ", "the image `pgdrill-server:17-", cause, further],
        );
        local.left_nothing();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_engine_has_no_image_auto_takes_this_machine() {
    if !has_postgres() {
        return;
    }
    let engine = Engine::without_images();
    let local = Local::new();
    let file = scenario(local.reports.path(), STRATEGY, "");
    let reports = local.reports.path().display().to_string();
    let mut command = pgdrill(&["run", &file, "--reports", &reports], local.tmp.path());
    command.env("DOCKER_HOST", engine.host());
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = ended.await.unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_told(
        &told,
        &["runtime local: ", "(not docker: ", "pgdrill-server:"],
    );
    local.left_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_ends_the_run_as_unknown_and_clean_removes_the_rest() {
    if !has_engine() {
        return;
    }
    let engine = Engine::behind_proxy();
    let local = Local::new();
    let file = scenario(local.reports.path(), STRATEGY, "");
    let reports = local.reports.path().display().to_string();
    let arguments = ["run", &file, "--runtime=docker", "--reports", &reports];
    let mut command = pgdrill(&arguments, local.tmp.path());
    let mut child = command.env("DOCKER_HOST", engine.host()).spawn().unwrap();
    let drilling = tokio::task::spawn_blocking(move || {
        let rest = told_until(&mut child, " 2/");
        (child, rest)
    });
    let (mut child, mut rest) = drilling.await.unwrap();
    engine.stop().await;
    let ended = tokio::task::spawn_blocking(move || {
        let mut told = String::new();
        rest.read_to_string(&mut told).unwrap();
        (child.wait().unwrap(), told)
    });
    let (status, told) = ended.await.unwrap();
    assert_eq!(status.code(), Some(2), "{told}");
    assert_told(
        &told,
        &["the container engine stopped answering", "pgdrill clean"],
    );

    let dirs = left_in(local.reports.path());
    let dir = dirs.iter().find(|name| name.contains("Z-")).unwrap();
    let run = std::fs::read_to_string(local.reports.path().join(dir).join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["drills"][0]["judged"]["verdict"], "unknown", "{told}");
    assert_ne!(of_run_in_engine(dir), "", "nobody could remove it");
    let clean = pgdrill(&["clean", "--reports", &reports], local.tmp.path());
    let cleaned = { clean }.output().unwrap();
    assert_eq!(cleaned.status.code(), Some(0), "{}", cli::told(&cleaned));
    assert_eq!(of_run_in_engine(dir), "");
}
