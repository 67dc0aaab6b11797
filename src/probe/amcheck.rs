//! `pg_amcheck`: structure of tables and indexes, and every heap row found in its indexes.
//!
//! The extension `amcheck` must be in the database: the harness creates it at set-up, so
//! that the catalog is the same before and after.

use std::time::Duration;

use super::{ProbeError, ProbeTarget};
use crate::{
    observation::Observation,
    runtime::{Exec, Output},
};

const DEADLINE: Duration = Duration::from_secs(3600);
/// Exit code for corruption found.
const CORRUPT: i32 = 2;

/// Runs it in the node, over the server's Unix socket.
///
/// # Errors
/// When it could not check (exit code 1).
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let layout = target.node.layout();
    let database = format!("--database={}", target.access.database);
    let program = layout.bin.join("pg_amcheck").display().to_string();
    let arguments = ["--no-password", "--jobs=2", "--heapallindexed", &database];
    let exec = Exec::new(std::iter::once(program.as_str()).chain(arguments))
        .env("PGHOST", layout.run.display().to_string())
        .env("PGPORT", target.node.port().to_string())
        .env("PGUSER", &target.access.user)
        .within(DEADLINE)
        .allow(CORRUPT);
    let output = target.node.exec(exec).await?;
    Ok(Observation::Amcheck {
        exit: output.exit,
        messages: messages(&output),
    })
}

fn messages(output: &Output) -> Vec<String> {
    let streams = [&output.stdout, &output.stderr];
    let texts = streams.map(|stream| String::from_utf8_lossy(stream));
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}
