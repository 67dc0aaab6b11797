//! The PostgreSQL versions installed on this machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::runtime::{RuntimeError, docker::images};

/// Programs without which a directory is no installation of a server.
const NEEDED: [&str; 6] = [
    "postgres",
    "initdb",
    "pg_ctl",
    "pg_basebackup",
    "pg_dump",
    "psql",
];

/// One version of PostgreSQL on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Major version.
    pub major: u32,
    /// What `postgres --version` says of itself, e.g. `17.6`.
    pub version: String,
    /// The directory of its programs.
    pub bin: PathBuf,
}

/// What is installed, one of each major version, oldest first. With `only` nothing but
/// that directory is looked at.
///
/// # Errors
/// When there is none; of the directory asked for, with what it lacks.
pub fn find(only: Option<&Path>) -> Result<Vec<Installation>, RuntimeError> {
    if let Some(bin) = only {
        return look(bin)
            .map(|found| vec![found])
            .map_err(|lacks| unfit(bin, &lacks));
    }
    let mut found = BTreeMap::new();
    for installation in candidates().iter().filter_map(|bin| look(bin).ok()) {
        found.entry(installation.major).or_insert(installation);
    }
    match found.is_empty() {
        true => Err(none()),
        false => Ok(found.into_values().collect()),
    }
}

/// The directories of this machine that have these client programs, each with its major version.
/// With `only` nothing but that directory is looked at.
pub fn clients(only: Option<&Path>, programs: &[&str]) -> Vec<Installation> {
    let looked = only.map_or_else(candidates, |bin| vec![bin.to_owned()]);
    let there = looked
        .into_iter()
        .filter(|bin| programs.iter().all(|program| bin.join(program).is_file()));
    let client = |bin: PathBuf| {
        let program = bin.join(programs.first()?);
        let said = Command::new(program).arg("--version").output().ok()?.stdout;
        let (major, version) = parse_version(&String::from_utf8_lossy(&said))?;
        Some(Installation {
            major,
            version,
            bin,
        })
    };
    there.filter_map(client).collect()
}

/// Where to look, the most deliberate first.
fn candidates() -> Vec<PathBuf> {
    let mut bins: Vec<PathBuf> = pg_config().into_iter().collect();
    bins.extend(below("/usr/lib/postgresql", |version| version.join("bin")));
    bins.extend(
        below("/usr", |dir| dir.join("bin"))
            .into_iter()
            .filter(|bin| bin.to_string_lossy().starts_with("/usr/pgsql-")),
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    bins.extend(std::env::split_paths(&path));
    bins
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim()))
}

fn below(dir: &str, bin: impl Fn(PathBuf) -> PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| bin(entry.path())).collect()
}

/// The installation in a directory; else what it lacks.
fn look(bin: &Path) -> Result<Installation, String> {
    let absent = NEEDED.iter().filter(|program| !bin.join(program).is_file());
    let absent: Vec<String> = absent.map(|program| format!("`{program}`")).collect();
    if !absent.is_empty() {
        return Err(format!("it lacks {}", absent.join(", ")));
    }
    let output = Command::new(bin.join("postgres")).arg("--version").output();
    let output = output.map_err(|cause| format!("cannot execute its `postgres`: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let (major, version) = parse_version(&said)
        .ok_or_else(|| format!("its `postgres --version` says `{}`", said.trim()))?;
    let supported: Vec<u32> = images::matrix().iter().map(|row| row.postgres).collect();
    if !supported.contains(&major) {
        return Err(format!(
            "its PostgreSQL {version} is none of the supported {supported:?}"
        ));
    }
    Ok(Installation {
        major,
        version,
        bin: bin.to_owned(),
    })
}

/// `postgres (PostgreSQL) 17.6 (Debian 17.6-1)` → 17 and `17.6`; `18beta1` is 18.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, version.to_owned()))
}

/// The error for a version that is not there.
pub fn missing(major: u32, there: &[Installation]) -> RuntimeError {
    let there: Vec<String> = there.iter().map(|found| found.major.to_string()).collect();
    let there = match there.is_empty() {
        true => "none is".to_owned(),
        false => format!("installed: {}", there.join(", ")),
    };
    RuntimeError::Unavailable {
        what: format!("PostgreSQL {major} is not installed on this machine ({there})"),
        hint: format!(
            "`apt-get install postgresql-{major}`, or name its programs' directory with `--pg-bin`"
        ),
    }
}

/// The error for a directory that was asked for and is none.
fn unfit(bin: &Path, lacks: &str) -> RuntimeError {
    RuntimeError::Unavailable {
        what: format!("`{}` can't be drilled with: {lacks}", bin.display()),
        hint: "name the directory of all programs of one supported PostgreSQL server with \
               `--pg-bin`, on Debian `/usr/lib/postgresql/<major>/bin`"
            .into(),
    }
}

/// The error for a machine without any.
fn none() -> RuntimeError {
    RuntimeError::Unavailable {
        what: "no supported PostgreSQL server is installed on this machine".into(),
        hint: "`apt-get install postgresql`, or name its programs' directory with `--pg-bin`"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_server_states_them() {
        let debian = "postgres (PostgreSQL) 17.6 (Debian 17.6-1)\n";
        assert_eq!(parse_version(debian), Some((17, "17.6".into())));
        let beta = "postgres (PostgreSQL) 18beta1\n";
        assert_eq!(parse_version(beta), Some((18, "18beta1".into())));
        assert_eq!(parse_version("nonsense"), None);
    }

    #[test]
    fn a_directory_that_cannot_serve_says_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let lacks = |program: &str| {
            find(Some(dir.path()))
                .unwrap_err()
                .to_string()
                .contains(program)
        };
        for program in NEEDED {
            assert!(lacks(program), "{program}");
            std::fs::write(dir.path().join(program), "").unwrap();
        }
        assert!(lacks("cannot execute"));
    }
}
