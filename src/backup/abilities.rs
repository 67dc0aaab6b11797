//! What a tool can do, as data: scenarios are validated by it, and the documentation's table of
//! tools and verbs is made of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackupKind {
    /// Everything, physically.
    #[default]
    Full,
    /// What changed since the last full one.
    Diff,
    /// What changed since the last one of any kind.
    Incr,
    /// A dump.
    Logical,
}

impl BackupKind {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diff => "differential",
            Self::Incr => "incremental",
            Self::Logical => "logical",
        }
    }
}

/// What a backup is, and so what a restore of it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// The files of a cluster: restored, it is the same cluster, and WAL leads it to any point.
    #[default]
    Physical,
    /// What SQL makes anew: restored, it is another cluster as of the backup's snapshot.
    Logical,
}

/// What a tool, with its options, can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// As a strategy names it.
    pub tool: &'static str,
    /// What its backups are.
    pub nature: Nature,
    /// The kinds it takes; the first where nobody says which.
    pub kinds: &'static [BackupKind],
    /// Whether a server can be restored from them: they hold a whole cluster.
    pub restores: bool,
    /// Whether it takes a backup on another node than the server's own.
    pub from_elsewhere: bool,
    /// Whether it restores in the place of data that are there.
    pub in_place: bool,
    /// Whether it restores some of a cluster's databases, and leaves the others out.
    pub some_databases: bool,
    /// Whether it restores some of a database's schemas or tables.
    pub some_tables: bool,
    /// Whether it archives WAL, and fetches it.
    pub archives: bool,
    /// How it keeps several stores.
    pub stores: Stores,
    /// Whether a store may be object storage.
    pub speaks_s3: bool,
    /// Whether it removes by itself what is kept no longer, as it takes another.
    pub expires: bool,
    /// Its own verifier, if it has one.
    pub verifier: Option<&'static str>,
    /// Whether it calls a backup as it is told to: `main-1`.
    pub takes_label: bool,
    /// Whether the age of its backups is that of their files: `age` makes them older.
    pub aged_by_files: bool,
    /// The first major version of PostgreSQL that it works with; 0: any.
    pub postgres: u32,
    /// Server settings that a strategy must state for it, each with the value.
    pub demands: &'static [(&'static str, &'static str)],
    /// Programs that must be there.
    pub needs: &'static [Needed],
}

impl Abilities {
    /// The programs with a version of their own, each with the least that serves: PostgreSQL's
    /// come with the server.
    pub fn programs(&self) -> impl Iterator<Item = (Needed, Version)> + use<> {
        let needs = self.needs.iter().copied();
        needs.filter_map(|needed| Some((needed, needed.at_least?)))
    }
}

/// How a tool keeps several stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// It takes into the first, and the others are given a copy.
    Copied,
    /// It takes into each by itself.
    Each,
}

/// A program that a tool needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its file's name.
    pub program: &'static str,
    /// As people write it.
    pub name: &'static str,
    /// At least this version; none: as PostgreSQL's own programs, the server's.
    pub at_least: Option<Version>,
    /// Debian's package that has it.
    pub package: &'static str,
}

impl Needed {
    /// The command line that has it say its version.
    pub fn asked(&self) -> [&'static str; 2] {
        [self.program, "version"]
    }

    /// One of PostgreSQL's own programs.
    pub const fn of_postgres(program: &'static str) -> Self {
        Self {
            program,
            name: program,
            at_least: None,
            package: "postgresql-client",
        }
    }
}

/// A version of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// Of what `PROGRAM --version` prints: the first `number.number` in it.
    pub fn of(said: &str) -> Option<Self> {
        let mut words = said.split(|c: char| !c.is_ascii_digit() && c != '.');
        words.find_map(|word| {
            let mut numbers = word.split('.');
            Some(Self(
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
            ))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_off_what_a_program_prints() {
        assert_eq!(Version::of("pgBackRest 2.55.1"), Some(Version(2, 55)));
        assert_eq!(
            Version::of("pg_dump (PostgreSQL) 17.9 (Debian 17.9-1)"),
            Some(Version(17, 9))
        );
        assert_eq!(Version::of("no such program"), None);
        assert!(Version(2, 5) < Version(2, 45));
    }
}
