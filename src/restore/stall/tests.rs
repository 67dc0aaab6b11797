use std::{
    fs::File,
    io::Write as _,
    process::{Command, Stdio},
};

use super::*;

const WAITING: &str = "postgres: startup waiting for 000000010000000000000004  \n0 1\n";

/// The end of a watch with a look every 3 s for 3 min, each with what it saw.
fn watched(look: impl Fn(u64) -> String) -> Result<Seen, Seen> {
    let mut moved = None;
    for nth in 0..60_u32 {
        let now = Seen::of(&look(nth.into()), LOOK * nth);
        moved = Some(stalled(moved, now)?);
    }
    Ok(moved.expect("it looked"))
}

#[test]
fn what_moves_slowly_but_steadily_is_no_hang() {
    let replays = watched(|nth| format!("{WAITING}rchar: {}\n", nth / 9));
    assert!(replays.is_ok());
    let arrives = watched(|nth| format!("{WAITING}{}\n", nth * 10));
    assert!(arrives.is_ok());
    // 10 kB a second, to a place of its own.
    let fetches = watched(|nth| format!("{WAITING}below wchar: {}\n", nth * 30_000));
    assert!(fetches.is_ok());
    let unpacks = watched(|nth| format!("{WAITING}below ticks: 0 {} 5 0\n", nth * 20));
    assert!(unpacks.is_ok());
    let reads = watched(|nth| format!("{WAITING}below rchar: {}\n", nth << 20));
    assert!(reads.is_ok());
}

#[test]
fn where_nothing_moves_recovery_hangs_and_segment_and_position_are_named() {
    let stuck = watched(|_| format!("{WAITING}below ticks: 1 0 0 0\n")).unwrap_err();
    let said = stuck.hang("replacement", "replayed up to 0/3FFFF00".into());
    let said = said.to_string();
    assert!(
        said.contains("waiting for 000000010000000000000004"),
        "{said}"
    );
    assert!(said.contains("replayed up to 0/3FFFF00"), "{said}");
    // `until test -f …; do sleep 1; done` starts processes and does nothing.
    let loops = |nth| {
        let (ticks, read) = (nth, nth * 12_000);
        format!("{WAITING}below ticks: 0 0 {ticks} 0\nbelow rchar: {read}\n")
    };
    assert!(watched(loops).is_err());
    let later = watched(|nth| format!("{WAITING}below wchar: {}\n", nth.min(20) * 30_000));
    assert!(later.unwrap_err().at > Duration::from_secs(50));
}

#[test]
fn the_work_of_processes_below_the_one_that_replays_is_seen() {
    let data = tempfile::tempdir().unwrap();
    let (pid, file) = (data.path().join("postmaster.pid"), data.path().join("f"));
    let script = data.path().join("look.sh");
    std::fs::write(&script, LOOK_SCRIPT).unwrap();
    std::fs::write(pid, format!("{}\n", std::process::id())).unwrap();
    let mut startup = Command::new("sh")
        .args(["-c", "cat > \"$1\"; :", "startup"])
        .arg(&file)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = startup.stdin.take().unwrap();
    input.write_all(&vec![7; 200_000]).unwrap();
    let look = || {
        let mut shell = Command::new("sh");
        let shell = shell.arg("-s").env("DATA", data.path());
        let output = shell.stdin(File::open(&script).unwrap()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let wrote = |_: &u32| {
        std::thread::sleep(Duration::from_millis(50));
        Seen::of(&look(), Duration::ZERO).below.written >= 200_000
    };
    let seen = (0..100).find(wrote);
    let last = look();
    drop(input);
    startup.wait().unwrap();
    assert!(seen.is_some(), "{last}");
    assert!(last.contains("startup"), "{last}");
}

#[test]
fn what_recovery_waits_for_is_read_from_its_process() {
    assert_eq!(waits(WAITING), "waiting for 000000010000000000000004");
    assert_eq!(
        waits("postgres: startup \n1 1\n"),
        "waiting for the first file of the archive"
    );
}

#[test]
fn a_server_that_is_not_consistent_is_asked_by_its_control_file() {
    let control = "Latest checkpoint's REDO location:    0/700028\n\
                   Minimum recovery ending location:     0/700100\n";
    assert_eq!(
        not_consistent(control),
        "not consistent yet, replays from 0/700028, must reach 0/700100 at least"
    );
    let unknown = "Minimum recovery ending location:     0/0\n";
    assert_eq!(not_consistent(unknown), "not consistent yet");
}
