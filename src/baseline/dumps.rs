//! PostgreSQL's `pg_dump` and `pg_dumpall` of this machine, asked for definitions alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::{
    postgres::Access,
    probe::{
        ProbeError,
        definitions::{PG_DUMP, PG_DUMPALL, sections, whole},
        settings::without_secrets,
    },
    runtime::{Output, local::installation},
};

/// Stands in a baseline for what may be a secret.
const SECRET: &str = "not recorded";

/// The programs of one major version of PostgreSQL.
#[derive(Clone, Debug)]
pub struct Programs {
    bin: PathBuf,
    /// E.g. `17.6`.
    pub version: String,
}

/// A dump without the settings of roles and databases that may hold a password.
fn forgetful(dump: &str) -> String {
    let sets = |line: &str| {
        let of = ["ALTER ROLE ", "ALTER DATABASE "];
        of.iter().any(|of| line.starts_with(of)) && line.contains(" SET ")
    };
    let kept = dump
        .lines()
        .map(|line| match sets(line) && without_secrets(line) != line {
            true => SECRET,
            false => line,
        });
    kept.flat_map(|line| [line, "\n"]).collect()
}

impl Programs {
    /// Those of a server's own major version: another one writes definitions otherwise. With `only`
    /// nothing but that directory is looked at.
    ///
    /// # Errors
    /// When there are none, with a hint.
    pub fn of(major: u32, only: Option<&Path>) -> Result<Self, String> {
        let all = installation::clients(only, &["pg_dump", "pg_dumpall"]);
        let versions: Vec<&str> = all.iter().map(|one| one.version.as_str()).collect();
        let there = match versions.is_empty() {
            true => "none is here".to_owned(),
            false => format!("here: {}", versions.join(", ")),
        };
        let own = all.iter().find(|one| one.major == major);
        let own = own.ok_or_else(|| {
            format!(
                "needs pg_dump and pg_dumpall of PostgreSQL {major} ({there})\n  \
                 hint: `apt-get install postgresql-client-{major}`, or name their directory with `--pg-bin`"
            )
        })?;
        Ok(Self {
            bin: own.bin.clone(),
            version: own.version.clone(),
        })
    }

    /// Every object of a database, as the snapshot sees it.
    pub async fn schema(
        &self,
        access: &Access,
        snapshot: &str,
    ) -> Result<BTreeMap<String, String>, ProbeError> {
        let within = format!("--snapshot={snapshot}");
        let arguments = PG_DUMP.iter().copied().chain([within.as_str()]);
        let dump = forgetful(&self.execute("pg_dump", arguments, access).await?);
        Ok(sections::of_schema(&dump, |_secret| SECRET.to_owned()))
    }

    /// Roles and tablespaces.
    pub async fn globals(&self, access: &Access) -> Result<BTreeMap<String, String>, ProbeError> {
        let dump = self.execute("pg_dumpall", PG_DUMPALL.iter().copied(), access);
        Ok(sections::of_globals(&forgetful(&dump.await?)))
    }

    /// The database's name goes into the environment, and so does the password: arguments can be read
    /// by everybody.
    async fn execute(
        &self,
        program: &str,
        arguments: impl Iterator<Item = &str>,
        access: &Access,
    ) -> Result<String, ProbeError> {
        let other =
            |cause: &dyn std::fmt::Display| ProbeError::Other(format!("`{program}`: {cause}"));
        let dir = tempfile::tempdir().map_err(|cause| other(&cause))?;
        let (mode, authorities) = access.tls.stated();
        let file = dir.path().join("root.crt");
        // A file that is not there: nobody is asked for.
        if !authorities.is_empty() {
            fs::write(&file, authorities).map_err(|cause| other(&cause))?;
        }
        let mut command = Command::new(self.bin.join(program));
        command
            .args(arguments)
            .arg("--no-password")
            .env("PGHOST", &access.host)
            .env("PGPORT", access.port.to_string())
            .env("PGUSER", &access.user)
            .env("PGDATABASE", &access.database)
            .env("PGPASSWORD", access.password.reveal())
            .env("PGSSLMODE", mode)
            .env("PGSSLROOTCERT", file)
            .env("PGOPTIONS", "-c default_transaction_read_only=on")
            .kill_on_drop(true);
        let output = command.output().await.map_err(|cause| other(&cause))?;
        if !output.status.success() {
            let told = format!("{}: {}", output.status, Output::tail(&output.stderr, 3));
            return Err(other(&told));
        }
        let text = String::from_utf8(output.stdout).map_err(|cause| other(&cause))?;
        whole(program, &access.database, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_may_hold_a_password_is_left_out_of_a_dump() {
        let dump = "CREATE ROLE secretary;\nALTER ROLE guest SET \"app.password\" TO 'a';\n\
                    ALTER ROLE guest SET work_mem TO '1MB';\nSELECT 'a secret SET ';\n";
        let kept = "CREATE ROLE secretary;\nnot recorded\n\
                    ALTER ROLE guest SET work_mem TO '1MB';\nSELECT 'a secret SET ';\n";
        assert_eq!(forgetful(dump), kept);
    }
}
