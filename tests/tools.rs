//! The contract of backup tools: each is driven through the same verbs, on a server of this
//! machine, and does what it says of itself. And the documentation's table says the same.

#![allow(
    clippy::print_stderr,
    reason = "a tool that is not there is told, not failed"
)]

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use pgdrill::{
    backup::{Abilities, Only, Resolved, Site, Stores, Tool, WalArchive, wal},
    event::Listed,
    history::Recorder,
    postgres::{Server, server::SUPERUSER},
    restore::{Recovery, Restore, restore},
    runtime::{
        self, Exec, Mount, NodeSpec, Runtime, Wanted, choose,
        run::{Run, RunId},
    },
    scenario::plan::{BackupKind, Nature, RecoverySignal},
    secret::Secret,
    store::{ClusterStores, Held, LOCAL, Store, only_local},
    units::Bytes,
};

const MINUTE: Duration = Duration::from_secs(60);
const DRILL: &str = "tools-test";
/// Rows at each step: before the first backup, and before each further one.
const ROWS: &str = "insert into t select generate_series(1, 100)";

async fn local() -> Option<(Runtime, u32)> {
    let wanted = Wanted {
        choice: runtime::Choice::Local,
        ..Wanted::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let run = Run::begin(RunId::new(), dir.path()).unwrap();
    let (runtime, _) = choose(&wanted, run, &|_| ()).await.ok()?;
    let major = runtime.majors().into_iter().max()?;
    Some((runtime, major))
}

/// A tool at work: where, and what it needs of its server.
struct Bench {
    runtime: Runtime,
    major: u32,
    recorder: Recorder,
    tool: Tool,
    drill: String,
    settings: BTreeMap<String, String>,
    archive: WalArchive,
    to: [String; 2],
    stores: BTreeMap<String, Store>,
}

impl Bench {
    async fn of(tool: Tool) -> Option<Self> {
        let (runtime, major) = local().await?;
        let to = [LOCAL, "offsite"].map(str::to_owned);
        let archive = tool.archive(&to).unwrap_or_else(|| WalArchive::safe(&to));
        let mut stores = only_local();
        stores.insert(to[1].clone(), Store::default());
        let settings = [
            ("archive_mode", "on"),
            ("wal_level", "replica"),
            ("archive_command", archive.archive_command.as_str()),
        ];
        let demands = tool.abilities().demands;
        let settings = settings.into_iter().chain(demands.iter().copied());
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self {
            runtime,
            major,
            recorder: Recorder::in_memory(),
            drill: format!("{DRILL}-{}", tool.abilities().tool),
            tool,
            settings: settings.collect(),
            archive,
            to,
            stores,
        })
    }

    async fn server(&self, name: &str) -> Server {
        let mount = |store: &String| {
            let mount = Mount {
                store: format!("store.{store}"),
                size: Bytes(0),
                bucket: None,
            };
            (store.clone(), mount)
        };
        let spec = NodeSpec {
            drill: self.drill.clone(),
            name: name.into(),
            postgres: self.major,
            mounts: self.to.iter().map(mount).collect(),
            ..NodeSpec::default()
        };
        let node = self.runtime.create(&spec, &self.recorder).await.unwrap();
        let password = (SUPERUSER.to_owned(), Secret::new("s3cret"));
        Server {
            name: name.into(),
            database: "postgres".into(),
            node,
            passwords: Arc::new([password].into()),
            // A clone archives nothing.
            scratch: name != "primary",
            moved: BTreeMap::new(),
        }
    }

    fn stores(&self) -> ClusterStores<'_> {
        ClusterStores::of_directories(&self.stores)
    }

    fn site<'a>(&'a self, server: &'a Server) -> Site<'a> {
        Site {
            name: "main",
            node: &server.node,
            server,
            to: &self.to,
            stores: self.stores(),
            keep: Some("1d".parse().unwrap()),
            deadline: MINUTE,
            recorder: &self.recorder,
        }
    }

    async fn list(&self, server: &Server) -> Vec<Listed> {
        self.tool.list(&self.site(server)).await.unwrap()
    }

    async fn restored(&self, server: &Server, listed: &Listed, in_place: bool) -> u32 {
        let latest = Resolved {
            settings: vec![],
            by_lsn: None,
            by_us: None,
            timeline: None,
        };
        let request = Restore {
            server,
            backup: ("main", &self.tool),
            stores: (&self.to, self.stores()),
            listed,
            target: &latest,
            recovery: Recovery {
                signal: RecoverySignal::RecoverySignal,
                restore_command: None,
                archive: Some(&self.archive),
                action: None,
            },
            settings: &self.settings,
            in_place,
            only: Only::default(),
            deadline: MINUTE,
        };
        self.tool.configure(&self.site(server)).await.unwrap();
        let record = restore(&request, &self.recorder).await.unwrap();
        assert_eq!(record.nature, self.tool.abilities().nature);
        assert_eq!(record.store, listed.store);
        let rows = server.value("select count(*) from t").await.unwrap();
        rows.parse().unwrap()
    }
}

/// Each kind that the tool takes, with more rows each time; every one is listed in each store as it
/// is, and a copy holds what the first holds.
async fn takes_each_kind(bench: &Bench, primary: &Server, able: &Abilities) -> Vec<Listed> {
    let site = bench.site(primary);
    let mut taken: Vec<Listed> = Vec::new();
    for (index, kind) in able.kinds.iter().enumerate() {
        primary.sql(ROWS).await.unwrap();
        let label = format!("main-{}", index + 1);
        let all = bench.tool.take(&site, *kind, &label).await.unwrap();
        let stores: Vec<&String> = all.iter().map(|one| &one.store).collect();
        assert_eq!(stores, bench.to.iter().collect::<Vec<_>>());
        for one in &all {
            assert_eq!((one.kind, one.nature), (*kind, able.nature));
            assert_eq!(one.tool, able.tool);
            assert!(one.bytes > 0 && one.reaches_lsn().is_some(), "{one:?}");
            let builds_on = matches!(kind, BackupKind::Diff | BackupKind::Incr);
            assert_eq!(one.parent.is_some(), builds_on, "{one:?}");
        }
        let nothing = Listed {
            label: "main-0".into(),
            ..all[0].clone()
        };
        assert!(site.arrived(&bench.tool, nothing).await.is_err());
        let [first, second] = &held(bench, &site, &all).await[..] else {
            panic!("{all:?}");
        };
        assert!(first.files > 0 && second.files > 0);
        assert!(
            able.stores == Stores::Each || first == second,
            "{first:?} {second:?}"
        );
        taken.extend(all);
    }
    let mut names: Vec<String> = taken.iter().map(Listed::name).collect();
    let mut listed: Vec<String> = bench.list(primary).await.iter().map(Listed::name).collect();
    names.sort();
    listed.sort();
    assert_eq!(listed, names);
    taken
}

async fn held(bench: &Bench, site: &Site<'_>, all: &[Listed]) -> Vec<Held> {
    let mut held = Vec::new();
    for one in all {
        held.push(site.held(&bench.tool, one).await.unwrap());
    }
    held
}

/// Its verifier calls good what was taken, and does not what holds nothing any more.
async fn its_verifier_goes_red(bench: &Bench, server: &Server, able: &Abilities, one: &Listed) {
    let site = bench.site(server);
    let word = bench.tool.verify(&site, one).await.unwrap();
    assert_eq!(
        word.as_ref().map(|word| word.good),
        able.verifier.map(|_| true)
    );
    let store = server.node.layout().store(&one.store).display();
    let empty = format!(
        "find {store}/base {store}/dumps {store}/pgbackrest/backup -type f -size +0 \
         ! -name contents.json -exec truncate -s 0 {{}} + 2> /dev/null || :"
    );
    server.node.exec(Exec::shell(empty)).await.unwrap();
    let word = bench.tool.verify(&site, one).await.unwrap();
    assert_eq!(word.map(|word| word.good), able.verifier.map(|_| false));
}

async fn keeps_its_contract(tool: Tool) {
    let able = tool.abilities();
    let Some(bench) = Bench::of(tool).await else {
        return;
    };
    let primary = bench.server("primary").await;
    let bin = &primary.node.layout().bin;
    let mut of_postgres = able.needs.iter().filter(|one| one.at_least.is_none());
    if let Some(missing) = of_postgres.find(|one| !bin.join(one.program).exists()) {
        eprintln!(
            "{} is not installed: {} is not driven",
            missing.name, able.tool
        );
        assert_eq!(bench.runtime.close().await, Vec::<String>::new());
        return;
    }
    let site = bench.site(&primary);
    bench.tool.configure(&site).await.unwrap();
    primary.create(&bench.settings).await.unwrap();
    bench.tool.prepare(&site).await.unwrap();
    assert_eq!(bench.list(&primary).await, []);
    primary.sql("create table t (n int)").await.unwrap();
    let taken = takes_each_kind(&bench, &primary, &able).await;
    primary.sql(ROWS).await.unwrap();
    wal::switch(&primary, true, MINUTE).await.unwrap();

    let [.., in_local, newest] = &taken[..] else {
        panic!("{taken:?}");
    };
    let in_backups = 100 * able.kinds.len() as u32;
    let expected = match able.nature {
        Nature::Physical => in_backups + 100,
        Nature::Logical => in_backups,
    };
    // The first store is cut off: all comes from the other.
    let place = bench.stores().place(&bench.to[0], &primary.node);
    bench.stores[&bench.to[0]].close(place).await.unwrap();
    let there = bench.list(&primary).await;
    assert!(
        there.iter().all(|one| one.store == bench.to[1]),
        "{there:?}"
    );
    assert_eq!(there.len(), able.kinds.len());
    let second = bench.server("second").await;
    assert_eq!(bench.restored(&second, newest, false).await, expected);
    if able.in_place {
        second.sql("truncate t").await.unwrap();
        second.stop(MINUTE).await.unwrap();
        second.stop(MINUTE).await.unwrap();
        assert_eq!(bench.restored(&second, newest, true).await, expected);
    }
    bench.stores[&bench.to[0]].open(place).await.unwrap();
    bench.tool.expire(&site).await.unwrap();
    assert_eq!(bench.list(&primary).await.len(), taken.len());
    its_verifier_goes_red(&bench, &primary, &able, newest).await;
    // The other store is not touched by that.
    let word = bench.tool.verify(&site, in_local).await.unwrap();
    assert_eq!(word.map(|word| word.good), able.verifier.map(|_| true));
    assert_eq!(bench.runtime.close().await, Vec::<String>::new());
}

/// The tools with the options by which they are driven; a script has no usual ones, and
/// `pg_basebackup` has another format.
fn driven() -> impl Iterator<Item = Tool> {
    let script = "{bin}/pg_basebackup -D $PGDRILL_BACKUP -c fast {tablespaces}";
    let dumps = "cd $PGDRILL_BACKUP && {bin}/pg_dumpall --globals-only -f globals.sql && \
                 for name in postgres template1; do {bin}/pg_dump -Fc -d $name -f $name.dump || exit 1; done && \
                 mkdir -p {store.offsite}/dumps && cp -r $PGDRILL_BACKUP {store.offsite}/dumps/";
    let tars = serde_json::json!({ "pg-basebackup": { "format": "tar", "compress": "gzip" } });
    let tars: Tool = serde_json::from_value(tars).unwrap();
    Tool::all()
        .into_iter()
        .chain([tars])
        .map(move |tool| match tool.abilities().tool {
            "command" => serde_json::from_value(serde_json::json!({ "command": script })).unwrap(),
            "dump-command" => {
                serde_json::from_value(serde_json::json!({ "dump-command": dumps })).unwrap()
            }
            _ => tool,
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_keeps_its_contract() {
    for tool in driven() {
        let missing = tool.abilities().needs.iter().find(|needed| {
            let path = std::env::var("PATH").unwrap_or_default();
            let mut places = path
                .split(':')
                .map(|dir| Path::new(dir).join(needed.program));
            needed.at_least.is_some() && !places.any(|file| file.exists())
        });
        match missing {
            None => Box::pin(keeps_its_contract(tool)).await,
            Some(needed) => eprintln!("{} is not installed: not driven", needed.name),
        }
    }
}

fn row(tool: &Tool) -> String {
    let able = tool.abilities();
    let yes = |able: bool| if able { "yes" } else { "–" };
    let kinds: Vec<&str> = able.kinds.iter().map(|kind| kind.word()).collect();
    let needs = able.needs.iter().map(|needed| match needed.at_least {
        Some(version) => format!("{} ≥ {version}", needed.name),
        None => format!("`{}`", needed.name),
    });
    let needs: Vec<String> = needs.collect();
    let (nature, reaches) = match able.nature {
        Nature::Physical => ("physical", "any point, with WAL"),
        Nature::Logical => ("logical", "its snapshot"),
    };
    format!(
        "| `{}` | {nature} | {} | {} | {reaches} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        able.tool,
        kinds.join(", "),
        yes(able.from_elsewhere),
        yes(able.in_place),
        yes(able.some_databases),
        yes(able.archives),
        match able.stores {
            Stores::Copied => "by copies",
            Stores::Each => "takes into each",
        },
        yes(able.speaks_s3),
        able.verifier
            .map_or("–".to_owned(), |verifier| format!("`{verifier}`")),
        if able.aged_by_files {
            "by files' times"
        } else {
            "its own catalog"
        },
        if needs.is_empty() {
            "–".to_owned()
        } else {
            needs.join(", ")
        },
    )
}

/// `PGDRILL_UPDATE_EXPECTED=1` writes the table anew.
#[test]
fn the_table_of_tools_is_as_they_say_themselves() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tools.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- tools -->\n").unwrap();
    let (table, after) = rest.split_once("<!-- end -->").unwrap();
    let head = "| tool | backups are | kinds | on another node | a restore reaches | in place | \
                some databases | archives WAL | several stores | object storage | verifier | ages | needs |\n\
                |---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    let rows: String = Tool::all().iter().map(row).collect();
    let now = format!("{head}{rows}");
    if std::env::var_os("PGDRILL_UPDATE_EXPECTED").is_some() {
        let text = format!("{before}<!-- tools -->\n{now}<!-- end -->{after}");
        std::fs::write(&page, text).unwrap();
        return;
    }
    assert_eq!(table, now, "PGDRILL_UPDATE_EXPECTED=1 writes it anew");
}
