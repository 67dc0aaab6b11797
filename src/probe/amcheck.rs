//! Structure of tables and indexes in every database: `pg_amcheck`, which also finds every heap
//! row in its B-trees, and `indexes` for what it leaves out.
//!
//! The extension `amcheck` must be in a database: the harness creates it at set-up, so that the
//! catalog is the same before and after. What looking provokes is not written to the server's log.

use std::time::Duration;

use tokio_postgres::Client;

use super::{
    ProbeError, ProbeTarget, SESSION_17, databases,
    indexes::{self, Read},
    pg, prepare,
};
use crate::{
    observation::{Observation, Structure},
    postgres::Access,
    runtime::Output,
};

const DEADLINE: Duration = Duration::from_secs(3600);
/// Exit code for corruption found.
const CORRUPT: i32 = 2;

/// Functions find what they need by the role's own `search_path`, as for any client.
const SESSION: &str = "SET log_min_messages = fatal; SET row_security = off; \
     SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
     SET lock_timeout = '30s'; SET max_parallel_workers_per_gather = 0; SET jit = off";

const EXTENSION: &str = "SELECT quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace \
     WHERE extname = 'amcheck'";
const TREES: &str = "
SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  format('btree index \"%s.%s.%s\"', current_database(), n.nspname, c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am m ON m.oid = c.relam
WHERE m.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid AND i.indisready";

/// Looks at every database that can be connected to.
///
/// # Errors
/// When `pg_amcheck` could not check (exit code 1), or a database can't be asked.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let output = run(target).await?;
    let mut seen = Structure {
        exit: output.exit,
        messages: messages(&output),
        ..Structure::default()
    };
    for database in databases::all(&session(&target.access).await?).await? {
        let client = session(&target.access.within(&database)).await?;
        look_into(&client, &database, &mut seen)
            .await
            .map_err(pg(format!("read the indexes of database `{database}`")))?;
        seen.databases.push(database);
    }
    Ok(Observation::Amcheck(seen))
}

/// Runs it in the node, over the server's Unix socket.
async fn run(target: &ProbeTarget<'_>) -> Result<Output, ProbeError> {
    let database = format!("--maintenance-db={}", target.access.database);
    let arguments = [
        "--no-password",
        "--jobs=2",
        "--heapallindexed",
        "--all",
        &database,
    ];
    let exec = target
        .tool("pg_amcheck", &arguments)
        .env("PGOPTIONS", "-c log_min_messages=fatal")
        .within(DEADLINE)
        .allow(CORRUPT);
    Ok(target.node.exec(exec).await?)
}

async fn session(access: &Access) -> Result<Client, ProbeError> {
    let client = access.connect(super::APPLICATION).await?;
    prepare(&client, &[SESSION, SESSION_17]).await?;
    Ok(client)
}

async fn look_into(
    client: &Client,
    database: &str,
    seen: &mut Structure,
) -> Result<(), tokio_postgres::Error> {
    let trees = match client.query_opt(EXTENSION, &[]).await? {
        Some(row) if seen.exit == CORRUPT => again(client, row.try_get(0)?, database, seen).await?,
        Some(_) => Vec::new(),
        None => {
            seen.unchecked.push(database.to_owned());
            Vec::new()
        }
    };
    for index in indexes::list(client, &trees).await? {
        let name = format!("{database}: {}", index.name);
        match indexes::read(client, &index).await {
            Read::Same => seen.read.push(name),
            Read::Sampled => seen.sampled.push(name),
            Read::Different(how) => seen.different.push(format!("{name}: {how}")),
            Read::Refused(why) => {
                seen.refused.insert(name, why);
            }
        }
    }
    Ok(())
}

/// Asks again for every B-tree, by the role's own `search_path`, and takes out what `pg_amcheck`
/// said of those that are in order so. Returns those whose rows could not be looked up for want of
/// something else than the index.
async fn again(
    client: &Client,
    schema: &str,
    database: &str,
    seen: &mut Structure,
) -> Result<Vec<u32>, tokio_postgres::Error> {
    let check =
        |oid: u32, rows: bool| format!("SELECT {schema}.bt_index_check({oid}::regclass, {rows})");
    let mut unable = Vec::new();
    for row in client.query(TREES, &[]).await? {
        let (oid, name, title): (u32, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let complained = seen.messages.iter().any(|line| line.starts_with(&title));
        if !complained {
            continue;
        }
        let Err(error) = client.batch_execute(&check(oid, true)).await else {
            seen.messages = without(&seen.messages, &title);
            continue;
        };
        let structure = client.batch_execute(&check(oid, false)).await;
        let why = indexes::refused(&error);
        if structure.is_ok() && !why.is_damage() {
            seen.messages = without(&seen.messages, &title);
            seen.refused.insert(format!("{database}: {name}"), why);
            unable.push(oid);
        }
    }
    Ok(unable)
}

/// The messages without what was said of one object: its title, and the lines indented below.
fn without(messages: &[String], title: &str) -> Vec<String> {
    let mut within = false;
    let of_others = |line: &&String| {
        within = line.starts_with(title) || within && line.starts_with(char::is_whitespace);
        !within
    };
    messages.iter().filter(of_others).cloned().collect()
}

/// What it printed, but for databases that it skips: which those are is asked.
fn messages(output: &Output) -> Vec<String> {
    let streams = [&output.stdout, &output.stderr];
    let texts = streams.map(|stream| String::from_utf8_lossy(stream));
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.contains("skipping database"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_one_index_can_be_taken_out() {
        let lines = [
            "btree index \"postgres.shop.norm\":",
            "    ERROR:  function fold(text) does not exist",
            "    QUERY:  SELECT fold($1)",
            "heap table \"postgres.shop.items\", block 3:",
            "    line pointer",
        ];
        let messages = lines.map(str::to_owned);
        assert_eq!(
            without(&messages, "btree index \"postgres.shop.norm\""),
            lines[3..]
        );
        assert_eq!(
            without(&messages, "btree index \"postgres.shop.other\""),
            lines
        );
    }
}
