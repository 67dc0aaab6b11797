//! What probes see of a server where everything is in order.

use std::collections::BTreeMap;

use pgdrill::observation::*;

/// Everything in order on a server.
pub fn observations(timeline: u32) -> Vec<Observation> {
    let table = |rows: u64, digest: &str| TableState {
        rows,
        digest: digest.into(),
        live_rows: 7,
        ..TableState::default()
    };
    let cache = TableState {
        unlogged: true,
        ..table(5, "0c")
    };
    let tables = BTreeMap::from([
        ("app.cache".into(), cache),
        ("app.orders".into(), table(1000, "0a")),
        ("app.users".into(), table(200, "0b")),
    ]);
    let sequence = SequenceState {
        sequence: "app.orders_id_seq".into(),
        next: 1001,
        descends: false,
        cycles: false,
        column: Some("app.orders.id".into()),
        max: Some(1000),
    };
    let large_objects = LargeObjectsState {
        count: 8,
        digest: "0d".into(),
    };
    let business = |name: &str, writes: bool, expected: &str| BusinessResult {
        name: name.into(),
        role: "app_user".into(),
        expected: expected.into(),
        got: expected.into(),
        writes,
    };
    let server = ServerState {
        timeline,
        version: 170_006,
        system_identifier: 7,
        checksum_failures: Some(0),
        archive_mode: "on".into(),
        archived: 3,
        ..ServerState::default()
    };
    vec![
        Observation::Tables(tables),
        Observation::Privileges(vec![
            "app_user role app_writers MEMBER".into(),
            "app_user table app.users INSERT".into(),
            "app_user table app.users SELECT".into(),
        ]),
        Observation::Definitions(BTreeMap::from([
            (
                "acl table app.users".into(),
                "GRANT SELECT ON TABLE app.users TO app_user;".into(),
            ),
            (
                "table app.users".into(),
                "CREATE TABLE app.users (\n    id bigint\n);".into(),
            ),
        ])),
        Observation::Catalog(BTreeMap::from([(
            "table app.users".into(),
            "owner db_admin".into(),
        )])),
        Observation::Audit(AuditState {
            right: 7,
            ..AuditState::default()
        }),
        Observation::Settings(settings()),
        Observation::Access(access()),
        Observation::Sequences(vec![sequence]),
        Observation::Business(vec![
            business("login", true, "rows"),
            business("peek", false, "42501"),
        ]),
        Observation::Server(server),
        Observation::Collations(Collations {
            looked_at: 9,
            different: vec![],
        }),
        Observation::Amcheck(Structure {
            databases: vec!["app".into(), "template1".into()],
            read: vec!["app: app.users_tags".into()],
            ..Structure::default()
        }),
        Observation::LargeObjects(BTreeMap::from([("large objects".into(), large_objects)])),
        Observation::Performance(vec![QueryTiming {
            name: "inbox".into(),
            runs: 20,
            p50_us: 900,
            p95_us: 2_000,
        }]),
    ]
}

fn settings() -> SettingsState {
    let in_force = |value: &str, source: &str| Setting {
        value: value.into(),
        source: source.into(),
        pending_restart: false,
    };
    let in_file = |value: &str| FileSetting {
        value: value.into(),
        file: "/node/data/pgdrill.conf".into(),
        applied: true,
        error: String::new(),
    };
    let command = "sh /store/archive-wal \"%p\" \"/store/wal/%f\"";
    SettingsState {
        in_force: BTreeMap::from([
            (
                "hba_file".into(),
                in_force("/node/data/pg_hba.conf", "override"),
            ),
            ("log_min_messages".into(), in_force("warning", "default")),
            ("port".into(), in_force("5432", "command line")),
            ("work_mem".into(), in_force("4096", "default")),
        ]),
        files: BTreeMap::from([
            ("archive_command".into(), in_file(command)),
            ("archive_timeout".into(), in_file("1s")),
        ]),
        of_roles: vec!["auditor every database work_mem=8MB".into()],
        at_start: vec![],
        places: [
            ("archive", "/store/wal"),
            ("store", "/store"),
            ("data", "/node/data"),
        ]
        .map(|(name, path)| (format!("{{{name}}}"), path.to_owned()))
        .into(),
    }
}

fn access() -> AccessState {
    AccessState {
        rules: vec![
            "local all all peer map=drill".into(),
            "host all all all scram-sha-256".into(),
        ],
        mappings: vec!["drill /^.*$ postgres".into()],
        wrong_password: ["app_user", "auditor"]
            .map(|role| (role.to_owned(), "28P01".to_owned()))
            .into(),
    }
}

/// The archive of a server that archives.
pub fn archive(timeline: u32) -> Observation {
    let mut files: BTreeMap<String, ArchivedFile> =
        (1..=3).map(|number| segment(1, number)).collect();
    if timeline > 1 {
        files.extend([segment(timeline, 4)]);
    }
    Observation::Archive(ArchiveState {
        archived: 3,
        segment_size: 16 << 20,
        system_identifier: 7,
        files,
        written: BTreeMap::new(),
    })
}

/// A segment in the archive, and its name: its first page is that of its name.
pub fn segment(timeline: u32, number: u64) -> (String, ArchivedFile) {
    let address = (number << 24).to_le_bytes();
    let mut head = [0; 40];
    head[..2].copy_from_slice(&[0x16, 0xd1]);
    head[4..8].copy_from_slice(&timeline.to_le_bytes());
    head[8..16].copy_from_slice(&address);
    head[24..32].copy_from_slice(&7u64.to_le_bytes());
    let file = ArchivedFile {
        bytes: 16 << 20,
        digest: format!("{timeline:02}{number:02}"),
        head: hex::encode(head),
        ..ArchivedFile::default()
    };
    (format!("{timeline:08X}00000000{number:08X}"), file)
}
