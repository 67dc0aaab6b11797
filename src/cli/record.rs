//! `pgdrill record URL`: a baseline of a server in production, which restored backups are held against.

use std::{path::PathBuf, sync::Arc};

use super::{
    CommandResult, Failure, environment,
    publish::{access, url},
    signals::Signals,
};
use crate::{
    bandwidth::Line,
    baseline::{ALL, Baseline, Query, QueryError, RecordError, Recording, record},
    check::count,
    finding::Verdict,
    probe::readers::Pace,
    report::terminal,
    secret::Secret,
    units::Bytes,
};

/// Holds the server's URL, where the command line does not.
const URL: &str = "PGDRILL_RECORD";

/// Rows a thousand of one percent.
const PERCENT: u32 = 10;

/// Record what a server holds, as a role that can only read: a baseline for restored backups
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server and its database, `postgres://USER@HOST:PORT/DATABASE`, without a password: that is
    /// taken from PGPASSWORD or ~/.pgpass. Default: PGDRILL_RECORD of the environment
    #[arg(value_name = "URL", value_parser = url)]
    from: Option<Secret>,
    /// The file that is written
    #[arg(long, value_name = "FILE", default_value = "baseline.json")]
    out: PathBuf,
    /// Write in place of a file that is there
    #[arg(long)]
    replace: bool,
    /// Every database that the role may connect to
    #[arg(long)]
    every_database: bool,
    /// The user's own queries: a file of SQL, each query after a line `-- name: NAME`
    #[arg(long = "query", value_name = "FILE")]
    queries: Vec<PathBuf>,
    /// Make digests of so many rows of a hundred, chosen by their primary keys; all are counted
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    sample: u32,
    /// Read no more than this a second, e.g. `20MB`
    #[arg(long, value_name = "SIZE")]
    rate: Option<Bytes>,
    /// Where `pg_dump` of the server's major version is. Default: where it is usually installed
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
}

pub async fn run(args: Args) -> CommandResult {
    let asked = recording(&args)?;
    if args.out.exists() && !args.replace {
        let file = args.out.display();
        return Err(Failure::BadInput(format!(
            "`{file}` is there already\n  hint: `--replace`, or another `--out`"
        )));
    }
    let mut signals = Signals::heeded().map_err(environment)?;
    let told = |line: &str| terminal::say(line);
    let baseline = tokio::select! {
        recorded = Box::pin(record(&asked, told)) => recorded.map_err(refused)?,
        () = signals.next() => {
            return Err(Failure::Environment("interrupted: nothing was written".into()));
        }
    };
    let written = baseline.write(&args.out);
    written
        .map_err(|cause| environment(format!("cannot write `{}`: {cause}", args.out.display())))?;
    tell(&baseline, &args);
    Ok(Verdict::Pass)
}

fn recording(args: &Args) -> Result<Recording, Failure> {
    let bad = Failure::BadInput;
    let access = access(args.from.as_ref(), URL)?.ok_or_else(|| {
        let hint = "`pgdrill record postgres://USER@HOST:PORT/DATABASE`";
        bad(format!("no server is stated\n  hint: {hint}, or {URL}"))
    })?;
    let mut queries = Vec::new();
    for file in &args.queries {
        queries.extend(Query::in_file(file).map_err(|error| bad(error.to_string()))?);
    }
    if args.rate == Some(Bytes(0)) {
        return Err(bad(
            "`--rate 0B` would read nothing\n  hint: e.g. `--rate 20MB`".into(),
        ));
    }
    Ok(Recording {
        access,
        every_database: args.every_database,
        sample: args.sample * PERCENT,
        pace: args.rate.map(|rate| Pace {
            line: Arc::new(Line::default()),
            bandwidth: rate.0,
        }),
        queries,
        pg_bin: args.pg_bin.clone(),
    })
}

/// A query of the user's that the server refuses is bad input; all else is the world.
fn refused(error: RecordError) -> Failure {
    match error {
        RecordError::Query(error @ (QueryError::Refused { .. } | QueryError::TooMany(_))) => {
            Failure::BadInput(error.to_string())
        }
        other => environment(other),
    }
}

fn tell(baseline: &Baseline, args: &Args) {
    let tables = baseline.databases.values().map(|held| held.tables.len());
    let rows = baseline
        .databases
        .values()
        .flat_map(|held| held.tables.values());
    let rows: u64 = rows.map(|table| table.rows).sum();
    let digests = match baseline.sample {
        ALL => "digests of all rows".to_owned(),
        sample => format!("digests of {} % of the rows", sample / PERCENT),
    };
    terminal::say(&format!(
        "recorded to {}: {}, {}, {rows} rows, {digests}",
        args.out.display(),
        count(baseline.databases.len(), "database"),
        count(tables.sum(), "table"),
    ));
    for (database, table, why) in baseline.unread() {
        terminal::say(&format!(
            "not recorded: {table} in database {database}: {why}"
        ));
    }
    for (what, why) in &baseline.not_recorded {
        terminal::say(&format!("not recorded: {what}: {why}"));
    }
}
