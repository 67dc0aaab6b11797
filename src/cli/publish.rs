//! `pgdrill publish RUN --to URL`: a run's histories into a database; and the same after a run.

use std::{convert::Infallible, path::Path, path::PathBuf};

use super::{CommandResult, Failure, environment};
use crate::{
    check::count,
    finding::Verdict,
    postgres::{Access, Stated},
    publish::{self, Histories},
    report::terminal,
    secret::Secret,
};

/// Holds the database's URL, where the command line does not.
const URL: &str = "PGDRILL_PUBLISH";

/// Write a run's backup and recovery histories into a PostgreSQL database.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's directory, e.g. `reports/latest`.
    #[arg(default_value = "reports/latest")]
    run: PathBuf,
    /// The database, `postgres://USER@HOST:PORT/DATABASE`, without a password: that is taken from
    /// PGPASSWORD or ~/.pgpass. Default: PGDRILL_PUBLISH of the environment
    #[arg(long, value_name = "URL", value_parser = url)]
    to: Option<Secret>,
}

/// Takes every text: what is wrong with it is said without it.
pub fn url(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

pub async fn run(args: Args) -> CommandResult {
    let database = database(args.to.as_ref())?.ok_or_else(|| {
        let hint = "`--to postgres://USER@HOST:PORT/DATABASE`";
        Failure::BadInput(format!(
            "no database to publish to is stated\n  hint: {hint}, or {URL}"
        ))
    })?;
    let histories = Histories::read(&args.run);
    let histories = histories.map_err(|error| Failure::BadInput(error.to_string()))?;
    write(&database, &histories).await?;
    Ok(Verdict::Pass)
}

/// The database that is stated, or that the environment names; none: neither.
pub fn database(stated: Option<&Secret>) -> Result<Option<Access>, Failure> {
    access(stated, URL)
}

/// The database of a URL that is stated, or that this variable holds; none: neither.
pub fn access(stated: Option<&Secret>, variable: &str) -> Result<Option<Access>, Failure> {
    let read = |url: &Secret, stated| Access::of_url(url, stated).map(Some);
    let access = match (stated, std::env::var(variable)) {
        (Some(url), _) => read(url, Stated::OnTheCommandLine),
        (None, Ok(url)) => read(&Secret::new(url), Stated::InTheEnvironment),
        (None, Err(_)) => Ok(None),
    };
    access.map_err(Failure::BadInput)
}

/// Whether a run could be published, asked before any drill.
pub async fn there(database: &Access) -> Result<(), Failure> {
    let tried = publish::try_out(database).await;
    tried.map_err(|error| {
        Failure::BadInput(format!(
            "nothing could be published: {error}\n  \
             hint: the role needs to log in, and to create a schema or to write into `pgdrill`"
        ))
    })
}

/// Publishes a run that was performed. Where that fails the run is kept as it is, and is no pass.
pub async fn after(database: &Access, dir: &Path, outcome: CommandResult) -> CommandResult {
    let published = match Histories::read(dir) {
        Ok(histories) => write(database, &histories).await,
        Err(error) => Err(environment(error)),
    };
    let Err(why) = published else {
        return outcome;
    };
    let dir = dir.display();
    terminal::say(&format!(
        "error: the run was not published: {why}\n  hint: it is kept; `pgdrill publish {dir}` tries again"
    ));
    outcome.map(|outcome| Verdict::worst([outcome, Verdict::Unknown]))
}

async fn write(database: &Access, histories: &Histories) -> Result<(), Failure> {
    publish::publish(database, histories)
        .await
        .map_err(environment)?;
    let Histories {
        drills,
        backups,
        recoveries,
        ..
    } = histories;
    terminal::say(&format!(
        "published to {database}: {}, {} and {}",
        count(drills.len(), "drill"),
        count(backups.len(), "backup"),
        count(recoveries.len(), "row") + " of recoveries"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::testing::lost_server, history::planned, report::write_run};

    #[tokio::test]
    async fn a_run_that_cannot_be_published_is_kept_and_no_pass() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run");
        let fixture = lost_server();
        std::fs::create_dir(&run).unwrap();
        planned::write(&run, [fixture.plan.drill.as_str()], Vec::new()).unwrap();
        fixture.write(&run.join("drills").join(&fixture.plan.drill));
        write_run(&run).unwrap();
        let url = Secret::new("postgres://nobody:x@127.0.0.1:1/nowhere");
        let database = Access::of_url(&url, Stated::InTheEnvironment).unwrap();
        for (outcome, then) in [
            (Verdict::Pass, Verdict::Unknown),
            (Verdict::Unknown, Verdict::Unknown),
            (Verdict::Fail, Verdict::Fail),
        ] {
            assert_eq!(after(&database, &run, Ok(outcome)).await.unwrap(), then);
        }
        let bug = after(&database, &run, Err(Failure::Bug("a bug".into()))).await;
        assert!(matches!(bug, Err(Failure::Bug(_))));
        assert!(Histories::read(&run).is_ok(), "all of it is there");
    }
}
