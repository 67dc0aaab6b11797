//! `archive`: the WAL archive has no gap, no odd file, nothing a clone archived, holds what
//! the server takes for archived, and is still being filled.

mod archiver;

use super::{Context, Said, count};
use crate::{
    measure::{projected::SEGMENT, view::View},
    scenario::plan::Archive,
};
use archiver::Archiver;

/// A segment's place: timeline and number on it.
type Place = (u32, u64);

pub(super) fn check(context: &Context<'_>, now: &View<'_>) -> Said {
    if context.story.plan.strategy.archive == Archive::None {
        return Said::NotApplicable("the strategy archives no WAL".into());
    }
    let Some((segments, odd)) = now.archive() else {
        return Said::Unknown("the WAL archive was not listed".into());
    };
    let places: Vec<Place> = segments.iter().filter_map(|name| place(name)).collect();
    let archiver = Archiver::of(context, now);
    let mut wrong = archiver.troubles(context, &places);
    wrong.extend(odd_files(segments, odd));
    wrong.extend(gaps(&places));
    wrong.extend(clones(context, &places));
    match wrong.first() {
        Some(first) => Said::Fail(first.clone(), wrong),
        None if places.is_empty() => Said::Fail(
            "the WAL archive is empty".into(),
            vec!["no segment was archived".into()],
        ),
        None if archiver.samples.is_empty() => {
            Said::Unknown(format!("`{}` was never asked what it archived", now.server))
        }
        None => Said::pass(format!("{} without a gap", count(places.len(), "segment"))),
    }
}

/// Before the first fault nothing need have been archived yet and files still arrive, but the
/// archive has no gap and what the server takes for archived, and the server archives.
pub(super) fn steady(context: &Context<'_>, before: &View<'_>) -> Said {
    if context.story.plan.strategy.archive == Archive::None {
        return Said::NotApplicable("the strategy archives no WAL".into());
    }
    let Some((segments, odd)) = before.archive() else {
        return Said::NotApplicable("a listing that failed is told as the probe's failure".into());
    };
    let places: Vec<Place> = segments.iter().filter_map(|name| place(name)).collect();
    let mut wrong = odd_files(segments, &arrived(odd, &places));
    wrong.extend(gaps(&places));
    wrong.extend(missing(before, segments));
    wrong.extend(archiver::stuck(context, before.server));
    match wrong.first() {
        Some(first) => Said::Fail(first.clone(), wrong),
        None => Said::pass("the WAL archive was in order"),
    }
}

/// A new server counts what it archived, and nothing has been removed yet.
fn missing(before: &View<'_>, segments: &[String]) -> Option<String> {
    let told = before.server_state()?.archived;
    let there = segments.len() as u64;
    (told > there).then(|| {
        format!("the server takes {told} segments for archived, and {there} are in the archive")
    })
}

/// Odd files but for the segment that may be on its way: short, and newer than all others.
fn arrived(odd: &[String], places: &[Place]) -> Vec<String> {
    let newest = places.iter().max();
    let arrives = |file: &str| {
        let name = file.split(' ').next().unwrap_or_default();
        place(name).is_some_and(|place| Some(&place) > newest)
    };
    let odd = odd.iter().filter(|file| !arrives(file));
    odd.cloned().collect()
}

fn odd_files(segments: &[String], odd: &[String]) -> Vec<String> {
    let no_segment = segments.iter().filter(|name| place(name).is_none());
    let files = odd.iter().chain(no_segment);
    files.map(|file| format!("odd file: {file}")).collect()
}

/// `00000001000000000000000A` → timeline 1, segment 10.
fn place(name: &str) -> Option<Place> {
    if name.len() != 24 {
        return None;
    }
    let part = |at: usize| u32::from_str_radix(name.get(at..at + 8)?, 16).ok();
    let per_log = (1u64 << 32) / SEGMENT;
    Some((
        part(0)?,
        u64::from(part(8)?) * per_log + u64::from(part(16)?),
    ))
}

/// Gaps within a timeline, and between a timeline and the one that branched off it.
fn gaps(places: &[Place]) -> Vec<String> {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    sorted
        .windows(2)
        .filter(|pair| pair[1].1 > pair[0].1 + 1)
        .map(|pair| format!("gap: {} is followed by {}", show(pair[0]), show(pair[1])))
        .collect()
}

fn show((timeline, segment): Place) -> String {
    let per_log = (1u64 << 32) / SEGMENT;
    format!(
        "{timeline:08X}{:08X}{:08X}",
        segment / per_log,
        segment % per_log
    )
}

/// Segments on a timeline that only a scratch server was ever on.
fn clones(context: &Context<'_>, places: &[Place]) -> Vec<String> {
    let restores = || context.story.restores().map(|(_, restore)| restore);
    let ours = |timeline: u32| restores().any(|one| !one.scratch && one.timeline == timeline);
    let clone = |timeline: u32| restores().find(|one| one.scratch && one.timeline == timeline);
    places
        .iter()
        .filter(|(timeline, _)| !ours(*timeline))
        .filter_map(|place| Some((place, clone(place.0)?)))
        .map(|(place, clone)| format!("the clone `{}` archived {}", clone.server, show(*place)))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, scenario::plan::Archive};

    #[test]
    fn gaps_odd_files_and_segments_of_a_clone_are_red() {
        let bent = |bend: fn(&mut Vec<String>, &mut Vec<String>)| {
            salvage().bend(Moment::After, move |seen| {
                if let Observation::Archive { segments, odd } = seen {
                    bend(segments, odd);
                }
            })
        };
        let gap = |segments: &mut Vec<String>, _odd: &mut Vec<String>| drop(segments.remove(1));
        expect(
            &bent(gap),
            "archive",
            Verdict::Fail,
            "gap: 000000010000000000000001",
        );
        let short = |_: &mut Vec<String>, odd: &mut Vec<String>| odd.push("x.tmp".into());
        expect(&bent(short), "archive", Verdict::Fail, "odd file: x.tmp");
        let clone = |segments: &mut Vec<String>, _odd: &mut Vec<String>| {
            segments.push("000000020000000000000003".into());
        };
        expect(
            &bent(clone),
            "archive",
            Verdict::Fail,
            "the clone `scratch` archived",
        );
        let empty = |segments: &mut Vec<String>, _odd: &mut Vec<String>| segments.clear();
        expect(&bent(empty), "archive", Verdict::Fail, "empty");
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Archive { .. })
        });
        expect(&blind, "archive", Verdict::Unknown, "not listed");
    }

    fn stands(lsn: u64, last_archived: &str, archive_failures: u64) -> EventKind {
        EventKind::WalPosition {
            server: "primary".into(),
            lsn,
            last_archived: last_archived.into(),
            archive_failures,
        }
    }

    /// The last segment in the archive of `salvage`.
    const LAST: &str = "000000010000000000000003";

    #[test]
    fn archiving_that_is_refused_is_red() {
        let tale = salvage()
            .with(5 * SECOND, stands(0x400_0000, LAST, 0))
            .with(26 * SECOND, stands(0x600_0000, LAST, 9));
        expect(
            &tale,
            "archive",
            Verdict::Fail,
            "archiving stopped: 9 failures, 3 segments behind",
        );
    }

    #[test]
    fn archiving_that_hangs_is_red() {
        let hangs = salvage().with(26 * SECOND, stands(0x700_0000, LAST, 0));
        let text = "archiving stopped: the WAL moved on by 3 segments";
        expect(&hangs, "archive", Verdict::Fail, text);
        let never = salvage()
            .with(25_600_000, stands(0x400_0000, "", 0))
            .with(26 * SECOND, stands(0x700_0000, "", 0));
        expect(&never, "archive", Verdict::Fail, "the last one is none");
    }

    #[test]
    fn an_archiver_that_lags_is_none_that_hangs() {
        let little = salvage().with(26 * SECOND, stands(0x600_0000, LAST, 0));
        expect(&little, "archive", Verdict::Pass, "without a gap");
        let just_now = salvage().with(27_300_000, stands(0x900_0000, LAST, 0));
        expect(&just_now, "archive", Verdict::Pass, "without a gap");
        let slow = salvage().with(26 * SECOND, stands(0x900_0000, LAST, 0));
        let slow = slow.bend(Moment::After, |seen| {
            if let Observation::Archive { segments, .. } = seen {
                segments.push("000000010000000000000004".into());
            }
        });
        expect(&slow, "archive", Verdict::Pass, "without a gap");
    }

    #[test]
    fn a_segment_told_to_be_archived_that_is_not_there_is_red() {
        let lies = salvage().with(
            26 * SECOND,
            stands(0x600_0000, "000000010000000000000005", 0),
        );
        expect(&lies, "archive", Verdict::Fail, "not in the archive");
        let later = salvage().with(
            27_600_000,
            stands(0x600_0000, "000000010000000000000005", 0),
        );
        expect(&later, "archive", Verdict::Pass, "without a gap");
    }

    #[test]
    fn a_segment_that_retention_removed_is_no_lie() {
        let removed = "000000010000000000000004";
        let expired = EventKind::RetentionApplied {
            removed_backups: vec![],
            removed_wal: vec![removed.into()],
        };
        let tale = salvage().with(26 * SECOND, stands(0x500_0000, removed, 0));
        expect(&tale, "archive", Verdict::Fail, removed);
        let tale = tale.with(26_100_000, expired);
        expect(&tale, "archive", Verdict::Pass, "without a gap");
    }

    #[test]
    fn a_server_nobody_asked_may_have_stopped_archiving() {
        let blind = salvage().without(|kind| matches!(kind, EventKind::WalPosition { .. }));
        expect(&blind, "archive", Verdict::Unknown, "never asked");
    }

    #[test]
    fn a_strategy_without_archive_skips_the_check_and_is_exposed() {
        let mut tale = salvage();
        tale.plan.strategy.archive = Archive::None;
        let judgement = tale.judge();
        assert!(judgement.not_applicable.contains_key("archive"));
        assert_eq!(
            finding(&judgement, "projected-rpo.oa").verdict,
            Verdict::Fail
        );
    }

    /// The archive was listed before the fault.
    fn listed_before() -> Tale {
        let segments = (1..=3).map(|segment| format!("0000000100000000{segment:08X}"));
        let listed = EventKind::Observed {
            moment: Moment::Before,
            server: "primary".into(),
            took_us: 1000,
            observation: Observation::Archive {
                segments: segments.collect(),
                odd: vec![],
            },
        };
        salvage().with(9 * SECOND, listed)
    }

    fn steady(tale: &Tale, verdict: Verdict, text: &str) {
        expect(tale, "steady-state", verdict, text);
    }

    #[test]
    fn an_archive_that_was_broken_already_is_no_fault_of_the_backup() {
        let bent = |bend: fn(&mut Vec<String>, &mut Vec<String>)| {
            listed_before().bend(Moment::Before, move |seen| {
                if let Observation::Archive { segments, odd } = seen {
                    bend(segments, odd);
                }
            })
        };
        steady(&listed_before(), Verdict::Pass, "in order");
        let lost = bent(|segments, _| drop(segments.pop()));
        let text = "takes 3 segments for archived, and 2 are in the archive";
        steady(&lost, Verdict::Unknown, text);
        let none = |tale: Tale| {
            tale.bend(Moment::Before, |seen| {
                if let Observation::Server(server) = seen {
                    server.archived = 0;
                }
            })
        };
        let empty = bent(|segments, _| segments.clear());
        steady(&none(empty), Verdict::Pass, "in order");
        let gap = bent(|segments, _| drop(segments.remove(1)));
        steady(&gap, Verdict::Unknown, "gap: 000000010000000000000001");
        let arrives = bent(|_, odd| odd.push("000000010000000000000004 (5 bytes)".into()));
        steady(&arrives, Verdict::Pass, "in order");
        let short = bent(|_, odd| odd.push("000000010000000000000002 (5 bytes)".into()));
        steady(
            &short,
            Verdict::Unknown,
            "odd file: 000000010000000000000002",
        );
    }

    #[test]
    fn a_server_that_had_stopped_archiving_is_no_fault_of_the_backup() {
        let at = |tale: Tale, second: u64, lsn: u64, failures: u64| {
            tale.with(second * SECOND, stands(lsn, LAST, failures))
        };
        let lags = at(listed_before(), 8, 0x700_0000, 0);
        steady(&lags, Verdict::Pass, "in order");
        let hangs = at(lags, 10, 0x700_0000, 0);
        let text = "archiving had stopped: 0 failures, 4 segments behind";
        steady(&hangs, Verdict::Unknown, text);
        let fails = at(listed_before(), 10, 0x500_0000, 3);
        steady(&fails, Verdict::Unknown, "3 failures, 2 segments behind");
        let later = at(listed_before(), 14, 0x900_0000, 9);
        steady(&later, Verdict::Pass, "in order");
    }
}
