//! Disks that are full or read-only, below the servers and below the reports.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Local, STRATEGY, assert_told,
    cli::{has_postgres, told},
    scenario,
};

/// A file system of its own; none where we may not mount.
struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, options: &str) -> Option<Self> {
        let options = format!("{options},mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "pgdrill-test"])
            .arg(dir)
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self(dir.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.unwrap().success() || std::thread::panicking());
    }
}

/// What a drill tells that has so much room below its servers, and so much data.
fn filled(room: &str, data: &str, code: i32, expected: &[&str]) {
    let local = Local::new();
    let Some(_mount) = Mount::new(local.tmp.path(), &format!("size={room}")) else {
        return;
    };
    let file = scenario(local.reports.path(), STRATEGY, "");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("20MB", data)).unwrap();
    let output = local.run(&file, &[]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{room}: {told}");
    assert_told(&told, expected);
    // PostgreSQL says it in its own words, and `tar` not at all.
    let full = [
        "the disk is full",
        "No space left on device",
        "Check free disk space",
    ];
    assert!(full.iter().any(|why| told.contains(why)), "{told}");
    local.left_nothing();
}

#[test]
fn a_full_disk_below_the_servers_is_told_and_nothing_is_left() {
    if !has_postgres() {
        return;
    }
    // While the cluster is made, and while it is packed.
    filled("20m", "20MB", 2, &["the drill was not completed"]);
    filled("70m", "20MB", 2, &["the drill was not completed"]);
    // While data is loaded: a server without room for WAL ends all its sessions.
    for room in ["120m", "150m", "180m"] {
        filled(
            room,
            "100MB",
            2,
            &["ended early: data model `dual-tenant`: COPY "],
        );
    }
    // While a backup is written: the backup is what failed.
    filled("150m", "20MB", 1, &["fail backup: step 1"]);
}

#[test]
fn a_full_disk_below_the_reports_is_told_and_nothing_is_left() {
    if !has_postgres() {
        return;
    }
    // Full at the first file, while the history is written, and with the reports.
    for size in ["4k", "64k", "300k"] {
        let local = Local::new();
        let file = scenario(local.tmp.path(), STRATEGY, "");
        let Some(_mount) = Mount::new(local.reports.path(), &format!("size={size}")) else {
            return;
        };
        let output = local.run(&file, &[]);
        let told = told(&output);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(output.status.code(), Some(2), "{size}: {told}");
        assert_told(&told, &["No space left on device"]);
        local.left_nothing();
    }
}

#[test]
fn reports_that_cannot_be_written_are_refused_before_anything_is_created() {
    let local = Local::new();
    let file = scenario(local.tmp.path(), STRATEGY, "");
    let Some(_mount) = Mount::new(local.reports.path(), "ro") else {
        return;
    };
    let output = local.run(&file, &[]);
    let told = told(&output);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert_told(&told, &["Read-only file system", "hint: ", "--reports"]);
    local.left_nothing();
}
