use super::*;

#[test]
fn a_dumps_file_is_called_as_its_database() {
    assert_eq!(file("/d", "postgres"), "/d/postgres.dump");
    assert_eq!(file("/d", "my shop/ü"), "/d/my%20shop%2F%C3%BC.dump");
}

#[test]
fn a_report_is_a_listed_backup() {
    let report = Report {
        snapshot_lsn: 0x300_0000,
        began: 1_800_000_000,
        databases: vec!["postgres".into()],
        tables: vec![],
    };
    let line = format!(
        "daily-2 1800000009 4096 {}",
        serde_json::to_string(&report).unwrap()
    );
    let dump = listed(&line).unwrap();
    assert_eq!((dump.label.as_str(), dump.bytes), ("daily-2", 4096));
    assert_eq!(dump.reaches_lsn(), Some(0x300_0000));
    assert!(dump.is_whole());
    assert_eq!(listed("daily-2 5 x"), None);
}
