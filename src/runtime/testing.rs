//! For unit tests: the `local` runtime with an `initdb` that makes an empty directory, so
//! that nodes are there and no server ever is; and a bug that a test can want.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Exec, Runtime,
    local::{Local, installation::Installation},
    run::{Run, RunId},
};

/// In a command's standard input, it is a bug of the harness: see [`heed`].
pub const BUG: &str = "the test wanted a bug";

/// The major version that [`local`] serves.
pub const MAJOR: u32 = 17;

/// Nodes lie below `dir`, which other users may then pass through.
pub fn local(dir: &Path) -> Runtime {
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
    // Another process writes it: while this one did, no other thread could start it.
    let write = "printf '#!/bin/sh\nmkdir cluster\n' > initdb && chmod 755 initdb";
    let mut shell = Command::new("sh");
    let written = shell.args(["-c", write]).current_dir(dir).status().unwrap();
    assert!(written.success());
    let installation = Installation {
        major: MAJOR,
        version: MAJOR.to_string(),
        bin: PathBuf::from(dir),
    };
    let run = Run::begin(RunId::new(), dir).unwrap();
    Runtime::Local(Local::new(run, dir, vec![installation]))
}

/// Panics at a [`BUG`].
pub(super) fn heed(exec: &Exec) {
    let input = String::from_utf8_lossy(&exec.stdin);
    assert!(!input.contains(BUG), "{BUG}");
}
