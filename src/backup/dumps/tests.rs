use super::*;

#[test]
fn what_is_beside_the_dumps_is_a_listed_backup() {
    let contents = Contents {
        snapshot_lsn: 0x300_0000,
        began: 1_800_000_000,
        databases: [("postgres".to_owned(), "postgres.dump".to_owned())].into(),
        ..Contents::default()
    };
    let line = format!(
        "daily-2 1800000009 4096 {}",
        serde_json::to_string(&contents).unwrap()
    );
    let dump = listed(&line, "pg-dump").unwrap();
    assert_eq!((dump.label.as_str(), dump.bytes), ("daily-2", 4096));
    assert_eq!(dump.reaches_lsn(), Some(0x300_0000));
    assert!(dump.is_whole());
    assert_eq!(dump.databases, ["postgres"]);
    assert_eq!(listed("daily-2 5 x", "pg-dump"), None);
}
