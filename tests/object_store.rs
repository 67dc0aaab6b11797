//! The object store by itself, as a program, asked by real clients: that it keeps what it is given
//! (pgBackRest, rclone, barman-cloud, an S3 library), and that each way in which it can be told to
//! misbehave is seen by one (pgBackRest).

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use pgdrill::object_store::{CA, CONDUCT, Conduct, Refusal};
use support::object_store::{ObjectStore, SECRET, until};

/// One that serves, and its client.
struct Served(ObjectStore);

impl std::ops::Deref for Served {
    type Target = ObjectStore;

    fn deref(&self) -> &ObjectStore {
        &self.0
    }
}

impl Served {
    fn start() -> Self {
        let store = Self(ObjectStore::start());
        store.configure(&store.state(CA), "backups", SECRET);
        store
    }

    /// Writes the client's configuration.
    fn configure(&self, ca: &Path, bucket: &str, secret: &str) {
        let (dir, port, ca) = (self.path(""), self.port, ca.display());
        let text = format!(
            "[global]\nrepo1-type=s3\nrepo1-path=/repository\nrepo1-s3-bucket={bucket}\n\
             repo1-s3-endpoint=localhost\nrepo1-storage-port={port}\nrepo1-s3-region=us-east-1\n\
             repo1-s3-uri-style=path\nrepo1-s3-key=key\nrepo1-s3-key-secret={secret}\n\
             repo1-storage-ca-file={ca}\nlog-path={dir}\nlock-path={dir}\nio-timeout=2\n"
        );
        fs::write(self.path("pgbackrest.conf"), text).unwrap();
    }

    fn told(&self, conduct: &Conduct) {
        let text = serde_json::to_string(conduct).unwrap();
        fs::write(self.state(CONDUCT), &text).unwrap();
        let told = self.state("conduct.told");
        until(|| fs::read_to_string(&told).is_ok_and(|said| said == text));
    }

    fn client(&self, arguments: &[&str], input: Stdio) -> Output {
        Command::new("pgbackrest")
            .arg(format!("--config={}", self.path("pgbackrest.conf")))
            .args(arguments)
            .stdin(input)
            .output()
            .unwrap()
    }

    fn put(&self, name: &str, content: &[u8]) -> Output {
        let file = self.path("content");
        fs::write(&file, content).unwrap();
        self.client(&["repo-put", name], fs::File::open(file).unwrap().into())
    }

    fn get(&self, name: &str) -> Output {
        self.client(&["repo-get", name], Stdio::null())
    }

    fn listed(&self) -> String {
        let listed = self.client(&["repo-ls", "--recurse"], Stdio::null());
        String::from_utf8(listed.stdout).unwrap()
    }

    /// A client that speaks S3 by the SDK of AWS, which finds all of it in its environment.
    fn by_sdk(&self, program: &str) -> Command {
        let (config, keys) = (self.path("aws-config"), self.path("aws-credentials"));
        let ca = self.state(CA).display().to_string();
        let text = "[default]\nregion = us-east-1\ns3 =\n    addressing_style = path\n";
        fs::write(&config, text).unwrap();
        let text =
            format!("[default]\naws_access_key_id = key\naws_secret_access_key = {SECRET}\n");
        fs::write(&keys, text).unwrap();
        let mut command = Command::new(program);
        command.env("AWS_CONFIG_FILE", config);
        command.env("AWS_SHARED_CREDENTIALS_FILE", keys);
        command.env("AWS_CA_BUNDLE", ca);
        command
    }

    fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn rclone(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("rclone");
        let (endpoint, ca) = (self.endpoint(), self.state(CA).display().to_string());
        let settings = [
            ("RCLONE_CONFIG", "/dev/null"),
            ("RCLONE_CA_CERT", &ca),
            ("RCLONE_S3_CHUNK_SIZE", "5M"),
            ("RCLONE_S3_UPLOAD_CUTOFF", "5M"),
            ("RCLONE_CONFIG_R2_TYPE", "s3"),
            ("RCLONE_CONFIG_R2_PROVIDER", "Other"),
            ("RCLONE_CONFIG_R2_ENDPOINT", &endpoint),
            ("RCLONE_CONFIG_R2_REGION", "us-east-1"),
            ("RCLONE_CONFIG_R2_FORCE_PATH_STYLE", "true"),
            ("RCLONE_CONFIG_R2_ACCESS_KEY_ID", "key"),
            ("RCLONE_CONFIG_R2_SECRET_ACCESS_KEY", SECRET),
        ];
        // It takes no authority of its own where AWS's is set.
        command.envs(settings).env_remove("AWS_CA_BUNDLE");
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why the client could not put an object.
    fn why_not_put(&self) -> String {
        let output = self.put("another", b"content");
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }
}

/// Whether a program is on this machine.
fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn it_keeps_what_it_is_given_and_misbehaves_as_it_is_told() {
    if Command::new("pgbackrest").arg("version").output().is_err() {
        return;
    }
    let store = Served::start();
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let done = |output: &Output| assert!(output.status.success(), "{output:?}");
    done(&store.put("some/object", &content));
    let got = store.get("some/object");
    done(&got);
    assert!(got.stdout == content);
    assert_eq!(
        fs::read(store.path("backups/repository/some/object")).unwrap(),
        content
    );
    assert_eq!(store.listed(), "some\nsome/object\n");
    until(|| {
        let tally = store.tally();
        (tally.received, tally.sent >= 3_000_000, tally.refused()) == (3_000_000, true, 0)
    });
    misbehaves(&store, &content);
    wrong_clients_are_refused(&store);
}

fn misbehaves(store: &Served, content: &[u8]) {
    let well = Conduct::default;
    store.told(&Conduct {
        outage: true,
        ..well()
    });
    assert!(store.why_not_put().contains("[101]"), "no TLS connection");
    assert!(store.tally().cut > 0);

    store.told(&Conduct {
        throttled: 1,
        ..well()
    });
    let why = store.why_not_put();
    assert!(why.contains("503"), "{why}");

    store.told(&Conduct {
        refuses: Some(Refusal::Credentials),
        ..well()
    });
    let why = store.why_not_put();
    assert!(
        why.contains("403") && why.contains("InvalidAccessKeyId"),
        "{why}"
    );

    store.told(&Conduct {
        refuses: Some(Refusal::Writes),
        ..well()
    });
    let why = store.why_not_put();
    assert!(why.contains("403") && why.contains("AccessDenied"), "{why}");
    assert!(store.get("some/object").stdout == content);

    store.told(&Conduct {
        reset_after: 1_000_000,
        ..well()
    });
    assert!(!store.get("some/object").status.success());

    // Each of these can't be had sooner than so.
    store.told(&Conduct {
        latency_ms: 300,
        ..well()
    });
    let began = Instant::now();
    assert!(store.get("some/object").stdout == content);
    assert!(began.elapsed() >= Duration::from_millis(300));
    store.told(&Conduct {
        bandwidth: 3_000_000,
        ..well()
    });
    let began = Instant::now();
    assert!(store.get("some/object").stdout == content);
    assert!(began.elapsed() >= Duration::from_millis(900));

    store.told(&Conduct {
        refuses: Some(Refusal::Bucket),
        ..well()
    });
    let why = store.why_not_put();
    assert!(why.contains("404") && why.contains("NoSuchBucket"), "{why}");

    store.told(&Conduct {
        stale_listings: true,
        ..well()
    });
    assert!(store.put("some/later", b"later").status.success());
    assert!(store.get("some/later").stdout == b"later");
    assert_eq!(store.listed(), "some\nsome/object\n");

    store.told(&well());
    assert_eq!(store.listed(), "some\nsome/later\nsome/object\n");
    assert!(store.get("some/object").stdout == content);
}

fn wrong_clients_are_refused(store: &Served) {
    let ca = store.state(CA);
    store.configure(&ca, "backups", "another");
    let why = store.why_not_put();
    assert!(why.contains("SignatureDoesNotMatch"), "{why}");
    store.configure(&ca, "no-such-bucket", SECRET);
    let listed = store.client(&["repo-ls"], Stdio::null());
    let why = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(why.contains("NoSuchBucket"), "{listed:?}");
    store.configure(Path::new("/dev/null"), "backups", SECRET);
    assert!(store.why_not_put().contains("certificate"));
}

/// Several parts, several pages of a listing, ranges, many deleted at once.
#[test]
fn rclone_brings_a_tree_and_takes_it_away() {
    if !is_there("rclone") {
        return;
    }
    let store = Served::start();
    let tree = store.path("tree");
    fs::create_dir_all(format!("{tree}/many")).unwrap();
    let content: Vec<u8> = (0..12_000_000u32).map(|n| (n % 251) as u8).collect();
    fs::write(format!("{tree}/large"), &content).unwrap();
    for number in 0..1100 {
        fs::write(format!("{tree}/many/{number}"), number.to_string()).unwrap();
    }
    let there = "r2:backups/tree";
    store.rclone(&["copy", &tree, there]);
    store.rclone(&["check", "--download", &tree, there]);
    let listed = store.rclone(&["lsf", "--recursive", "--files-only", "r2:backups"]);
    assert_eq!(listed.lines().count(), 1101);
    let range = ["cat", "--offset", "6000000", "--count", "9"];
    let part = store.rclone(&[range.as_slice(), &["r2:backups/tree/large"]].concat());
    assert_eq!(part.as_bytes(), &content[6_000_000..6_000_009]);
    store.rclone(&["purge", there]);
    assert_eq!(store.rclone(&["lsf", "r2:backups"]), "");
}

#[test]
fn barman_cloud_archives_wal_and_fetches_it() {
    if !is_there("barman-cloud-wal-archive") {
        return;
    }
    let store = Served::start();
    let name = "000000010000000000000003";
    let (segment, fetched) = (store.path(name), store.path("fetched"));
    let content: Vec<u8> = (0..1u32 << 24).map(|n| (n % 251) as u8).collect();
    fs::write(&segment, &content).unwrap();
    let endpoint = format!("--endpoint-url={}", store.endpoint());
    let barman = |what: &str, option: &[&str], rest: &[&str]| {
        let mut command = store.by_sdk(&format!("barman-cloud-{what}"));
        command.args(option).arg(&endpoint);
        command.args(["s3://backups/barman", "main"]).args(rest);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{what}: {output:?}");
    };
    barman("check-wal-archive", &[], &[]);
    barman("wal-archive", &["--gzip"], &[&segment]);
    barman("wal-restore", &[], &[name, &fetched]);
    assert!(fs::read(&fetched).unwrap() == content);
    barman("backup-list", &[], &[]);
}

/// The calls themselves, by the library that barman-cloud uses.
#[test]
fn a_library_of_s3_finds_what_it_relies_on() {
    let python = "/usr/bin/python3";
    let is_installed = |mut command: Command| command.output().is_ok_and(|o| o.status.success());
    let mut asked = Command::new(python);
    asked.args(["-c", "import boto3"]);
    if !is_installed(asked) {
        return;
    }
    let store = Served::start();
    let mut command = store.by_sdk(python);
    command.args(["tests/object_store/library.py", &store.endpoint()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}; {:?}", store.tally());
}
