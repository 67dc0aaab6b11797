//! `--notify`: people are told of a run that did not come out as it must, and of the first that does again.

use std::path::Path;

use super::{CommandResult, Failure};
use crate::{
    finding::Verdict,
    notify::{Channel, Event, Message, Told},
    report::{RunSummary, terminal},
};

/// Whom to tell, and when.
#[derive(Debug, clap::Args)]
pub struct NotifyArgs {
    /// Channels to tell of the run; the address of each is PGDRILL_NOTIFY_<CHANNEL>_URL of the environment
    #[arg(long, value_enum, value_name = "CHANNEL", value_delimiter = ',')]
    notify: Vec<Channel>,
    /// Of which runs
    #[arg(long, value_enum, value_name = "EVENT", value_delimiter = ',', default_values = ["miss", "recovery"])]
    notify_on: Vec<Event>,
}

/// Whom a run will be told to.
#[derive(Debug)]
pub struct Notify {
    told: Vec<Told>,
    on: Vec<Event>,
    /// The outcome of the run before, of the same reports.
    before: Option<Verdict>,
}

impl Notify {
    /// Finds the channels' addresses before anything is drilled.
    ///
    /// # Errors
    /// When one has none.
    pub fn begin(args: &NotifyArgs, reports: &Path) -> Result<Self, Failure> {
        let told = args.notify.iter().map(|channel| Told::find(*channel));
        let told = told.collect::<Result<_, _>>().map_err(Failure::BadInput)?;
        let before = RunSummary::read(&reports.join("latest")).ok();
        Ok(Self {
            told,
            on: args.notify_on.clone(),
            before: before.map(|run| run.outcome),
        })
    }

    /// Tells each channel. One that could not be told is said, and makes the run unknown at best.
    pub async fn tell(
        &self,
        drilled: &Result<RunSummary, Failure>,
        outcome: CommandResult,
    ) -> CommandResult {
        let (event, message) = match (drilled, &outcome) {
            (Ok(run), Ok(outcome)) => {
                let event = Event::of(*outcome, self.before);
                (event, Message::of(run, event))
            }
            (Err(failure), _) | (Ok(_), Err(failure)) => {
                (Event::Miss, Message::of_failure(&failure.to_string()))
            }
        };
        if !self.on.contains(&event) {
            return outcome;
        }
        let mut all = true;
        for told in &self.told {
            if let Err(why) = told.tell(&message).await {
                terminal::say(&why);
                all = false;
            }
        }
        match all {
            true => outcome,
            false => outcome.map(|outcome| Verdict::worst([outcome, Verdict::Unknown])),
        }
    }
}
