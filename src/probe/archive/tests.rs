use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use blake2::{Blake2b, Digest as _, digest::consts::U16};

use super::*;
use crate::{backup::archive::Directory, runtime::Layout, wal::Head};

const MEGABYTE: u64 = 1 << 20;

#[test]
fn what_segments_hold_is_read_line_by_line() {
    let text = "pgdrill-archived 16777216 0a 10d1 - - 000000010000000000000002\n\
                pgdrill-refused 000000010000000000000002 pg_waldump: error: no\n\
                pgdrill-archived 900 0b 1f8b 0c 10d1 000000010000000000000003.gz\n\
                pgdrill-archived 0 0d - - - 000000010000000000000004\n\
                pgdrill-written 000000010000000000000003 0c\n";
    let held = held(text);
    let second = &held.files["000000010000000000000002"];
    assert_eq!((second.bytes, second.digest.as_str()), (16_777_216, "0a"));
    assert_eq!(second.refused, "pg_waldump: error: no");
    let packed = &held.files["000000010000000000000003.gz"];
    assert_eq!(packed.inside.as_deref(), Some("0c"));
    assert_eq!(held.files["000000010000000000000004"].head, "");
    assert_eq!(held.written["000000010000000000000003"], "0c");
    let all = all_files("3 notes.txt\n900 000000010000000000000003.gz\n", held.files);
    assert_eq!(all["notes.txt"].bytes, 3);
    assert_eq!(all["000000010000000000000003.gz"].digest, "0b");
}

/// An archive and a data directory in which the script looks for real.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self::of(&WalArchive::safe(&["local".to_owned()]))
    }

    /// Those of an archive whose files hold something that a command makes of them.
    fn read_by(content: &str) -> Self {
        let directory = Directory {
            store: "local".into(),
            path: "{archive}".into(),
            content: Some(content.into()),
        };
        let commands = (String::new(), String::new());
        Self::of(&WalArchive::of_tool(commands, vec![directory], 0, ""))
    }

    fn of(archive: &WalArchive) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(files.path("wal")).unwrap();
        fs::create_dir_all(files.path("data/pg_wal/archive_status")).unwrap();
        let layout = Layout {
            stores: [("local".to_owned(), files.path(""))].into(),
            ..Layout::default()
        };
        let script = archive.listing(&layout) + &archive.reading(&layout) + LOOK;
        fs::write(files.path("look.sh"), script).unwrap();
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file of the archive, and tells its digest.
    fn archived(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path("wal").join(name), content).unwrap();
        digest(content)
    }

    /// Packs the content as a file of the archive; false where the program is not there.
    fn packed(&self, program: &str, name: &str, content: &[u8]) -> bool {
        let plain = self.path("plain");
        fs::write(&plain, content).unwrap();
        let packed = File::create(self.path("wal").join(name)).unwrap();
        let mut command = Command::new(program);
        let command = command.arg("-c").stdin(File::open(plain).unwrap());
        let done = command.stdout(packed).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    }

    /// What the script tells of segments after and up to these, in the archive and in `pg_wal`.
    fn look(&self, span: [&str; 2], waldump: &str) -> Held {
        self.told(&mut self.shell(span, waldump))
    }

    fn shell(&self, [after, up_to]: [&str; 2], waldump: &str) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell
            .arg("-s")
            .env("DATA", self.path("data"))
            .env("AFTER", after)
            .env("UP_TO", up_to)
            .env("WRITTEN_AFTER", after)
            .env("WRITTEN", up_to)
            .env("WALDUMP", waldump);
        shell
    }

    fn told(&self, shell: &mut Command) -> Held {
        let script = File::open(self.path("look.sh")).unwrap();
        let output = shell.stdin(script).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        held(&String::from_utf8(output.stdout).unwrap())
    }
}

/// By the library, where the look asks coreutils.
fn digest(content: &[u8]) -> String {
    hex::encode(Blake2b::<U16>::digest(content))
}

/// A segment's first page header, as a cluster with segments of that size writes it, and more.
fn segment(number: u64, size: u64) -> Vec<u8> {
    let mut content = vec![0; 100_000];
    content[..2].copy_from_slice(&0xd110_u16.to_le_bytes());
    content[2] = 7;
    content[4] = 1;
    content[8..16].copy_from_slice(&(number * size).to_le_bytes());
    content[24..32].copy_from_slice(&77_u64.to_le_bytes());
    content[32..36].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
    content[36..40].copy_from_slice(&8192_u32.to_le_bytes());
    for (at, byte) in content[40..].iter_mut().enumerate() {
        *byte = (at * at % 251) as u8;
    }
    content
}

fn named(number: u64, ending: &str) -> String {
    format!("0000000100000000{number:08X}{ending}")
}

#[test]
fn segments_of_any_size_are_told_with_their_first_page() {
    let files = Files::new();
    let (first, second) = (named(1, ""), named(2, ""));
    let mut content = segment(1, MEGABYTE);
    content.resize(1 << 20, 0);
    let megabyte = files.archived(&first, &content);
    files.archived(&second, &segment(2, 64 * MEGABYTE));
    let path = files.path("wal").join(&second);
    let sparse = File::options().append(true).open(path).unwrap();
    sparse.set_len(64 * MEGABYTE).unwrap();
    let truncated = files.archived(&named(3, ""), &segment(3, MEGABYTE)[..8192]);
    let zeros = files.archived(&named(4, ""), &[0; 8192]);
    files.archived(&named(5, ""), b"");
    let held = files.look([FIRST, LAST], "").files;
    assert_eq!(held.len(), 5);
    let head = |name: &str| Head::read(&held[name].head).unwrap();
    assert_eq!(held[&first].bytes, MEGABYTE);
    assert_eq!(held[&first].digest, megabyte);
    assert_eq!((head(&first).address, head(&first).timeline), (MEGABYTE, 1));
    assert_eq!(head(&first).system_identifier, 77);
    assert_eq!(held[&second].bytes, 64 * MEGABYTE);
    assert_eq!(head(&second).address, 128 * MEGABYTE);
    assert_eq!(held[&named(3, "")].bytes, 8192);
    assert_eq!(held[&named(3, "")].digest, truncated);
    assert_eq!(held[&named(4, "")].digest, zeros);
    assert_eq!(head(&named(4, "")).magic, 0);
    assert_eq!(held[&named(5, "")].head, "");
    assert!(held.values().all(|file| file.inside.is_none()));
}

#[test]
fn packed_segments_are_looked_through() {
    let files = Files::new();
    let content = segment(1, MEGABYTE);
    let inside = digest(&content);
    let programs = [
        ("gzip", ".gz"),
        ("zstd", ".zst"),
        ("lz4", ".lz4"),
        ("xz", ".xz"),
        ("bzip2", ".bz2"),
    ];
    let there: Vec<&str> = programs
        .into_iter()
        .filter(|(program, ending)| files.packed(program, &named(1, ending), &content))
        .map(|(_, ending)| ending)
        .collect();
    assert!(there.contains(&".gz"), "no gzip on this machine");
    // Under the segment's own name, and cut off.
    assert!(files.packed("gzip", &named(2, ""), &content));
    let whole = fs::read(files.path("wal").join(named(2, ""))).unwrap();
    let cut = whole.len() / 2;
    files.archived(&named(3, ".gz"), &whole[..cut]);
    let held = files.look([FIRST, LAST], "false").files;
    for ending in there {
        let file = &held[&named(1, ending)];
        assert_eq!(file.inside.as_ref(), Some(&inside), "{ending}");
        assert_ne!(file.digest, inside, "{ending}");
        // What is inside is read under the segment's own name.
        assert_eq!(file.refused, SILENT, "{ending}");
        assert_eq!(Head::read(&file.inside_head).unwrap().address, MEGABYTE);
    }
    assert_eq!(held[&named(2, "")].inside.as_ref(), Some(&inside));
    let cut_off = &held[&named(3, ".gz")];
    assert!(cut_off.inside.is_some() && cut_off.inside.as_ref() != Some(&inside));
}

/// Prints what is behind the first eight bytes, and fails where the file is named so.
const BEHIND_EIGHT: &str =
    "tail -c +9 {archive}/$below && case $below in *FF) echo 'no key' >&2; false ;; esac";

#[test]
fn what_is_in_a_file_is_what_its_archive_reads_there() {
    let files = Files::read_by(BEHIND_EIGHT);
    let content = segment(1, MEGABYTE);
    let inside = digest(&content);
    let hidden = |content: &[u8]| [b"Salted__", content].concat();
    files.archived(&named(1, ""), &hidden(&content));
    assert!(files.packed("gzip", "packed", &content));
    let packed = fs::read(files.path("wal/packed")).unwrap();
    let whole = files.archived(&named(2, ".gz"), &hidden(&packed));
    files.archived(&named(3, ".gz"), &hidden(&packed[..packed.len() / 2]));
    files.archived(&named(4, ""), b"Salt");
    files.archived(&named(255, ""), &hidden(&content));
    let held = files.look([FIRST, LAST], "false").files;
    for name in [named(1, ""), named(2, ".gz")] {
        assert_eq!(held[&name].inside.as_ref(), Some(&inside), "{name}");
        assert_eq!(held[&name].refused, SILENT, "{name}");
        assert_eq!((held[&name].head.get(..16)), Some("53616c7465645f5f"));
    }
    assert_eq!(held[&named(2, ".gz")].digest, whole);
    // A damaged one holds something else.
    for name in [named(3, ".gz"), named(4, "")] {
        assert!(held[&name].inside.as_ref().is_some_and(|it| *it != inside));
    }
    let closed = &held[&named(255, "")];
    let told = (
        closed.inside.as_ref(),
        closed.closed.as_str(),
        closed.refused.as_str(),
    );
    assert_eq!(told, (None, "no key", ""));
}

#[test]
fn a_segment_that_the_node_cannot_unpack_is_told_as_such() {
    let files = Files::new();
    files.archived(&named(1, ".lz4"), &[0x04, 0x22, 0x4d, 0x18, 0]);
    let programs = tempfile::tempdir().unwrap();
    for program in [
        "awk", "b2sum", "cat", "find", "ls", "mktemp", "od", "rm", "sed", "sort", "tail",
    ] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(program))
            .find(|file| file.exists());
        std::os::unix::fs::symlink(found.unwrap(), programs.path().join(program)).unwrap();
    }
    let mut shell = files.shell([FIRST, LAST], "false");
    let held = files.told(shell.env("PATH", programs.path()));
    let file = &held.files[&named(1, ".lz4")];
    let told = (
        file.inside.as_ref(),
        file.closed.as_str(),
        file.refused.as_str(),
    );
    assert_eq!(told, (None, "the node has no lz4", ""));
}

#[test]
fn other_files_of_an_archive_are_told_by_their_names() {
    let files = Files::new();
    let content = segment(1, MEGABYTE);
    let same = files.archived(&named(1, ".partial"), &content);
    let part = files.archived(&named(2, ".part"), &content[..5000]);
    let backup = files.archived(&named(1, ".00000028.backup"), b"START WAL LOCATION");
    files.archived(
        "00000002.history",
        b"1\t0/5000000\tno recovery target specified\n",
    );
    files.archived("notes.txt", b"none of PostgreSQL's");
    fs::create_dir(files.path("wal").join(named(7, ""))).unwrap();
    let held = files.look([FIRST, LAST], "false").files;
    let told: Vec<&String> = held.keys().collect();
    let names = [".00000028.backup", ".partial"].map(|ending| named(1, ending));
    let part_name = named(2, ".part");
    assert_eq!(told, [&names[0], &names[1], &part_name]);
    assert_eq!(held[&names[0]].digest, backup);
    assert_eq!(held[&names[1]].digest, same);
    assert_eq!(held[&part_name].digest, part);
    assert_eq!(held[&part_name].bytes, 5000);
}

#[test]
fn only_segments_of_the_span_are_looked_at_and_a_silent_refusal_is_one() {
    let files = Files::new();
    let (content, other) = (segment(1, MEGABYTE), segment(2, MEGABYTE));
    for number in 1..=4 {
        files.archived(&named(number, ""), &content);
        let written = files.path("data/pg_wal").join(named(number, ""));
        fs::write(written, &other).unwrap();
    }
    let partial = files.path("data/pg_wal").join(named(3, ".partial"));
    fs::write(partial, &other).unwrap();
    let (after, up_to) = (named(1, ""), named(3, ""));
    let held = files.look([&after, &up_to], "false");
    let span = [named(2, ""), named(3, "")];
    assert!(held.files.keys().eq(&span), "{held:?}");
    assert!(held.written.keys().eq(&span), "{held:?}");
    assert!(held.written.values().all(|one| *one == digest(&other)));
    assert!(held.files.values().all(|file| file.refused == SILENT));
    assert_eq!(
        files.look([&after, &up_to], "true").files[&up_to].refused,
        ""
    );
    fs::remove_dir_all(Path::new(&files.path("wal"))).unwrap();
    assert!(files.look([FIRST, LAST], "").files.is_empty());
}
