//! The people of a timed drill: what is asked of them, and how long they took.
//!
//! Nightly drills declare constants for people. A quarterly one times them: once a fault
//! has struck, the drill stands still until somebody says that they noticed, and again
//! until they decided. Who they are asked through belongs to `cli/`.

use tokio::sync::{mpsc, oneshot};

use super::state::{Drill, StepError};
use crate::{
    event::EventKind,
    meter::{Activity, outside},
    scenario::plan::Phase,
};

/// What people are asked; answered when they have done it.
#[derive(Debug)]
pub struct Question {
    /// The drill that asks.
    pub drill: String,
    /// What for.
    pub text: String,
    /// Where the answer goes; dropped when nobody can answer any more.
    pub answered: oneshot::Sender<()>,
}

/// Where people are asked.
pub type People = mpsc::UnboundedSender<Question>;

/// What people do between a fault and its recovery, in their order.
const SPANS: [(Phase, &str); 2] = [
    (
        Phase::Detect,
        "something is wrong: press Enter when you have noticed what",
    ),
    (
        Phase::Decide,
        "press Enter when you have decided how to recover",
    ),
];

impl Drill {
    /// Waits for people to notice the fault and to decide; where none are asked, for nothing.
    ///
    /// # Errors
    /// When nobody is there to answer.
    pub async fn wait_for_people(&self) -> Result<(), StepError> {
        let Some(people) = &self.people else {
            return Ok(());
        };
        for (phase, text) in SPANS {
            self.recorder.record(EventKind::PhaseBegan { phase });
            let (answered, answer) = oneshot::channel();
            let question = Question {
                drill: self.plan.drill.clone(),
                text: text.to_owned(),
                answered,
            };
            let nobody = || StepError::Missing("nobody answered: standard input ended".into());
            people.send(question).map_err(|_| nobody())?;
            outside(Activity::Wait, answer)
                .await
                .map_err(|_| nobody())?;
        }
        Ok(())
    }
}
