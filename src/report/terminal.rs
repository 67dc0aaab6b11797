//! The terminal: the only place of the whole program that prints.
//!
//! Data goes to standard output, words to standard error. Colour is never the only
//! bearer of a meaning, and is left out where `NO_COLOR` or a pipe says so.

mod live;
mod table;

use std::path::Path;

pub use live::Live;

use super::RunSummary;

/// Prints data: what a caller may want to pipe.
pub fn data(text: &str) {
    anstream::println!("{text}");
}

/// Says something to a person.
pub fn say(text: &str) {
    anstream::eprintln!("{text}");
}

/// Prints what a run came to: every drill with its figures, what is wrong, where the
/// report is.
pub fn summary(run: &RunSummary, dir: &Path) {
    data(&table::render(run, dir));
}
