use std::{fs::File, io::Write, os::unix::fs::symlink};

use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::{Value, json};

use super::*;

fn report(day: u32, status: &str) -> Value {
    json!({
        "status": status, "startedAt": format!("2026-03-{day:02}T02:00:00Z"), "durationSeconds": 4,
        "sizeBytes": 1 << 20, "database": "shop", "file": format!("shop-{day}.dump"),
    })
}

fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
}

fn files(reports: &Reports) -> Vec<&str> {
    let all = reports.newest_first.iter();
    all.map(|report| report.file.as_str()).collect()
}

#[test]
fn reports_are_found_wherever_they_lie_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("local/dumps/main-1");
    fs::create_dir_all(&below).unwrap();
    write(below.join("report.json"), report(2, "FAILED").to_string());
    for day in [1, 3] {
        let file = dir.path().join(format!("shop-{day}.report.json"));
        write(file, report(day, "SUCCESS").to_string());
    }
    // Of other names, so nobody misses them.
    write(dir.path().join("run.json"), "{}");
    write(dir.path().join("myreport.json"), "{}");
    let reports = Index::new(dir.path()).refresh().unwrap();
    assert_eq!(
        files(&reports),
        ["shop-3.dump", "shop-2.dump", "shop-1.dump"]
    );
    assert_eq!(reports.skipped, 0);
    assert_eq!(reports.latest().unwrap().file, "shop-3.dump");
    let failed: Vec<_> = reports.ended(Some(Status::Failed)).collect();
    assert_eq!(failed.len(), 1);
}

#[test]
fn hostile_files_are_skipped_and_counted_and_nobody_waits_for_them() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| dir.path().join(format!("{name}.report.json"));
    let good = report(1, "SUCCESS").to_string();
    write(at("good"), &good);
    write(outside.path().join("report.json"), &good);
    write(at("text"), "SUCCESS");
    write(at("empty"), "");
    write(at("torn"), &good[..good.len() / 2]);
    write(at("followed"), format!("{good}\n{good}"));
    write(at("bytes"), [0xff, 0xfe, 0x00]);
    write(at("foreign"), r#"{"schema_version": 1, "drills": []}"#);
    write(at("list"), format!("[{good}]"));
    write(
        at("types"),
        report(1, "SUCCESS")
            .to_string()
            .replace("1048576", "\"1 MB\""),
    );
    let nested = format!(
        "{{\"deep\": {}1{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    write(at("nested"), nested);
    let mut deep = report(1, "SUCCESS");
    deep["deep"] = (0..200).fold(json!(1), |inner, _| json!([inner]));
    write(at("deep"), deep.to_string());
    write(
        at("twice"),
        good.replacen('{', "{\"status\": \"FAILED\", ", 1),
    );
    let mut large = File::create(at("large")).unwrap();
    large.write_all(good.as_bytes()).unwrap();
    large.set_len(100 << 20).unwrap();
    mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", at("zero")).unwrap();
    symlink(outside.path().join("report.json"), at("link")).unwrap();
    symlink(at("good"), at("link-to-good")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let skipped = fs::read_dir(dir.path()).unwrap().count() - 1;
    // A directory that is a link is not gone into, be it elsewhere or in a circle.
    symlink(outside.path(), dir.path().join("elsewhere")).unwrap();
    symlink(dir.path(), dir.path().join("circle")).unwrap();
    let reports = Index::new(dir.path()).refresh().unwrap();
    assert_eq!(files(&reports), ["shop-1.dump"]);
    assert_eq!(reports.skipped, skipped);
}

#[test]
fn what_lies_behind_a_link_that_was_put_in_a_directorys_place_is_not_read() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        outside.path().join("report.json"),
        report(1, "SUCCESS").to_string(),
    );
    symlink(outside.path(), dir.path().join("dumps")).unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    let read = |root: &Path| file::read(&dir.path().join("dumps/report.json"), root);
    assert!(read(&root).is_err());
    assert!(read(&fs::canonicalize(outside.path()).unwrap()).is_ok());
}

#[test]
fn what_changes_is_seen_at_the_next_look() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = Index::new(dir.path());
    assert_eq!(index.refresh().unwrap().latest(), None);
    let path = dir.path().join("a.report.json");
    let whole = report(1, "SUCCESS").to_string();
    write(&path, &whole[..20]);
    assert_eq!(index.refresh().unwrap().skipped, 1);
    write(&path, &whole);
    let seen = index.refresh().unwrap();
    assert_eq!((files(&seen), seen.skipped), (vec!["shop-1.dump"], 0));
    // In place, of the same length.
    write(&path, whole.replace("shop-1.dump", "shop-9.dump"));
    assert_eq!(files(&index.refresh().unwrap()), ["shop-9.dump"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(index.refresh().unwrap().newest_first.len(), 0);
    fs::remove_dir(dir.path()).unwrap();
    assert!(
        index.refresh().is_err(),
        "a directory that is gone is not an empty one"
    );
}
