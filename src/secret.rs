//! A text that cannot be printed.
//!
//! Only [`Secret::reveal`] gives it away, so every place that does is found by its
//! name. Replacing secrets in recorded text is `history::Recorder::redact`.

use std::fmt;

use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};

/// A password or key. `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// 128 random bits of the operating system, in hexadecimal.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        SysRng
            .try_fill_bytes(&mut bytes)
            .expect("the operating system has randomness");
        Self(hex::encode(bytes))
    }

    /// A password as people are told to choose one: random, and with every special character there is, so
    /// that each drill shows that its tools and scripts quote it.
    pub fn password() -> Self {
        let special = (b'!'..=b'~').filter(|byte| byte.is_ascii_punctuation());
        let special: String = special.map(char::from).collect();
        let Self(random) = Self::random();
        Self(format!("{random} {special}"))
    }

    /// Another one for this purpose, always the same: nothing of this one can be told from it.
    pub fn derived(&self, purpose: &str) -> Self {
        Self(hex::encode(Sha256::digest(format!("{purpose} {}", self.0))))
    }

    /// The text itself, for where it is used.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::random();
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.reveal().len(), 32);
    }

    #[test]
    fn a_password_has_every_special_character() {
        let password = Secret::password();
        let special = password.reveal().chars().filter(char::is_ascii_punctuation);
        assert_eq!(special.count(), 32);
        assert!(password != Secret::password());
    }

    #[test]
    fn a_derived_secret_is_the_same_for_the_same_purpose_alone() {
        let (secret, other) = (Secret::random(), Secret::random());
        assert!(secret.derived("a") == secret.derived("a"));
        assert!(secret.derived("a") != secret.derived("b"));
        assert!(secret.derived("a") != other.derived("a"));
    }
}
