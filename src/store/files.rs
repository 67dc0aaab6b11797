//! The files of a store: what they come to, and how some of them are damaged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A file in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// From the store's beginning.
    pub path: String,
    pub bytes: u64,
    /// Empty: not asked for.
    pub sha256: String,
}

/// Of several files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Which {
    #[default]
    All,
    /// The one that was written last.
    Newest,
    Largest,
}

/// What is to become of which files of a store.
#[derive(Clone, Copy, Debug)]
pub struct Damaging<'a> {
    /// As `find -path` has it, from the store's beginning.
    pub files: &'a str,
    /// Of those.
    pub which: Which,
    pub are: Damage,
}

/// A file of a store that was to be damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// From the store's beginning.
    pub path: String,
    /// Its SHA-256 before, and after: empty where it is gone.
    pub before: String,
    pub after: String,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Damage {
    /// It is gone.
    Removed,
    /// It ends in its midst.
    Truncated,
    /// Bytes in its midst are others.
    Corrupted,
}

impl Damage {
    pub fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Truncated => "truncated",
            Self::Corrupted => "corrupted",
        }
    }
}

/// What files of a store come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub files: u64,
    pub bytes: u64,
    /// Of all their names, sizes and hashes.
    pub sha256: String,
}

impl Held {
    pub fn of(files: &[Stored]) -> Self {
        let mut digest = Sha256::new();
        for file in files {
            digest.update(format!("{} {} {}\n", file.path, file.bytes, file.sha256));
        }
        Self {
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
            sha256: hex::encode(digest.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_differs_by_name_and_content() {
        let file = |path: &str, sha256: &str| Stored {
            path: path.into(),
            bytes: 3,
            sha256: sha256.into(),
        };
        let held = |file: Stored| Held::of(&[file]);
        assert_eq!(held(file("a", "1")).bytes, 3);
        assert_eq!(held(file("a", "1")), held(file("a", "1")));
        assert_ne!(held(file("a", "1")), held(file("b", "1")));
        assert_ne!(held(file("a", "1")), held(file("a", "2")));
    }
}
