//! A server, its backup, a bad statement and point-in-time recovery, without a data
//! model and without clients: the mechanics under every drill.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pgdrill::{
    backup::{Only, Resolved, Site, Tool, WalArchive, wal},
    event::{BackupRecord, BoundaryKind, FaultRecord, Listed},
    fault::{DamageIndex, DamageTable, DropTable, Fault, Injection, UpdateRows},
    history::Recorder,
    postgres::{Server, lsn, server::SUPERUSER},
    restore::{
        Recovery, Restore, restore,
        target::{Choice, Known, Taken, choose, resolve},
    },
    runtime::{
        self, Exec, NodeSpec, Runtime, Wanted, choose as choose_runtime,
        run::{Run, RunId},
    },
    scenario::plan::{BackupKind, RecoverySignal, Target, TargetAction},
    secret::Secret,
    store::{ClusterStores, LOCAL, Store, only_local},
};

async fn inject(server: &Server, fault: &Fault, recorder: &Recorder) -> FaultRecord {
    let archive = WalArchive::safe(&[LOCAL.to_owned()]);
    let stores = only_local();
    let injection = Injection {
        name: "it",
        fault,
        server,
        stores: ClusterStores::of_directories(&stores),
        archive: Some(&archive),
        recorder,
    };
    fault.inject(&injection).await.unwrap()
}

async fn local() -> Option<(Runtime, u32)> {
    let wanted = Wanted {
        choice: runtime::Choice::Local,
        ..Wanted::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let run = Run::begin(RunId::new(), dir.path()).unwrap();
    let (runtime, _) = choose_runtime(&wanted, run, &|_| ()).await.ok()?;
    let major = runtime.majors().into_iter().max()?;
    Some((runtime, major))
}

async fn server(
    runtime: &Runtime,
    drill: &str,
    name: &str,
    postgres: u32,
    recorder: &Recorder,
) -> Server {
    let spec = NodeSpec {
        drill: drill.into(),
        name: name.into(),
        postgres,
        ..NodeSpec::default()
    };
    let node = runtime.create(&spec, recorder).await.unwrap();
    let passwords = Arc::new(BTreeMap::from([(
        SUPERUSER.to_owned(),
        Secret::new("s3cret"),
    )]));
    Server {
        name: name.into(),
        node,
        database: "postgres".into(),
        passwords,
        scratch: name == "scratch",
        moved: BTreeMap::new(),
    }
}

fn settings(archive: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("wal_level", "replica"),
        ("archive_mode", archive),
        (
            "archive_command",
            "sh {store}/archive-wal \"%p\" \"{archive}/%f\"",
        ),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

const MINUTE: Duration = Duration::from_secs(60);

/// A base backup, and what a restore of it needs.
struct BackedUp {
    tool: Tool,
    archive: WalArchive,
    settings: BTreeMap<String, String>,
    taken: [Taken; 1],
    listed: Vec<Listed>,
    stores: BTreeMap<String, Store>,
    to: [String; 1],
}

impl BackedUp {
    async fn of(primary: &Server, recorder: &Recorder) -> Self {
        let tool = Tool::PgBasebackup(Default::default());
        let (to, stores) = ([LOCAL.to_owned()], only_local());
        let site = Site {
            name: "main",
            server: primary,
            node: &primary.node,
            to: &to,
            stores: ClusterStores::of_directories(&stores),
            keep: None,
            deadline: MINUTE,
            recorder,
        };
        let taken = tool.take(&site, BackupKind::Full, "main-1").await;
        let [listed] = <[Listed; 1]>::try_from(taken.unwrap()).unwrap();
        let record = BackupRecord {
            backup: "main".into(),
            server: primary.name.clone(),
            began_us: 0,
            listed,
        };
        Self {
            archive: WalArchive::safe(&to),
            settings: BTreeMap::new(),
            taken: [Taken {
                record,
                ended_us: recorder.now_us(),
                verified: true,
            }],
            listed: tool.list(&site).await.unwrap(),
            tool,
            stores,
            to,
        }
    }

    fn restored<'a>(
        &'a self,
        server: &'a Server,
        target: &Target,
        resolved: &'a Resolved,
    ) -> Restore<'a> {
        let choice = Choice {
            from: "main",
            label: None,
            nth: None,
            stores: &self.to,
            taken: &self.taken,
            listed: &self.listed,
        };
        Restore {
            server,
            backup: ("main", &self.tool),
            stores: (&self.to, ClusterStores::of_directories(&self.stores)),
            listed: choose(target, resolved, &choice).unwrap(),
            target: resolved,
            recovery: Recovery {
                signal: RecoverySignal::RecoverySignal,
                restore_command: None,
                archive: Some(&self.archive),
                action: Some(TargetAction::Promote),
            },
            settings: &self.settings,
            in_place: false,
            only: Only::default(),
            deadline: MINUTE,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cluster_has_a_system_identifier_of_its_own() {
    let Some((runtime, major)) = local().await else {
        return;
    };
    let recorder = Recorder::in_memory();
    let mut seen = Vec::new();
    for name in ["primary", "replacement"] {
        let server = server(&runtime, "identifiers", name, major, &recorder).await;
        server.create(&settings("off")).await.unwrap();
        let identity = server.announce(&recorder).await.unwrap();
        seen.push(identity.system_identifier);
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(runtime.close().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::too_many_lines,
    reason = "one backup, restored in each way there is"
)]
async fn a_dropped_table_is_there_again_just_before_its_drop() {
    let Some((runtime, major)) = local().await else {
        return;
    };
    let recorder = Recorder::in_memory();
    let drill = "recovery-test";
    let primary = server(&runtime, drill, "primary", major, &recorder).await;
    primary.create(&settings("on")).await.unwrap();
    primary.announce(&recorder).await.unwrap();
    primary
        .sql("create table t as select generate_series(1, 1000) as id")
        .await
        .unwrap();

    let backed_up = BackedUp::of(&primary, &recorder).await;
    primary.sql("insert into t values (1001)").await.unwrap();
    let drop = Fault::DropTable(DropTable("t".into()));
    let fault = inject(&primary, &drop, &recorder).await;
    assert!(fault.took_effect, "{}", fault.evidence);
    assert_eq!(fault.boundary, BoundaryKind::Statement);
    assert!(fault.commit_lsn.is_some_and(|lsn| lsn > fault.lsn));
    wal::switch(&primary, true, MINUTE).await.unwrap();

    let known = Known {
        fault: Some(&fault),
        points: &[],
        wall: pgdrill::units::wall_clock(),
        stepped: jiff::SignedDuration::ZERO,
        scale: 1,
    };
    let before = Target::before("it", None);
    let target = resolve(&before, known).unwrap();
    let scratch = server(&runtime, drill, "scratch", major, &recorder).await;
    let request = backed_up.restored(&scratch, &before, &target);
    let restored = restore(&request, &recorder).await.unwrap();
    assert_eq!(restored.timeline, 2);
    assert_eq!(
        scratch.value("select count(*) from t").await.unwrap(),
        "1001"
    );

    // Its files are those of the backup: what a runbook left out there is left out here.
    let read =
        |server: &Server, file: &str| std::fs::read(server.node.layout().data.join(file)).unwrap();
    for file in [
        "pgdrill.conf",
        "pg_hba.conf",
        "pg_ident.conf",
        "postgresql.auto.conf",
    ] {
        assert!(read(&scratch, file) == read(&primary, file), "{file}");
    }
    for stays in [true, false] {
        let mode = scratch.value("show archive_mode").await.unwrap();
        assert_eq!(mode, "off", "a clone archives nothing");
        if stays {
            scratch.stop(MINUTE).await.unwrap();
            scratch.start(MINUTE).await.unwrap();
        }
    }

    let silent = Recovery {
        action: None,
        ..request.recovery
    };
    let waits = server(&runtime, drill, "waits", major, &recorder).await;
    let paused = Restore {
        server: &waits,
        recovery: silent,
        ..request
    };
    assert!(restore(&paused, &recorder).await.unwrap().paused);
    // (The table itself is locked: its drop has begun, and its commit is what was not replayed.)
    let recovering = waits.value("select pg_is_in_recovery()").await;
    assert_eq!(recovering.unwrap(), "t");
    let ends = Recovery {
        action: Some(TargetAction::Shutdown),
        ..request.recovery
    };
    let gone = server(&runtime, drill, "gone", major, &recorder).await;
    let shut_down = Restore {
        server: &gone,
        recovery: ends,
        ..request
    };
    let told = restore(&shut_down, &recorder)
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("recovery_target_action"), "{told}");

    let conf = Recovery {
        signal: RecoverySignal::RecoveryConf,
        ..request.recovery
    };
    let old = server(&runtime, drill, "old-way", major, &recorder).await;
    let refused = restore(
        &Restore {
            server: &old,
            recovery: conf,
            ..request
        },
        &recorder,
    )
    .await
    .unwrap_err()
    .to_string();
    assert!(refused.contains("recovery.conf"), "{refused}");

    assert_eq!(runtime.close().await, Vec::<String>::new());
}

/// Where the rows 1 to 5, written one after the other, are cut off by each kind of target.
async fn targets(primary: &Server) -> (Vec<(Target, &'static str)>, u64) {
    let value = async |query: &str| primary.value(query).await.unwrap();
    value("insert into t values (1) returning id").await;
    let time = value(
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    )
    .await;
    value("insert into t values (2) returning id").await;
    let position = value("select pg_current_wal_insert_lsn()").await;
    value("insert into t values (3) returning id").await;
    let point = value("select pg_create_restore_point('release')").await;
    let xid = value("insert into t values (4) returning pg_current_xact_id()").await;
    value("insert into t values (5) returning id").await;
    let targets = vec![
        (Target::Immediate, "0"),
        (Target::Time(time), "1"),
        (Target::Lsn(position), "2"),
        (Target::Name("release".into()), "3"),
        (Target::Xid(xid.parse().unwrap()), "3"),
        (Target::Latest, "5"),
    ];
    (targets, lsn::parse(&point).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_target_is_reached() {
    let Some((runtime, major)) = local().await else {
        return;
    };
    let (recorder, wall) = (Recorder::in_memory(), pgdrill::units::wall_clock());
    let drill = "targets-test";
    let primary = server(&runtime, drill, "primary", major, &recorder).await;
    primary.create(&settings("on")).await.unwrap();
    primary.sql("create table t (id int)").await.unwrap();
    let backed_up = BackedUp::of(&primary, &recorder).await;
    let (targets, point) = targets(&primary).await;
    wal::switch(&primary, true, MINUTE).await.unwrap();
    let known = Known {
        fault: None,
        points: &[("release".to_owned(), point)],
        wall,
        stepped: jiff::SignedDuration::ZERO,
        scale: 1,
    };
    for (number, (target, rows)) in targets.iter().enumerate() {
        let resolved = resolve(target, known).unwrap();
        let restored = server(&runtime, drill, &format!("to-{number}"), major, &recorder).await;
        let request = backed_up.restored(&restored, target, &resolved);
        restore(&request, &recorder).await.unwrap();
        let there = restored.value("select count(*) from t").await.unwrap();
        assert_eq!(there, *rows, "{target:?}");
    }
    assert_eq!(runtime.close().await, Vec::<String>::new());
}

/// Makes a tablespace in a directory of its own beside the data directory, and a table in it.
async fn tablespace(primary: &Server, name: &str, directory: &str) {
    let data = primary.node.layout().data.display().to_string();
    let place = format!("{data}-{directory}");
    let made = Exec::shell(r#"mkdir -p "$0""#).arg(place.clone());
    primary.node.exec(made).await.unwrap();
    let create = format!("create tablespace {name} location '{place}'");
    primary.sql(&create).await.unwrap();
    let table = format!("create table {name} tablespace {name} as select 1 as n");
    primary.sql(&table).await.unwrap();
}

/// Each comes home to a place of the restored server's own. One made after the backup is made again
/// by recovery where it was: in the first server's place, on the same machine, and that is refused.
#[tokio::test(flavor = "multi_thread")]
async fn tablespaces_come_home_to_places_of_their_own_or_are_refused() {
    let Some((runtime, major)) = local().await else {
        return;
    };
    let recorder = Recorder::in_memory();
    let drill = "tablespaces-test";
    let primary = server(&runtime, drill, "primary", major, &recorder).await;
    primary.create(&settings("on")).await.unwrap();
    tablespace(&primary, "one", "first/fast").await;
    tablespace(&primary, "two", "second, of = two/fast").await;
    let backed_up = BackedUp::of(&primary, &recorder).await;
    let known = Known {
        fault: None,
        points: &[],
        wall: pgdrill::units::wall_clock(),
        stepped: jiff::SignedDuration::ZERO,
        scale: 1,
    };
    let resolved = resolve(&Target::Latest, known).unwrap();
    wal::switch(&primary, true, MINUTE).await.unwrap();
    let second = server(&runtime, drill, "second", major, &recorder).await;
    restore(
        &backed_up.restored(&second, &Target::Latest, &resolved),
        &recorder,
    )
    .await
    .unwrap();
    let rows = second.value("select sum(n) from (table one union all table two) t");
    assert_eq!(rows.await.unwrap(), "2");
    let own = second.node.layout().tablespaces.display().to_string();
    let places =
        "select count(*) from pg_tablespace where starts_with(pg_tablespace_location(oid), ";
    let places = second.value(&format!("{places}'{own}/')")).await.unwrap();
    assert_eq!(places, "2");

    tablespace(&primary, "three", "third/fast").await;
    wal::switch(&primary, true, MINUTE).await.unwrap();
    let third = server(&runtime, drill, "third", major, &recorder).await;
    let refused = restore(
        &backed_up.restored(&third, &Target::Latest, &resolved),
        &recorder,
    )
    .await
    .unwrap_err();
    let why = "tablespace `three` of the restored `third` lies in";
    assert!(refused.to_string().starts_with(why), "{refused}");
    assert_eq!(runtime.close().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_crashes_take_effect() {
    let Some((runtime, major)) = local().await else {
        return;
    };
    let recorder = Recorder::in_memory();
    let drill = "fault-test";
    let primary = server(&runtime, drill, "primary", major, &recorder).await;
    primary.create(&settings("on")).await.unwrap();
    primary
        .sql(
            "create table t as select generate_series(1, 10000) as id; create index t_id on t (id)",
        )
        .await
        .unwrap();
    for fault in [
        Fault::DamageIndex(DamageIndex("t_id".into())),
        Fault::DamageTable(DamageTable("t".into())),
        Fault::StopArchiving,
        Fault::CrashServer,
        Fault::LoseServer,
    ] {
        let record = inject(&primary, &fault, &recorder).await;
        assert!(record.took_effect, "{fault:?}: {}", record.evidence);
        if fault == Fault::CrashServer {
            primary.start(MINUTE).await.unwrap();
        }
    }
    assert_eq!(runtime.close().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changes_no_value_took_no_effect() {
    let Some((runtime, major)) = local().await else {
        return;
    };
    let recorder = Recorder::in_memory();
    let drill = "update-test";
    let primary = server(&runtime, drill, "primary", major, &recorder).await;
    primary.create(&settings("off")).await.unwrap();
    primary
        .sql("create table t as select id, 'kept' as body from generate_series(1, 10) as id")
        .await
        .unwrap();
    let update = |set: &str, predicate: &str| {
        Fault::UpdateRows(UpdateRows {
            table: "public.t".into(),
            set: set.into(),
            r#where: predicate.into(),
        })
    };
    for (fault, took_effect, evidence) in [
        (update("body = 'kept'", "true"), false, "rows hit: 10; none"),
        (
            update("body = 'lost'", "id > 10"),
            false,
            "rows hit: 0; none",
        ),
        (
            update("body = 'lost'", "id > 7 or id < 2"),
            true,
            "rows hit: 4; digest",
        ),
    ] {
        let record = inject(&primary, &fault, &recorder).await;
        assert_eq!(
            record.took_effect, took_effect,
            "{fault:?}: {}",
            record.evidence
        );
        assert!(record.evidence.starts_with(evidence), "{}", record.evidence);
        assert!(record.commit_lsn.is_some() || !took_effect);
    }
    let lost = primary.value("select count(*) from t where body = 'lost'");
    assert_eq!(lost.await.unwrap(), "4");
    assert_eq!(runtime.close().await, Vec::<String>::new());
}
