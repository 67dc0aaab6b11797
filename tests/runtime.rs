//! Both runtimes, end to end, on whatever this machine has: what is promised of a node.
//!
//! A runtime that is not there is skipped, with a line that says so; where neither is
//! there the test fails.

mod common {
    use pgdrill::report::terminal::say;
    use pgdrill::runtime::{Choice, NodeSpec, Runtime, Wanted, choose, run::Run, run::RunId};

    pub struct Bench {
        pub runtime: Runtime,
        pub major: u32,
        pub dir: tempfile::TempDir,
    }

    pub async fn bench(choice: Choice) -> Option<Bench> {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::begin(RunId::new(), dir.path()).unwrap();
        let mut wanted = Wanted {
            choice,
            ..Wanted::default()
        };
        if choice == Choice::Docker {
            wanted.versions = vec![(17, Vec::new())];
        }
        match choose(&wanted, run, &say).await {
            Ok((runtime, why)) => {
                say(&why);
                let major = if choice == Choice::Docker {
                    17
                } else {
                    *runtime.majors().last().unwrap()
                };
                Some(Bench {
                    runtime,
                    major,
                    dir,
                })
            }
            Err(why) => {
                say(&format!("skipped: {why}"));
                None
            }
        }
    }

    impl Bench {
        pub fn spec(&self, drill: &str, name: &str) -> NodeSpec {
            NodeSpec {
                drill: drill.into(),
                name: name.into(),
                postgres: self.major,
                ..NodeSpec::default()
            }
        }
    }
}

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::bench;
use pgdrill::{
    event::EventKind,
    history::Recorder,
    report::terminal::say,
    runtime::{
        Choice, Exec, Node, POSTGRES_PORT, Runtime, RuntimeError,
        exec::CommandFailed,
        leftover,
        run::{Inventory, Life},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn local_nodes_do_what_nodes_must() {
    let Some(bench) = bench(Choice::Local).await else {
        return;
    };
    promises(&bench).await;
    assert_eq!(bench.runtime.close().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_nodes_do_what_nodes_must() {
    let Some(bench) = bench(Choice::Docker).await else {
        return;
    };
    promises(&bench).await;
    network(&bench).await;
    assert_eq!(bench.runtime.close().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_on_this_machine_is_reaped() {
    reaping(Choice::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_in_the_engine_is_reaped() {
    reaping(Choice::Docker).await;
}

#[tokio::test]
async fn this_machine_has_a_runtime() {
    assert!(bench(Choice::Auto).await.is_some());
}

async fn promises(bench: &common::Bench) {
    let recorder = Recorder::in_memory();
    let spec = bench.spec("promises", "primary");
    let node = bench.runtime.create(&spec, &recorder).await.unwrap();
    let again = bench.runtime.create(&spec, &recorder).await;
    assert!(again.is_err(), "there is one of that name, left as it is");
    commands(&node, &recorder).await;
    deadlines(&node).await;
    files(&node).await;
    server(&node).await;
    removal(bench, node).await;
}

async fn commands(node: &Node, recorder: &Recorder) {
    let echo = Exec::shell("cat; echo err >&2; exit 3")
        .stdin("in")
        .allow(3);
    let output = node.exec(echo).await.unwrap();
    assert_eq!((output.exit, output.text().as_str()), (3, "in"));
    assert_eq!(output.stderr, b"err\n");
    let last = recorder.events().pop().unwrap().kind;
    let EventKind::Command(record) = last else {
        panic!("{last:?}")
    };
    assert_eq!((record.exit, record.stdout.as_str()), (3, "in"));

    let output = node
        .exec(Exec::new(["id", "-u"]).unrecorded())
        .await
        .unwrap();
    assert_ne!(output.text().trim(), "0", "commands must not run as root");
    let secret = Exec::shell("printf %s \"$WORD\"").env("WORD", "from outside");
    assert_eq!(node.exec(secret).await.unwrap().text(), "from outside");
    let bin = Exec::shell("command -v initdb");
    let found = node.exec(bin).await.unwrap().text();
    assert!(
        found.starts_with(node.layout().bin.to_str().unwrap()),
        "{found}"
    );

    let failed = failure(node, Exec::shell("echo why; exit 7")).await;
    assert_eq!((failed.exit, failed.tail.as_str()), (7, "why"));
    let failed = failure(node, Exec::new(["no-such-program"])).await;
    assert!([-1, 127].contains(&failed.exit), "{failed}");

    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let mut streamed = Exec::shell("echo one; sleep 1; echo two");
    streamed.lines = Some(sender);
    let running = tokio::spawn({
        let node = node.clone();
        async move { node.exec(streamed).await.unwrap().took }
    });
    assert_eq!(lines.recv().await.as_deref(), Some("one"));
    assert!(!running.is_finished(), "lines come while it runs");
    assert_eq!(lines.recv().await.as_deref(), Some("two"));
    assert!(running.await.unwrap() >= Duration::from_secs(1));
}

async fn failure(node: &Node, exec: Exec) -> CommandFailed {
    match node.exec(exec).await {
        Err(RuntimeError::Command(failed)) => failed,
        other => panic!("{other:?}"),
    }
}

async fn deadlines(node: &Node) {
    let began = Instant::now();
    // On `local` one sees the sleepers of all other tests too.
    let sleep = format!("sleep {}", 1_000_000 + u64::from(rand::random::<u32>()));
    let stubborn =
        Exec::shell(format!("trap '' TERM; {sleep} & {sleep}")).within(Duration::from_millis(500));
    let failed = failure(node, stubborn).await;
    assert_eq!(failed.timed_out, Some(Duration::from_millis(500)));
    assert!(began.elapsed() < Duration::from_secs(20));
    let marked = "for p in /proc/[0-9]*; do tr '\\0' ' ' 2>/dev/null <$p/cmdline; echo; done";
    let running = node.exec(Exec::shell(marked)).await.unwrap().text();
    let left = running.lines().filter(|line| line.trim() == sleep);
    assert_eq!(left.count(), 0, "{running}");
}

async fn files(node: &Node) {
    let path = node.layout().run.join("file with spaces");
    let content: Vec<u8> = (0..300_000_u32).map(|n| ((n * 7919) >> 3) as u8).collect();
    node.put(&path, &content, 0o600).await.unwrap();
    assert_eq!(node.get(&path).await.unwrap(), content);
    let shown = path.display().to_string();
    let stat = node.exec(Exec::new(["stat", "-c", "%a %U", &shown])).await;
    let who = node.exec(Exec::new(["id", "-un"])).await.unwrap().text();
    assert_eq!(stat.unwrap().text(), format!("600 {who}"));
    node.put(&path, b"", 0o755).await.unwrap();
    assert_eq!(node.get(&path).await.unwrap(), b"");
    assert!(node.get(&node.layout().run.join("none")).await.is_err());
}

/// The layout carries a server, its storage outlives a kill, and its port is reached.
async fn server(node: &Node) {
    let layout = node.layout();
    let [data, template, run] =
        [&layout.data, &layout.template, &layout.run].map(|path| path.display());
    let port = node.port(POSTGRES_PORT);
    // What a killed server left may name the process id of the new one, and say "ready" for it.
    let start = format!(
        "rm -f '{data}/postmaster.pid' && pg_ctl -D '{data}' -w -t 30 -l '{run}/log' -o \"-p {port} -k '{run}' -h '*'\" start"
    );
    let create = format!("tar -C '{data}' -xf '{template}' && chmod 700 '{data}' && {start}");
    node.exec(Exec::shell(create)).await.unwrap();
    reached(node).await;
    let stats = node.stats().await.unwrap();
    assert!(stats.memory > 1_000_000, "{stats:?}");
    // On `local` its time is counted in hundredths of a second, and its files may lie in memory.
    if matches!(node, Node::Docker(_)) {
        assert!(stats.cpu > Duration::ZERO, "{stats:?}");
        assert!(stats.written_bytes > 0, "{stats:?}");
    }

    node.kill().await.unwrap();
    assert!(node.exec(Exec::new(["true"])).await.is_err(), "it is down");
    node.start().await.unwrap();
    node.exec(Exec::shell(start)).await.unwrap();
    reached(node).await;
    let log = node.get(&layout.run.join("log")).await.unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("was interrupted"), "it was killed: {log}");
}

async fn reached(node: &Node) {
    let (host, port) = node.address(POSTGRES_PORT).await.unwrap();
    let connected = tokio::net::TcpStream::connect((host.as_str(), port)).await;
    assert!(connected.is_ok(), "{host}:{port}: {connected:?}");
}

async fn removal(bench: &common::Bench, node: Node) {
    let store = node.layout().store("local").display().to_string();
    let kept = Path::new(&store).join("kept");
    node.put(&kept, b"backup", 0o600).await.unwrap();
    let closed = Exec::new(["chmod", "500", &store]);
    node.exec(closed).await.unwrap();
    node.remove().await.unwrap();
    assert!(node.exec(Exec::new(["true"])).await.is_err());
    let spec = bench.spec("promises", "store");
    let second = bench.runtime.create(&spec, &Recorder::in_memory()).await;
    let second = second.unwrap();
    assert_eq!(second.get(&kept).await.unwrap(), b"backup");
    let mode = Exec::new(["stat", "-c", "%a", &store]);
    let mode = second.exec(mode).await.unwrap().text();
    assert_eq!(mode.trim(), "500", "a new node opens no store");
    let left = bench.runtime.close_drill("promises").await;
    assert_eq!(left, Vec::<String>::new());
    assert!(second.exec(Exec::new(["true"])).await.is_err());
    let inventory = std::fs::read_to_string(bench.dir.path().join("inventory.jsonl"));
    assert!(!inventory.unwrap().is_empty());
}

/// A node is reached by the others of its drill.
async fn network(bench: &common::Bench) {
    let recorder = Recorder::in_memory();
    let create = async |name| {
        let spec = bench.spec("network", name);
        bench.runtime.create(&spec, &recorder).await.unwrap()
    };
    let (one, two) = (create("one").await, create("two").await);
    server(&two).await;
    let meet = Exec::new(["bash", "-c", "exec 3<>/dev/tcp/two/5432"]);
    one.exec(meet).await.unwrap();
    let left = bench.runtime.close_drill("network").await;
    assert_eq!(left, Vec::<String>::new());
}

/// Variable that tells the test below which runtime to use.
const OWNED: &str = "PGDRILL_TEST_OWNED_RUNTIME";

/// Not a test: the owner that `reaping` starts and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests of reaping"]
async fn an_owner_to_be_killed() {
    let choice = match std::env::var(OWNED).as_deref() {
        Ok("docker") => Choice::Docker,
        _ => Choice::Local,
    };
    let bench = bench(choice).await.unwrap();
    let spec = bench.spec("owned", "primary");
    let node = bench.runtime.create(&spec, &Recorder::in_memory()).await;
    let node = node.unwrap();
    let inventory = bench.dir.path().join("inventory.jsonl");
    say(&format!("inventory {}", inventory.display()));
    server(&node).await;
    say("ready");
    node.exec(Exec::new(["sleep", "1000"])).await.unwrap();
}

async fn reaping(choice: Choice) {
    let Some(bench) = bench(choice).await else {
        return;
    };
    let mut owner = owner(choice);
    let lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    let lines: Vec<String> = lines
        .map_while(Result::ok)
        .inspect(|line| say(line))
        .take_while(|line| line != "ready")
        .collect();
    let inventory = lines
        .iter()
        .find_map(|line| line.strip_prefix("inventory "));
    let inventory = std::path::PathBuf::from(inventory.unwrap());
    let id = run_of(&inventory);
    bench.runtime.reap().await;
    assert_eq!(lives(&bench, &id).await, Some(Life::Live), "not touched");
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_eq!(lives(&bench, &id).await, Some(Life::Dead));
    // Another run on this machine may reap it first: what counts is that it is gone.
    let reaped = bench.runtime.reap().await;
    assert_eq!(lives(&bench, &id).await, None, "{reaped:?}");
    assert_eq!(reaped.failures, Vec::<String>::new());
    std::fs::remove_dir_all(inventory.parent().unwrap()).unwrap();
}

fn owner(choice: Choice) -> std::process::Child {
    let name = match choice {
        Choice::Docker => "docker",
        Choice::Local | Choice::Auto => "local",
    };
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "an_owner_to_be_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(OWNED, name)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The run, from the name of the first thing in its inventory.
fn run_of(inventory: &Path) -> String {
    let items = Inventory::read(inventory);
    let name = items[0].name.split("pgdrill-").nth(1).unwrap().to_owned();
    name.split('-').next().unwrap().to_owned()
}

async fn lives(bench: &common::Bench, id: &str) -> Option<Life> {
    let engine = match &bench.runtime {
        Runtime::Docker(docker) => Some(docker.engine()),
        Runtime::Local(_) => None,
    };
    let found = leftover::find(&[std::env::temp_dir()], engine)
        .await
        .unwrap();
    let ours = found.iter().find(|found| found.describe().contains(id));
    ours.map(|found| found.life)
}
