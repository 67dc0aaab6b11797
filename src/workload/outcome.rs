//! What is known of a transaction once its answer came, or did not.

use crate::ledger::Outcome;

/// How far a transaction's answers came before the error, or the silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reached {
    /// A statement before COMMIT was being answered.
    #[default]
    Statements,
    /// Every statement was answered, COMMIT was not.
    Commit,
    /// COMMIT was answered.
    Committed,
}

/// SQLSTATEs, or classes of them, that say at COMMIT that nothing was committed:
/// deferred constraints and triggers, serialisation, deadlock, a failed transaction.
const DEFINITE: [&str; 9] = [
    "22", "23", "25", "42", "P0", "40000", "40001", "40002", "40P01",
];

/// Classifies a transaction that was sent. `sqlstate` is the error's, or none when
/// the connection ended or the deadline passed without a word.
///
/// An error while a statement is answered is definite: answers come in order, so the
/// server never got to COMMIT. At COMMIT most errors are not: a server that is told to
/// stop (57P01), waits for a standby (40003, 08007) or panics may have committed.
pub fn classify(reached: Reached, sqlstate: Option<&str>) -> Outcome {
    match (reached, sqlstate) {
        (Reached::Committed, _) => Outcome::Ok,
        (Reached::Statements, Some(_)) => Outcome::Fail,
        (Reached::Commit, Some(state)) if definite(state) => Outcome::Fail,
        (Reached::Commit, Some(_)) | (Reached::Statements | Reached::Commit, None) => Outcome::Info,
    }
}

fn definite(state: &str) -> bool {
    DEFINITE.iter().any(|known| state.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_proves() {
        use Outcome::{Fail, Info, Ok};
        use Reached::{Commit, Committed, Statements};
        for (reached, sqlstate, outcome) in [
            (Committed, None, Ok),
            (Committed, Some("57P01"), Ok),
            (Statements, Some("42501"), Fail),
            (Statements, Some("23503"), Fail),
            (Statements, Some("57P01"), Fail),
            (Statements, Some("57014"), Fail),
            (Statements, Some("25P02"), Fail),
            (Statements, None, Info),
            (Commit, None, Info),
            (Commit, Some("23505"), Fail),
            (Commit, Some("40001"), Fail),
            (Commit, Some("40P01"), Fail),
            (Commit, Some("40003"), Info),
            (Commit, Some("08007"), Info),
            (Commit, Some("57P01"), Info),
            (Commit, Some("57P02"), Info),
            (Commit, Some("53100"), Info),
            (Commit, Some("58030"), Info),
            (Commit, Some("XX000"), Info),
        ] {
            assert_eq!(
                classify(reached, sqlstate),
                outcome,
                "{reached:?} {sqlstate:?}"
            );
        }
    }
}
