//! The terminal: the only place of the whole program that prints.
//!
//! Data goes to standard output, words to standard error. Colour is never the only
//! bearer of a meaning, and is left out where `NO_COLOR` or a pipe says so.

mod fold;
mod live;
mod table;

use std::{
    io::{ErrorKind, IsTerminal, Write},
    path::Path,
};

pub use fold::{WIDTH, fold};
pub use live::Live;

use super::RunSummary;

/// Prints data: what a caller may want to pipe.
pub fn data(text: &str) {
    let written = writeln!(anstream::stdout(), "{text}");
    match written {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            show(&format!("error: cannot write to standard output: {cause}"));
        }
        // Whoever does not read on has what they wanted.
        _ => {}
    }
}

/// Says something to a person: folded on a terminal, a line as it is in a log.
pub fn say(text: &str) {
    match std::io::stderr().is_terminal() {
        true => show(&fold(text, None)),
        false => show(text),
    }
}

/// Shows a person what is laid out already: an excerpt with its carets.
pub fn show(text: &str) {
    // A terminal that was closed reads nothing, and must not end what removes containers.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Prints what a run came to: every drill with its figures, what is wrong, where the
/// report is.
pub fn summary(run: &RunSummary, dir: &Path) {
    data(&table::render(run, dir));
}
