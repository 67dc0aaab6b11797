//! Faults of the world around a run: each is a clear error with its place and a hint, an
//! exit code as documented, and nothing left behind.

#[path = "../cli/mod.rs"]
mod cli;
mod disk;
mod engine;
mod proxy;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use cli::{has_engine, has_postgres, left_in, pgdrill, place, postgres_bin, servers_of, told};
use pgdrill::{
    history::Recorder,
    postgres::Server,
    runtime::{Choice, NodeSpec, POSTGRES_PORT, Wanted, choose, run::Run, run::RunId},
};
use tempfile::TempDir;

/// A short drill that passes; `more` is further YAML.
fn scenario(dir: &Path, strategy: &str, more: &str) -> String {
    let file = dir.join("short.yaml");
    let text = format!(
        "name: short\nabout: A table is dropped.\ntags: [quick]\n\
         data: {{ model: dual-tenant, size: 20MB }}\n\
         workloads:\n  oa: {{ clients: 1, rate: 20/s }}\n\
         strategy: {strategy}\n{more}\
         steps:\n  - backup: main\n  - run: 1s\n  - inject: {{ drop-table: internal_oa.users }}\n  \
         - switch-wal\n  - restore: {{ into: scratch, target: {{ before: fault }} }}\n  \
         - salvage: {{ tables: [internal_oa.users], into: primary }}\n  - verify: primary\n  - run: 1s\n\
         objectives:\n  oa: {{ rpo: 5m, rto: 30m }}\n"
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

const STRATEGY: &str = "base-and-wal";

/// Where a run has its private directories and its reports.
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

    fn command(&self, scenario: &str, more: &[&str]) -> Command {
        let reports = self.reports.path().display().to_string();
        let mut arguments = vec!["run", scenario, "--reports", &reports];
        arguments.extend(more);
        let mut command = pgdrill(&arguments, self.tmp.path());
        command.stdout(Stdio::piped());
        command
    }

    /// A run on this machine, to its end.
    fn run(&self, scenario: &str, more: &[&str]) -> Output {
        let more = [&["--runtime=local"], more].concat();
        self.command(scenario, &more).output().unwrap()
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
                    backups: { main: { command: 'no-such-tool backup-push {data}' } }\n  \
                    retention: { wal: 45d }\n  \
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
    let _stranger = TcpListener::bind(("127.0.0.1", node.port(POSTGRES_PORT))).unwrap();
    let server = Server {
        name: "primary".into(),
        node,
        database: "postgres".into(),
        passwords: Arc::default(),
        scratch: false,
        moved: BTreeMap::new(),
    };
    let error = server.create(&BTreeMap::new()).await.unwrap_err();
    assert_told(
        &error.to_string(),
        &["server `primary` did not start", "Address already in use"],
    );
    assert_eq!(runtime.close().await, Vec::<String>::new());
    assert_eq!(left_in(tmp.path()), Vec::<String>::new());
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
        let _alone = ALONE.blocking_lock();
        two_at_once("docker");
    }
}

/// Held by those who use the engine: a run removes what another one left in it.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
