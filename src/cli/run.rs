//! `pgdrill run`: perform drills, judge them, leave the reports.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    CommandResult, Failure,
    budget::Jobs,
    environment,
    job::Summary,
    notify::{Notify, NotifyArgs},
    people::{self, Timing},
    performable, publish, signals,
};
use crate::{
    drill::{self, people::People},
    event::Event,
    finding::Verdict,
    history::planned,
    report::{
        self, RunSummary,
        terminal::{self, Live},
        write::RUN_JSON,
    },
    runtime::{
        Choice, Runtime, Wanted, choose,
        run::{Run, RunId},
    },
    scenario::{
        self,
        plan::{HumanSpans, Plan},
    },
    secret::Secret,
    units::wall_clock,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, a folder, a scenario's name or a tag
    #[arg(required = true, value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Where nodes run
    #[arg(long, value_enum, default_value_t)]
    runtime: Choice,
    /// Only these major versions of PostgreSQL, in place of a scenario's matrix
    #[arg(long, value_name = "MAJOR", value_delimiter = ',')]
    postgres: Vec<u32>,
    /// Where PostgreSQL's programs are (`local` runtime)
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
    /// Drills performed at the same time; `auto`: as many as CPUs, memory and disk serve. They share
    /// the machine, which can only lengthen their measured times [default: auto; 1 where people are timed]
    #[arg(long, value_name = "N")]
    jobs: Option<Jobs>,
    /// Where the time that people take comes from
    #[arg(long, value_enum, default_value_t)]
    people: Timing,
    /// Where the run's directory goes
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// The database that its histories are written into at the end, as `pgdrill publish` does:
    /// `postgres://USER@HOST:PORT/DATABASE`. Default: PGDRILL_PUBLISH of the environment, if any
    #[arg(long, value_name = "URL", value_parser = publish::url)]
    publish: Option<Secret>,
    /// Append the summary in Markdown to this file, for the page of a CI job. Default:
    /// GITHUB_STEP_SUMMARY of the environment, if any
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    #[command(flatten)]
    notify: NotifyArgs,
}

pub async fn run(args: Args) -> CommandResult {
    jobs(&args)?;
    let loaded = scenario::load(&args.selectors, &args.postgres)?;
    super::warn(&loaded.warnings);
    let database = publish::database(args.publish.as_ref())?;
    if let Some(database) = &database {
        publish::there(database).await?;
    }
    let job = Summary::open(args.summary.as_deref())?;
    let notify = Notify::begin(&args.notify, &args.reports)?;
    let id = RunId::new();
    let dir = run_dir(&args.reports, &id)?;
    let drilled = prepare_and_drill(&args, loaded.plans, id, &dir).await;
    if drilled.is_err() && std::fs::read_dir(dir.join("drills")).is_err() {
        // Nothing was drilled, so there is nothing to keep.
        let _ = std::fs::remove_dir_all(&dir);
    }
    let outcome = match &drilled {
        Ok(run) => super::unless_a_bug(run.outcome, &dir).and_then(|it| job.tell(run, it)),
        Err(_) => Ok(Verdict::Unknown),
    };
    let outcome = notify.tell(&drilled, outcome).await;
    let outcome = drilled.and(outcome);
    match database {
        Some(database) if dir.join(RUN_JSON).exists() => {
            publish::after(&database, &dir, outcome).await
        }
        _other => outcome,
    }
}

/// How many drills at a time. People who are timed can be asked about one fault at a time.
fn jobs(args: &Args) -> Result<Jobs, Failure> {
    let message = "people can be timed in one drill at a time\n  hint: leave `--jobs` out";
    match (args.people, args.jobs) {
        (Timing::Declared, stated) => Ok(stated.unwrap_or(Jobs::Auto)),
        (Timing::Timed, None | Some(Jobs::Stated(1))) => Ok(Jobs::Stated(1)),
        (Timing::Timed, Some(_)) => Err(Failure::BadInput(message.into())),
    }
}

async fn prepare_and_drill(
    args: &Args,
    plans: Vec<Plan>,
    id: RunId,
    dir: &Path,
) -> Result<RunSummary, Failure> {
    let own = Run::begin(id, dir).map_err(environment)?;
    let wanted = Wanted {
        choice: args.runtime,
        versions: plans
            .iter()
            .map(|plan| (plan.postgres, plan.packages.clone()))
            .collect(),
        any_local: args.postgres.is_empty(),
        pg_bin: args.pg_bin.clone(),
        local_dir: None,
    };
    let (runtime, why) = choose(&wanted, own, &terminal::say)
        .await
        .map_err(environment)?;
    terminal::say(&format!("runtime {why}"));
    perform_and_report(args, plans, &runtime, dir).await
}

async fn perform_and_report(
    args: &Args,
    plans: Vec<Plan>,
    runtime: &Runtime,
    dir: &Path,
) -> Result<RunSummary, Failure> {
    let drilled = perform_servable(args, plans, runtime, dir).await;
    for left in runtime.close().await {
        terminal::say(&format!("could not be removed: {left}"));
    }
    drilled?;
    let summary = report::write_run(dir).map_err(environment)?;
    point_latest(&args.reports, dir);
    terminal::summary(&summary, dir);
    Ok(summary)
}

async fn perform_servable(
    args: &Args,
    plans: Vec<Plan>,
    runtime: &Runtime,
    dir: &Path,
) -> Result<(), Failure> {
    let mut plans = servable(args, plans, runtime)?;
    if args.people == Timing::Timed {
        for plan in &mut plans {
            plan.human = HumanSpans::default();
        }
    }
    let (cancel, live) = (CancellationToken::new(), Arc::new(Live::new(&plans)));
    // Heeded to the very end: an engine that hangs may let the removal wait, too.
    tokio::spawn(signals::heed(cancel.clone(), live.clone()));
    let drilled = drill_all(args, plans, runtime, dir, &live, &cancel).await;
    live.finish();
    drilled
}

/// Removes what dead runs left.
async fn reap(runtime: &Runtime, live: &Live) {
    let reaped = runtime.reap().await;
    for removed in &reaped.removed {
        live.say(&format!("removed what a dead run left: {removed}"));
    }
    for failure in &reaped.failures {
        live.say(&format!("left by a dead run and not removed: {failure}"));
    }
}

/// A new directory for this run, before anything else is created.
fn run_dir(reports: &Path, id: &RunId) -> Result<PathBuf, Failure> {
    let stamp = wall_clock().strftime("%Y%m%dT%H%M%SZ");
    let dir = reports.join(format!("{stamp}-{id}"));
    std::fs::create_dir_all(&dir).map_err(|cause| {
        Failure::BadInput(format!(
            "cannot create {}: {cause}\n  hint: choose another place with `--reports DIR`",
            dir.display()
        ))
    })?;
    Ok(dir)
}

/// The plans that this runtime can serve. The versions of PostgreSQL that `local` has
/// are what they are: a scenario that leaves the choice open is drilled on the newest.
fn servable(args: &Args, plans: Vec<Plan>, runtime: &Runtime) -> Result<Vec<Plan>, Failure> {
    let majors = runtime.majors();
    if majors.is_empty() || plans.iter().all(|plan| majors.contains(&plan.postgres)) {
        return Ok(plans);
    }
    let newest = majors.iter().max().copied().unwrap_or_default();
    if !args.postgres.is_empty() {
        return Err(Failure::BadInput(format!(
            "the `{}` runtime has PostgreSQL {majors:?}, not {:?}",
            runtime.name(),
            args.postgres
        )));
    }
    terminal::say(&format!(
        "PostgreSQL {newest} of this machine is drilled in place of the scenarios' versions"
    ));
    Ok(scenario::load(&args.selectors, &[newest])?.plans)
}

async fn drill_all(
    args: &Args,
    mut plans: Vec<Plan>,
    runtime: &Runtime,
    dir: &Path,
    live: &Arc<Live>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let skipped = cancel
        .run_until_cancelled(Box::pin(performable::skipped(&plans, runtime)))
        .await;
    let skipped = skipped.unwrap_or(Ok(Vec::new()))?;
    plans.retain(|plan| !performable::has(&skipped, plan));
    for one in &skipped {
        live.skip(&one.drill, &one.why);
    }
    let tried = cancel
        .run_until_cancelled(Box::pin(super::buckets::there(&plans, runtime)))
        .await;
    tried.unwrap_or(Ok(()))?;
    let names = plans.iter().map(|plan| plan.drill.as_str());
    planned::write(dir, names, skipped).map_err(environment)?;
    reap(runtime, live).await;
    let (sender, receiver) = mpsc::unbounded_channel::<(String, Event)>();
    let telling = tokio::spawn(tell(live.clone(), receiver));
    let people = (args.people == Timing::Timed).then(|| people::ask(live.clone()));
    let (jobs, why) = jobs(args)?.at_a_time(&mut plans);
    why.iter().for_each(|why| live.say(why));
    let free = Arc::new(Semaphore::new(jobs));
    let mut drills = JoinSet::new();
    for plan in plans {
        let one = Arc::clone(&free).acquire_owned().await;
        let listener = forward(plan.drill.clone(), sender.clone());
        let place = dir.join("drills").join(&plan.drill);
        let (runtime, people, cancel) = (runtime.clone(), people.clone(), cancel.clone());
        let here = Handle::current();
        // A thread each: what one computes holds up no other.
        drills.spawn_blocking(move || {
            let _one = one;
            here.block_on(perform(plan, runtime, place, listener, people, cancel))
        });
    }
    drop(sender);
    let mut outcome = Ok(());
    while let Some(ended) = drills.join_next().await {
        // A bug that is not even recorded leaves a history without an end; the others go on.
        outcome = outcome.and(ended.unwrap_or(Ok(())));
    }
    let _ = telling.await;
    outcome
}

/// One drill; after a signal it only records that it was cancelled. When its history can't be begun the others are ended properly, too.
async fn perform(
    plan: Plan,
    runtime: Runtime,
    place: PathBuf,
    listener: mpsc::UnboundedSender<Event>,
    people: Option<People>,
    cancel: CancellationToken,
) -> Result<(), Failure> {
    let listener = Some(listener);
    let performed = drill::perform(
        plan.into(),
        runtime,
        place,
        listener,
        people,
        cancel.clone(),
    );
    performed.await.map_err(|error| {
        cancel.cancel();
        environment(error)
    })
}

async fn tell(live: Arc<Live>, mut events: mpsc::UnboundedReceiver<(String, Event)>) {
    while let Some((drill, event)) = events.recv().await {
        live.event(&drill, &event);
    }
}

/// A sender that adds the drill's name.
fn forward(
    drill: String,
    to: mpsc::UnboundedSender<(String, Event)>,
) -> mpsc::UnboundedSender<Event> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Event>();
    tokio::spawn(async move {
        while let Some(event) = receiver.recv().await {
            if to.send((drill.clone(), event)).is_err() {
                break;
            }
        }
    });
    sender
}

/// Points `reports/latest` at this run; a link that can't be made is no failure.
fn point_latest(reports: &Path, dir: &Path) {
    let Some(name) = dir.file_name() else { return };
    let (fresh, latest) = (reports.join(".latest"), reports.join("latest"));
    let _ = std::fs::remove_file(&fresh);
    let made =
        std::os::unix::fs::symlink(name, &fresh).and_then(|()| std::fs::rename(&fresh, &latest));
    if let Err(cause) = made {
        terminal::say(&format!(
            "cannot point {} at this run: {cause}",
            latest.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        check::testing::salvage, cli, event::EventKind, history::files, runtime::testing,
        scenario::plan::PRIMARY,
    };

    #[derive(clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: Args,
    }

    /// Where the process of `a_run_with_a_bug` puts its run's directory.
    const REPORTS: &str = "PGDRILL_TEST_REPORTS";

    #[test]
    fn a_bug_in_one_drill_ends_the_run_with_70_and_its_report() {
        let dir = tempfile::tempdir().unwrap();
        let mut run = std::process::Command::new(std::env::current_exe().unwrap());
        let this = "cli::run::tests::a_run_with_a_bug";
        let run = run.args([this, "--exact", "--ignored", "--nocapture"]);
        // As deep as the stack of the program's own thread.
        let run = run.env("RUST_MIN_STACK", (8 << 20).to_string());
        let ended = run.env(REPORTS, dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(70), "{said}");
        let report = dir.path().join("run/report.html").display().to_string();
        assert!(said.contains("error: a bug in pgdrill at ") && said.contains(&report));
        let run = std::fs::read(dir.path().join("run/run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
        assert_eq!(run["outcome"], "unknown");
        let ended = |drill: &serde_json::Value| {
            let name = drill["drill"].as_str().unwrap();
            let history = dir.path().join("run/drills").join(name);
            let events = crate::history::read(&history.join(files::HISTORY)).unwrap();
            match &events.last().unwrap().kind {
                EventKind::DrillEnded { reason, .. } => reason.clone(),
                other => panic!("{other:?}"),
            }
        };
        let drills = run["drills"].as_array().unwrap();
        let reasons: Vec<String> = drills.iter().map(ended).collect();
        let [bug, other] = reasons.as_slice() else {
            panic!("{reasons:?}");
        };
        assert!(bug.ends_with(testing::BUG), "{bug}");
        assert!(other.contains("server `primary` did not start"), "{other}");
        let left = std::fs::read_dir(dir.path()).unwrap();
        let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(left.into_iter().all(|name| !name.starts_with("pgdrill-")));
    }

    /// A process of its own: that pgdrill had a bug is remembered to the end of the process.
    #[test]
    #[ignore = "started by `a_bug_in_one_drill_ends_the_run_with_70_and_its_report`"]
    #[expect(clippy::exit, reason = "the exit code is what is tested")]
    fn a_run_with_a_bug() {
        let Ok(reports) = std::env::var(REPORTS) else {
            return;
        };
        let dir = Path::new(&reports).join("run");
        std::fs::create_dir(&dir).unwrap();
        crate::bug::watch(terminal::say);
        let mut plans = vec![salvage().plan, salvage().plan];
        plans[1].drill.push_str("-next");
        for plan in &mut plans {
            for database in plan.databases.values_mut() {
                let model = crate::scenario::model::Model::open(&database.model).unwrap();
                database.identity = model.identity;
            }
            plan.postgres = testing::MAJOR;
        }
        let first = plans[0].servers.get_mut(PRIMARY).unwrap();
        let bug = ("cluster_name".to_owned(), testing::BUG.to_owned());
        first.settings.extend([bug]);
        let args = CommandLine::parse_from(["run", "salvage", "--reports", &reports]).args;
        let runtime = testing::local(Path::new(&reports));
        let performed = perform_and_report(&args, plans, &runtime, &dir);
        let summary = tokio::runtime::Runtime::new().unwrap().block_on(performed);
        let outcome = summary.and_then(|run| cli::unless_a_bug(run.outcome, &dir));
        std::process::exit(cli::exit_code(outcome).into())
    }
}
