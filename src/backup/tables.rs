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
    let file = file(server, label);
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
        manifest: false,
        began_us,
        bytes: base::size(server, &file).await?,
    };
    progress.end(record.bytes);
    recorder.record(EventKind::BackupTaken(record.clone()));
    verify(server, label, false, deadline, recorder).await?;
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

fn file(server: &Server, label: &str) -> String {
    let tables = server.node.layout().store.join("tables");
    tables.join(format!("{label}.dump")).display().to_string()
}

/// What `pg_restore --list` says of the dump; its word is recorded, not believed.
///
/// # Errors
/// When it can't be run.
pub async fn verify(
    server: &Server,
    label: &str,
    again: bool,
    deadline: Duration,
    recorder: &Recorder,
) -> Result<(), BackupError> {
    let (program, file) = (server.program("pg_restore"), file(server, label));
    let exec = Exec::shell(format!("{program} --list {file} > /dev/null"));
    let output = server.node.exec(exec.within(deadline).allow(1)).await?;
    recorder.record(EventKind::VerifierSaid {
        tool: "pg_restore --list".into(),
        object: label.into(),
        good: Some(output.exit == 0),
        again,
        output: Output::tail(&output.stderr, 10),
    });
    Ok(())
}
