//! The report API as a user starts it: what is asked by HTTP, who may ask, and how it ends.

mod cli;

use std::{
    fs,
    io::Read,
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cli::pgdrill;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};
use serde_json::{Value, json};

const LATEST: &str = "/api/admin/backup/latest";
const LIST: &str = "/api/admin/backup/list";
const TOKEN: &str = "4a1f0c-not-to-be-told";

/// The program, serving a directory of its own, until it is dropped.
struct Served {
    process: Child,
    client: Client<HttpConnector, Empty<Bytes>>,
    address: String,
    dir: tempfile::TempDir,
    told: Box<dyn std::io::BufRead>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    fn start(dir: tempfile::TempDir, options: &[&str]) -> Self {
        let path = dir.path().display().to_string();
        let arguments = [&["serve", &path][..], options].concat();
        let mut process = pgdrill(&arguments, dir.path()).spawn().unwrap();
        let mut told = std::io::BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut told, &mut line).unwrap();
        let address = line.split_once("listening at http://").expect(&line).1;
        let port = address
            .split_once(": ")
            .unwrap()
            .0
            .rsplit_once(':')
            .unwrap()
            .1;
        Self {
            address: format!("http://127.0.0.1:{port}"),
            client: Client::builder(TokioExecutor::new()).build_http(),
            told: Box::new(told),
            process,
            dir,
        }
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let uri = format!("{}{path}", self.address);
        let request = request.uri(uri).body(Empty::new()).unwrap();
        let answer = self.client.request(request).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, answer) = self.ask(Method::GET, path, None).await;
        (status.as_u16(), answer)
    }

    /// Ends it by a signal; what it told since it listens.
    fn ended_by(mut self, signal: Signal) -> (Option<i32>, String) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
        let code = self.process.wait().unwrap().code();
        let mut told = String::new();
        self.told.read_to_string(&mut told).unwrap();
        (code, told)
    }
}

fn report(day: u32, status: &str) -> Value {
    json!({
        "status": status, "startedAt": format!("2026-03-{day:02}T02:00:00Z"), "durationSeconds": 4.5,
        "sizeBytes": 1 << 20, "database": "shop", "file": format!("shop-{day}.dump"),
        "mode": "both",
    })
}

fn write(dir: &Path, day: u32, status: &str) {
    let file = dir.join(format!("shop-{day}.report.json"));
    fs::write(file, report(day, status).to_string()).unwrap();
}

/// Twelve reports, of which the fourth and the eighth failed, and two files that are none.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for day in 1..=12 {
        write(
            dir.path(),
            day,
            if day % 4 == 0 && day < 12 {
                "FAILED"
            } else {
                "SUCCESS"
            },
        );
    }
    fs::write(dir.path().join("report.json"), "{\"status\": \"SUCC").unwrap();
    mkfifo(&dir.path().join("fifo.report.json"), Mode::S_IRWXU).unwrap();
    dir
}

#[tokio::test]
async fn the_latest_and_pages_by_status_are_served_and_new_reports_are_seen() {
    let served = Served::start(directory(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(served.get(LATEST).await, (200, report(12, "SUCCESS")));
    let (status, page) = served
        .get(&format!("{LIST}?pageNum=2&pageSize=4&status=SUCCESS"))
        .await;
    let expected = json!({
        "total": 10, "pageNum": 2, "pageSize": 4, "skipped": 2,
        "items": ([7, 6, 5, 3].map(|day| report(day, "SUCCESS"))),
    });
    assert_eq!((status, page), (200, expected));
    let (_, failed) = served.get(&format!("{LIST}?status=FAILED")).await;
    assert_eq!(
        failed["items"],
        json!([report(8, "FAILED"), report(4, "FAILED")])
    );
    let (_, beyond) = served.get(&format!("{LIST}?pageNum=99")).await;
    assert_eq!(
        (&beyond["total"], &beyond["items"]),
        (&json!(12), &json!([]))
    );
    write(served.dir.path(), 13, "FAILED");
    let end = Instant::now() + Duration::from_secs(60);
    while served.get(LATEST).await.1 != report(13, "FAILED") {
        assert!(Instant::now() < end, "the new report was never seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(served.ended_by(Signal::SIGINT), (Some(0), String::new()));
}

#[tokio::test]
async fn what_cannot_be_answered_says_why() {
    let served = Served::start(directory(), &["--listen", "127.0.0.1:0"]);
    for (query, parameter) in [
        ("pageSize=0", "pageSize"),
        ("pageNum=first", "pageNum"),
        ("status=BROKEN", "status"),
        ("limit=5", "limit"),
    ] {
        let (status, told) = served.get(&format!("{LIST}?{query}")).await;
        assert_eq!(
            (status, &told["parameter"]),
            (400, &json!(parameter)),
            "{told}"
        );
        assert!(told["error"].as_str().unwrap().contains(parameter));
    }
    assert_eq!(served.get(&format!("{LATEST}?status=FAILED")).await.0, 400);
    for path in [
        "/",
        "/api/admin/backup",
        "/api/admin/backup/list/",
        "/../etc/passwd",
    ] {
        assert_eq!(served.get(path).await.0, 404, "{path}");
    }
    let (posted, _) = served.ask(Method::POST, LIST, None).await;
    assert_eq!(posted, StatusCode::METHOD_NOT_ALLOWED);
    let empty = Served::start(tempfile::tempdir().unwrap(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(empty.get(LATEST).await.0, 404);
    assert_eq!(empty.get(LIST).await.1["total"], 0);
    assert_eq!(empty.ended_by(Signal::SIGTERM).0, Some(0));
}

#[tokio::test]
async fn elsewhere_than_on_loopback_a_token_is_needed() {
    let dir = directory();
    let path = dir.path().display().to_string();
    let open = ["serve", &path, "--listen", "0.0.0.0:0"];
    let refused = pgdrill(&open, dir.path()).output().unwrap();
    let told = cli::told(&refused);
    assert_eq!(refused.status.code(), Some(64), "{told}");
    assert!(
        told.contains("a token is needed") && told.contains("hint: `--token-file"),
        "{told}"
    );
    let file = dir.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    let served = Served::start(dir, &["--listen", "0.0.0.0:0", "--token-file", &file]);
    let code =
        async |path, token: Option<&str>| served.ask(Method::GET, path, token).await.0.as_u16();
    let (right, wrong) = (format!("Bearer {TOKEN}"), format!("Bearer {TOKEN}x"));
    assert_eq!(code(LATEST, Some(&right)).await, 200);
    assert_eq!(code("/nowhere", Some(&right)).await, 404);
    for token in [
        None,
        Some(wrong.as_str()),
        Some(TOKEN),
        Some("Bearer "),
        Some("Basic eDp5"),
    ] {
        for path in [LATEST, LIST, "/nowhere"] {
            assert_eq!(code(path, token).await, 401, "{token:?}");
        }
    }
    let (_, told) = served.ended_by(Signal::SIGINT);
    assert!(!told.contains(TOKEN), "{told}");
}

#[test]
fn bad_input_is_refused_with_64() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let empty = dir.path().join("token");
    fs::write(&empty, "\n").unwrap();
    let empty = empty.display().to_string();
    for arguments in [
        &["serve", "/nowhere"][..],
        &["serve", &empty],
        &["serve", &path, "--token-file", "/nowhere"],
        &["serve", &path, "--token-file", &empty],
        &["serve", &path, "--listen", "localhost"],
        &[
            "serve",
            &path,
            "--listen",
            "192.0.2.1:80",
            "--token-file",
            "/etc/hostname",
        ],
    ] {
        let output = pgdrill(arguments, dir.path()).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(64),
            "{arguments:?}: {}",
            cli::told(&output)
        );
    }
}
