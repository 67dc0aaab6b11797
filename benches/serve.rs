//! The report API over 10,000 reports: reading them, looking again, and pages by status over HTTP.
//!
//! `cargo bench --bench serve`. Reports lie in a directory a day, as scripts leave them.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use pgdrill::serve::{Index, ReportApi};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const REPORTS: usize = 10_000;
const REQUESTS: usize = 2_000;

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    (0..REPORTS).for_each(|number| write(dir.path(), number));
    // A file that was changed just now is read again, whatever its times say.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut index = Index::new(dir.path());
    for look in ["all of them read", "nothing changed"] {
        told(look, || drop(index.refresh().expect("a look")));
    }
    write(dir.path(), 0);
    told("one changed", || drop(index.refresh().expect("a look")));
    let address = ([127, 0, 0, 1], 0).into();
    let api = ReportApi::open(dir.path(), address, None).await;
    let api = api.expect("it listens");
    let to = api.address;
    tokio::spawn(api.serve(CancellationToken::new()));
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut took = Vec::new();
    for request in 0..REQUESTS {
        let page = request % (REPORTS / 20) + 1;
        let status = ["SUCCESS", "FAILED"][request % 2];
        let uri =
            format!("http://{to}/api/admin/backup/list?pageNum={page}&pageSize=10&status={status}");
        let uri: Uri = uri.parse().expect("a URI");
        let began = Instant::now();
        let answer = client.get(uri).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body");
        took.push(began.elapsed());
        let page: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        assert_eq!(page["total"], REPORTS / 2);
    }
    took.sort();
    println!(
        "a page by status over HTTP: median {:.2?}, 99 % {:.2?}, max {:.2?}",
        took[REQUESTS / 2],
        took[REQUESTS * 99 / 100],
        took[REQUESTS - 1]
    );
}

fn told(look: &str, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    println!("{REPORTS} reports, {look}: {:.1?}", began.elapsed());
}

fn write(dir: &Path, number: usize) {
    let day = dir.join(format!("{}", number / 24));
    std::fs::create_dir_all(&day).expect("a directory");
    let began = jiff::Timestamp::from_second(1_700_000_000 + 3600 * number as i64);
    let report = json!({
        "status": (["SUCCESS", "FAILED"][number % 2]), "startedAt": began.expect("a time"),
        "durationSeconds": 12.5, "sizeBytes": 734_003_200, "database": "shop",
        "file": format!("/backup/shop_{number}.dump"), "sha256": "0".repeat(64), "storage": "both",
    });
    let file = day.join(format!("shop_{number}.report.json"));
    std::fs::write(file, report.to_string()).expect("a report");
}
