//! `sequences`: every sequence of every database is still there, its next value lies beyond
//! the columns it feeds, and beyond what it was in the steady state: one that feeds none
//! would give out its numbers again.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckResult, Said, any, count};
use crate::{measure::view::View, observation::SequenceState};

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.sequences().zip(now.sequences());
    let (was, is) = both.ok_or("the sequences were not read both before and after")?;
    let there = names(is);
    let missing: Vec<String> = names(was)
        .difference(&there)
        .map(ToString::to_string)
        .collect();
    if let Some(first) = missing.first() {
        return CheckResult::fail(
            format!("{} missing: {first}", count(missing.len(), "sequence")),
            missing,
        );
    }
    let behind: BTreeMap<&str, String> = is.iter().filter_map(|is| behind(was, is)).collect();
    let Some((first, _)) = behind.first_key_value() else {
        return CheckResult::pass(
            any(
                there.len(),
                "sequence",
                "missing, behind its columns or set back",
            ),
            format!("{} ahead of their columns", count(there.len(), "sequence")),
        );
    };
    let message = format!("{} behind: {first}", count(behind.len(), "sequence"));
    CheckResult::fail(message, behind.into_values().collect())
}

fn names(sequences: &[SequenceState]) -> BTreeSet<&str> {
    let names = sequences.iter().map(|one| one.sequence.as_str());
    names.collect()
}

/// The name of a sequence that would give out numbers again, and why; none where it would not.
fn behind<'s>(was: &[SequenceState], is: &'s SequenceState) -> Option<(&'s str, String)> {
    let name = is.sequence.as_str();
    let told = |why: String| (name, format!("{name}: next is {}, but {why}", is.next));
    if let Some((column, max)) = is.column.as_ref().zip(is.max)
        && !beyond(is, max)
    {
        return Some(told(format!("{column} has {max}")));
    }
    let was = was.iter().find(|was| was.sequence == name)?;
    let set_back = !is.cycles && is.next != was.next && !beyond(is, was.next);
    set_back.then(|| told(format!("was {} before", was.next)))
}

/// Whether a sequence has passed a value.
fn beyond(sequence: &SequenceState, value: i64) -> bool {
    if sequence.descends {
        sequence.next < value
    } else {
        sequence.next > value
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn sequences_behind_or_gone_are_red() {
        let behind = salvage().bend(Moment::After, |seen| {
            if let Observation::Sequences(sequences) = seen {
                sequences[0].next = 1000;
            }
        });
        expect(&behind, "sequences", Verdict::Fail, "app.orders_id_seq");
        let set_back = salvage().bend(Moment::After, |seen| {
            if let Observation::Sequences(sequences) = seen {
                sequences[0].next = 1000;
                sequences[0].column = None;
                sequences[0].max = None;
            }
        });
        let judgement = set_back.judge();
        let sequences = finding(&judgement, "sequences");
        assert_eq!(sequences.verdict, Verdict::Fail);
        let why = "app.orders_id_seq: next is 1000, but was 1001 before";
        assert_eq!(sequences.details, [why]);
        let round = set_back.bend(Moment::After, |seen| {
            if let Observation::Sequences(sequences) = seen {
                sequences[0].cycles = true;
            }
        });
        let verdict = finding(&round.judge(), "sequences").verdict;
        assert_eq!(verdict, Verdict::Pass);
        let gone = salvage().bend(Moment::After, |seen| {
            if let Observation::Sequences(sequences) = seen {
                sequences.clear();
            }
        });
        expect(
            &gone,
            "sequences",
            Verdict::Fail,
            "1 sequence missing: app.orders_id_seq",
        );
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Sequences(_))
        });
        expect(&blind, "sequences", Verdict::Unknown, "not read");
    }
}
