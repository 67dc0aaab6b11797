//! The system identifier that tells one cluster's files from another's.
//!
//! Servers are unpacked from a template, and all copies of one would share its identifier, so
//! that WAL of another server could not be told from one's own. Each gets one of its own, by the
//! way of `pg_createsubscriber`: write it into the control file, then let `pg_resetwal` make the
//! WAL anew from it.

use std::fmt::Write;

use super::Server;
use crate::units;

impl Server {
    /// Shell lines that give a cluster that was shut down, and never started since, another
    /// system identifier. The new control file's checksum is `pg_resetwal`'s work: `-f` makes it
    /// take the values of a file whose checksum is wrong.
    pub(super) fn identifying(&self) -> String {
        let data = self.node.layout().data.display().to_string();
        format!(
            "printf '{identifier}' 1<> {data}/global/pg_control\n{pg_resetwal} -f -D {data}\n",
            identifier = octal(fresh().to_ne_bytes()),
            pg_resetwal = self.program("pg_resetwal"),
        )
    }
}

/// An identifier as `initdb` makes one: seconds since 1970 above, here with 32 random bits below.
fn fresh() -> u64 {
    let now = units::wall_clock().as_second().cast_unsigned();
    (now << 32) | u64::from(rand::random::<u32>())
}

/// Bytes for the `printf` of any shell.
fn octal(bytes: [u8; 8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:03o}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_shell() {
        let bytes = [0, 9, 10, 37, 39, 92, 128, 255];
        let script = format!("printf '{}'", octal(bytes));
        let shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .output();
        assert_eq!(shell.unwrap().stdout, bytes);
    }

    #[test]
    fn an_identifier_is_of_its_second_and_no_other_is_like_it() {
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other);
        assert!(other >> 32 >= one >> 32 && one >> 32 > 1_700_000_000);
    }
}
