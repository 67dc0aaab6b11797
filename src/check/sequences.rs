//! `sequences`: every sequence is still there, and its next value lies beyond the column
//! it feeds.

use super::{Said, any, count};
use crate::{measure::view::View, observation::SequenceState};

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let (Some(was), Some(is)) = (before.sequences(), now.sequences()) else {
        return Said::Unknown("the sequences were not read both before and after".into());
    };
    let missing: Vec<String> = was
        .iter()
        .filter(|was| !is.iter().any(|is| is.sequence == was.sequence))
        .map(|was| was.sequence.clone())
        .collect();
    if let Some(first) = missing.first() {
        return Said::Fail(
            format!("{} missing: {first}", count(missing.len(), "sequence")),
            missing,
        );
    }
    let behind: Vec<&SequenceState> = is.iter().filter(|one| is_behind(one)).collect();
    if behind.is_empty() {
        return Said::pass(
            any(is.len(), "sequence", "missing or behind its column"),
            format!("{} ahead of their columns", count(is.len(), "sequence")),
        );
    }
    let details = behind.iter().map(|one| {
        let max = one.max.unwrap_or_default();
        format!(
            "{}: next is {}, but {} has {max}",
            one.sequence, one.next, one.column
        )
    });
    let message = format!(
        "{} behind: {}",
        count(behind.len(), "sequence"),
        behind[0].sequence
    );
    Said::Fail(message, details.collect())
}

fn is_behind(sequence: &SequenceState) -> bool {
    sequence.max.is_some_and(|max| sequence.next <= max)
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
