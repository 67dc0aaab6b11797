//! One database's dump as a file: what it is called, in which format, and with what it is encrypted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    backup::{BackupError, Site},
    postgres::server::SUPERUSER,
    runtime::{Exec, exec::quoted},
    secret::Secret,
};

/// What `pg_dump` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Format {
    /// An archive in one file (`-Fc`).
    #[default]
    Custom,
    /// An archive with a file a table (`-Fd`), which several jobs write and read at the same time.
    Directory,
    /// An archive as one tar file (`-Ft`).
    Tar,
    /// SQL (`-Fp`), restored by `psql`.
    Plain,
}

impl Format {
    /// As `--format` takes it.
    pub fn letter(self) -> char {
        match self {
            Self::Custom => 'c',
            Self::Directory => 'd',
            Self::Tar => 't',
            Self::Plain => 'p',
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Custom => "dump",
            Self::Directory => "dir",
            Self::Tar => "tar",
            Self::Plain => "sql",
        }
    }

    /// Of a file by its name; whoever makes one calls it so.
    pub fn of(name: &str) -> Self {
        let plain = name.trim_end_matches(".age").trim_end_matches(".gpg");
        let all = [Self::Directory, Self::Tar, Self::Plain];
        let suffix = plain.rsplit('.').next().unwrap_or_default();
        let known = all.into_iter().find(|one| one.suffix() == suffix);
        known.unwrap_or_default()
    }

    /// Whether `pg_restore` reads it.
    pub fn is_archive(self) -> bool {
        self != Self::Plain
    }
}

/// Whether `pg_restore` reads it as it is.
pub fn is_readable_archive(name: &str) -> bool {
    Encryption::of(name).is_none() && Format::of(name).is_archive()
}

/// What a database's dump is called: of the name what no file's should hold is written as `%20`.
pub fn file_name(database: &str, format: Format) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let name = database.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    format!("{}.{}", name.collect::<String>(), format.suffix())
}

/// With what a dump is encrypted before it goes anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Encryption {
    /// `gpg --symmetric`, with a passphrase that every node of the drill has.
    Gpg,
    /// `age`, to a key that every node of the drill has.
    Age,
}

impl Encryption {
    fn suffix(self) -> &'static str {
        match self {
            Self::Gpg => "gpg",
            Self::Age => "age",
        }
    }

    fn of(name: &str) -> Option<Self> {
        let all = [Self::Gpg, Self::Age];
        let suffix = name.rsplit('.').next()?;
        all.into_iter().find(|one| one.suffix() == suffix)
    }

    /// Writes the key on a node, readable by its owner alone.
    pub async fn configure(self, site: &Site<'_>) -> Result<(), BackupError> {
        let key = self.key(site);
        site.recorder.redact(key.reveal());
        let file = self.key_file(site);
        let text = format!("{}\n", key.reveal());
        Ok(site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?)
    }

    /// The same on every node of a drill, as the superuser's password is.
    fn key(self, site: &Site<'_>) -> Secret {
        let password = site.server.passwords.get(SUPERUSER).cloned();
        let key = password.unwrap_or_else(Secret::random).derived("dumps");
        match self {
            Self::Gpg => key,
            Self::Age => identity(&key),
        }
    }

    fn key_file(self, site: &Site<'_>) -> String {
        site.fill_in(&format!("{{run}}/dumps.{}-key", self.suffix()))
    }

    /// Has an encrypted file in a dump's place. Returns what it is called.
    pub async fn encrypt(
        self,
        site: &Site<'_>,
        directory: &str,
        name: &str,
    ) -> Result<String, BackupError> {
        let encrypted = format!("{name}.{}", self.suffix());
        let key = quoted(&self.key_file(site));
        let (from, to) = (quoted(name), quoted(&encrypted));
        let command = match self {
            Self::Gpg => gpg(&format!(
                "--passphrase-file {key} --symmetric -o {to} {from}"
            )),
            Self::Age => format!("age -r \"$(age-keygen -y {key})\" -o {to} {from}"),
        };
        let script = format!("cd {} && {command} && rm {from}", quoted(directory));
        site.exec(Exec::shell(script)).await?;
        Ok(encrypted)
    }
}

/// Without an agent or a keyring of anybody's.
fn gpg(arguments: &str) -> String {
    format!(
        "home=$(mktemp -d) && gpg --homedir \"$home\" --batch --quiet --pinentry-mode loopback {arguments}; \
         ended=$?; gpgconf --homedir \"$home\" --kill all; rm -rf \"$home\"; (exit $ended)"
    )
}

/// The file as it was before it was encrypted, in a directory; one that was not is where it is.
pub async fn decrypted(site: &Site<'_>, file: &str, into: &str) -> Result<String, BackupError> {
    let Some(encryption) = Encryption::of(file) else {
        return Ok(file.to_owned());
    };
    let name = file.rsplit('/').next().unwrap_or(file);
    let plain = format!(
        "{into}/{}",
        name.trim_end_matches(&format!(".{}", encryption.suffix()))
    );
    let (from, to) = (quoted(file), quoted(&plain));
    let key = quoted(&encryption.key_file(site));
    let command = match encryption {
        Encryption::Gpg => gpg(&format!("--passphrase-file {key} -o {to} --decrypt {from}")),
        Encryption::Age => format!("age --decrypt -i {key} -o {to} {from}"),
    };
    site.exec(Exec::shell(format!(
        "mkdir -p -m 700 {} && {command}",
        quoted(into)
    )))
    .await?;
    Ok(plain)
}

/// A key as age's identity: 32 bytes in Bech32, by the age specification, "X25519 recipient stanza".
fn identity(key: &Secret) -> Secret {
    let bytes = hex::decode(key.reveal()).unwrap_or_default();
    let text =
        bech32::encode::<bech32::Bech32>(bech32::Hrp::parse_unchecked("age-secret-key-"), &bytes);
    Secret::new(text.unwrap_or_default().to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_called_as_its_database_and_its_format() {
        let name = |database: &str| file_name(database, Format::Custom);
        assert_eq!(name("postgres"), "postgres.dump");
        assert_eq!(name("my shop/ü"), "my%20shop%2F%C3%BC.dump");
        for format in [
            Format::Custom,
            Format::Directory,
            Format::Tar,
            Format::Plain,
        ] {
            let name = file_name("a.tar", format);
            assert_eq!(Format::of(&name), format, "{name}");
            let encrypted = format!("{name}.age");
            assert_eq!(Format::of(&encrypted), format);
            assert!(!is_readable_archive(&encrypted));
            assert_eq!(is_readable_archive(&name), format != Format::Plain);
        }
    }

    #[test]
    fn a_key_is_an_identity_of_age() {
        // 32 bytes of 0x00: the first vector is age-keygen's own text form of them.
        let identity = identity(&Secret::new("00".repeat(32)));
        let text = identity.reveal();
        assert!(text.starts_with("AGE-SECRET-KEY-1QQQQQQ"), "{text}");
        assert_eq!(text.len(), 74);
    }
}
