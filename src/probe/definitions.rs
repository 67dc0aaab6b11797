//! The definition of every object as PostgreSQL's own tools write it: `pg_dump --schema-only`
//! of every database, `pg_dumpall --globals-only` of the cluster.
//!
//! Their output is the complete list of what a restore must bring back; it is cut into one
//! section an object (`sections`), so that a difference can be told by name. What they are
//! silent about is `catalog`'s.

pub mod sections;

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::{try_join, try_join_all};

use super::{ProbeError, ProbeTarget, databases, session};
use crate::{observation::Observation, secret::Secret};

const DEADLINE: Duration = Duration::from_secs(600);

/// Tablespaces and access methods would be settings between the sections; they stand in the
/// catalog.
pub const PG_DUMP: &[&str] = &[
    "--schema-only",
    "--create",
    "--no-tablespaces",
    "--no-table-access-method",
    "--lock-wait-timeout=30s",
];
pub const PG_DUMPALL: &[&str] = &["--globals-only", "--no-role-passwords"];

type Definitions = BTreeMap<String, String>;

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let databases = databases::all(&client).await?;
    let dumps = databases.iter().map(|database| schema(target, database));
    let (globals, schemas) = try_join(globals(target), try_join_all(dumps)).await?;
    let all = schemas.into_iter().flatten().chain(globals);
    Ok(Observation::Definitions(all.collect()))
}

async fn schema(target: &ProbeTarget<'_>, database: &str) -> Result<Definitions, ProbeError> {
    let dump = execute(target, "pg_dump", PG_DUMP, database).await?;
    let key = &target.access.password;
    let told = |(name, text): (String, String)| (target.plan.told(&name, database), text);
    let sections = sections::of_schema(&dump, |secret| keyed(key, secret));
    Ok(sections.into_iter().map(told).collect())
}

async fn globals(target: &ProbeTarget<'_>) -> Result<Definitions, ProbeError> {
    let dump = execute(target, "pg_dumpall", PG_DUMPALL, &target.access.database).await?;
    Ok(sections::of_globals(&dump))
}

/// Runs a client program in the node. The database's name goes into the environment: as an
/// argument it might be taken for a connection string.
async fn execute(
    target: &ProbeTarget<'_>,
    program: &str,
    arguments: &[&str],
    database: &str,
) -> Result<String, ProbeError> {
    let exec = target
        .tool(program, arguments)
        .arg("--no-password")
        .env("PGDATABASE", database)
        .within(DEADLINE)
        .unrecorded();
    whole(program, database, target.node.exec(exec).await?.text())
}

/// A dump that a program which ended well wrote to its end.
pub fn whole(program: &str, database: &str, dump: String) -> Result<String, ProbeError> {
    match is_whole(&dump) {
        true => Ok(dump),
        false => Err(ProbeError::Other(format!(
            "`{program}` of database `{database}` ended well and wrote {} bytes, and not the line that it ends with",
            dump.len()
        ))),
    }
}

/// Whether a dump has the line that each ends with: `-- PostgreSQL database dump complete`, or
/// `-- PostgreSQL database cluster dump complete`. An answer cut off is no catalog without objects.
fn is_whole(dump: &str) -> bool {
    let mut last = dump
        .lines()
        .rev()
        .filter(|line| line.starts_with("-- PostgreSQL"));
    last.next()
        .is_some_and(|line| line.ends_with("dump complete"))
}

/// Stands for a secret: the same secret gives the same digest within a drill, and nobody
/// without the drill's own passwords can try which text gives it.
pub(super) fn keyed(key: &Secret, secret: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    digest.update(key.reveal());
    digest.update([0]);
    digest.update(secret);
    hex::encode(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_is_cut_off_is_told_from_a_whole_one() {
        let whole = "--\n-- PostgreSQL database dump\n--\n\nSET a = b;\n\n\
                     --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n";
        assert!(is_whole(whole));
        assert!(!is_whole(&whole[..60]));
        assert!(!is_whole(""));
        assert!(is_whole(
            "-- PostgreSQL database cluster dump complete\n--\n"
        ));
    }

    #[test]
    fn a_secret_is_told_by_a_digest_of_its_own_drill() {
        let (one, other) = (Secret::new("one"), Secret::new("other"));
        assert_eq!(keyed(&one, "p"), keyed(&one, "p"));
        assert_ne!(keyed(&one, "p"), keyed(&one, "q"));
        assert_ne!(keyed(&one, "p"), keyed(&other, "p"));
    }
}
