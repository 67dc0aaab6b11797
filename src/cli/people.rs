//! Asking the people of a timed drill, on the terminal.

use std::{io::BufRead, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    drill::people::{People, Question},
    report::terminal::Live,
};

/// How the human spans of the RTO come about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Timing {
    /// As the scenario declares them
    #[default]
    Declared,
    /// By asking: Enter when the fault is noticed, Enter when recovery is decided
    Timed,
}

/// Asks on the terminal what drills send here. Each answer is a line of standard input.
pub fn ask(live: Arc<Live>) -> People {
    let (people, mut questions) = mpsc::unbounded_channel::<Question>();
    // A thread of its own that nobody waits for: reading a terminal can't be cancelled.
    std::thread::spawn(move || {
        while let Some(question) = questions.blocking_recv() {
            live.say(&format!("{}: {}", question.drill, question.text));
            let mut line = String::new();
            match std::io::stdin().lock().read_line(&mut line) {
                Ok(1..) => drop(question.answered.send(())),
                Ok(0) | Err(_) => drop(question.answered),
            }
        }
    });
    people
}
