//! `amcheck`: `pg_amcheck` finds no corruption in heaps and indexes.

use super::{Said, count};
use crate::{finding::AtStake, measure::view::View};

/// `pg_amcheck` exits so when it found corruption.
const CORRUPTION: i32 = 2;

pub(super) fn check(now: &View<'_>) -> Said {
    let Some((exit, messages)) = now.amcheck() else {
        return Said::Unknown("`pg_amcheck` was not run".into());
    };
    let first = messages
        .first()
        .map_or("it printed nothing", String::as_str);
    match exit {
        0 => Said::pass(
            AtStake::always("any heap or index that `pg_amcheck` calls corrupt"),
            "`pg_amcheck` found no corruption",
        ),
        CORRUPTION => {
            let lines = count(messages.len(), "line");
            Said::Fail(format!("corruption ({lines}): {first}"), messages.to_vec())
        }
        _ => Said::Unknown(format!("`pg_amcheck` ended with exit code {exit}: {first}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn what_amcheck_finds_is_red_and_its_own_failure_open() {
        let exit = |code: i32| {
            salvage().bend(Moment::After, move |seen| {
                if let Observation::Amcheck { exit, messages } = seen {
                    *exit = code;
                    *messages = vec!["heap table app.users, block 3: line pointer".into()];
                }
            })
        };
        expect(&exit(2), "amcheck", Verdict::Fail, "block 3");
        expect(&exit(1), "amcheck", Verdict::Unknown, "exit code 1");
    }
}
