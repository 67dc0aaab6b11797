//! Dumps of single tables (`pg_dump -Fc`), with what `pg_restore --list` says of them.

use std::time::Duration;

use super::{BackupError, base};
use crate::{
    event::{BackupRecord, EventKind},
    history::{Bytes, Progress, Recorder},
    postgres::Server,
    runtime::{Exec, Output},
};

/// Dumps `tables`, partitions included, into one file named `label` and records it.
///
/// # Errors
/// When a table is missing or `pg_dump` fails.
pub async fn take(
    server: &Server,
    tables: &[String],
    label: &str,
    deadline: Duration,
    recorder: &Recorder,
) -> Result<BackupRecord, BackupError> {
    let began_us = recorder.now_us();
    let path = server
        .node
        .layout()
        .store
        .join("tables")
        .join(format!("{label}.dump"));
    let file = path.display().to_string();
    let mut arguments = vec!["-Fc".to_owned(), "-f".to_owned(), file.clone()];
    for table in tables {
        for part in with_partitions(server, table).await? {
            arguments.extend(["-t".to_owned(), part]);
        }
    }
    let progress = Progress::begin(recorder, "backup");
    let written = async || {
        let done = base::size(server, &file).await.ok()?;
        Some(Bytes { done, total: 0 })
    };
    let dumping = server.tool("pg_dump", &arguments, deadline);
    progress.during(dumping, written).await?;
    let record = BackupRecord {
        label: label.into(),
        kind: "tables".into(),
        server: server.name.clone(),
        start_lsn: 0,
        end_lsn: 0,
        labelled: false,
        began_us,
        bytes: base::size(server, &file).await?,
    };
    progress.end(record.bytes);
    recorder.record(EventKind::BackupTaken(record.clone()));
    list(server, label, &file, recorder).await?;
    Ok(record)
}

/// The table and its partitions, as `pg_dump -t` wants them.
async fn with_partitions(server: &Server, table: &str) -> Result<Vec<String>, BackupError> {
    let literal = table.replace('\'', "''");
    let query = format!(
        "select string_agg(relid::regclass::text, ' ') from pg_partition_tree('{literal}')"
    );
    let found = server.value(&query).await?;
    let mut names: Vec<String> = found.split_whitespace().map(str::to_owned).collect();
    if names.is_empty() {
        names.push(table.to_owned());
    }
    Ok(names)
}

async fn list(
    server: &Server,
    label: &str,
    file: &str,
    recorder: &Recorder,
) -> Result<(), BackupError> {
    let command = format!("{} --list {file} > /dev/null", server.program("pg_restore"));
    let output = server.node.exec(Exec::shell(command).allow(1)).await?;
    recorder.record(EventKind::VerifierSaid {
        tool: "pg_restore --list".into(),
        object: label.into(),
        good: output.exit == 0,
        output: Output::tail(&output.stderr, 10),
    });
    Ok(())
}
