//! `archive`: the WAL archive has no gap, no odd file, nothing a clone archived, holds what
//! the server takes for archived, and is still being filled.

use super::{Context, Said, count};
use crate::{
    event::{Event, EventKind},
    measure::{projected::SEGMENT, view::View},
    observation::Observation,
    scenario::plan::Archive,
};

/// Segments that the WAL may move on by before the archiver is looked at closely.
const SLACK: u64 = 3;
/// How long a segment may take to arrive: as long as a sampling interval.
const PATIENCE_US: u64 = 1_000_000;

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

/// What a server said of its archiving before the archive was listed.
struct Archiver<'a> {
    /// The timeline it writes.
    timeline: u32,
    samples: Vec<Sample<'a>>,
    listed_us: u64,
}

/// Where a server's WAL stood at a moment.
struct Sample<'a> {
    at_us: u64,
    lsn: u64,
    last_archived: &'a str,
    failures: u64,
}

impl<'a> Sample<'a> {
    fn of(event: &'a Event, wanted: &str) -> Option<Self> {
        let EventKind::WalPosition {
            server,
            lsn,
            last_archived,
            archive_failures,
        } = &event.kind
        else {
            return None;
        };
        (server == wanted).then_some(Self {
            at_us: event.at_us,
            lsn: *lsn,
            last_archived,
            failures: *archive_failures,
        })
    }

    /// Number of the segment being written.
    fn segment(&self) -> u64 {
        self.lsn / SEGMENT
    }

    /// Number of the segment archived last; none when there was none.
    fn archived(&self) -> Option<u64> {
        let name = self.last_archived.get(..24)?;
        place(name).map(|(_, segment)| segment)
    }
}

impl<'a> Archiver<'a> {
    fn of(context: &Context<'a>, now: &View<'_>) -> Self {
        let restore = context.story.restore_of(now.server);
        let listed_us = listed_us(context, now);
        let events = context.story.events.iter();
        let earlier = events.filter(|event| event.at_us <= listed_us);
        Self {
            timeline: restore.map_or(1, |restore| restore.timeline),
            samples: earlier
                .filter_map(|event| Sample::of(event, now.server))
                .collect(),
            listed_us,
        }
    }

    /// What it does wrong, beside the segments in the archive.
    fn troubles(&self, context: &Context<'_>, places: &[Place]) -> Vec<String> {
        let stopped = self.refused().or_else(|| self.hangs(places));
        let lied = self.lied(context, places);
        stopped.into_iter().chain(lied).collect()
    }

    /// Failures grew, and what was archived last lies behind the segment before the one
    /// being written.
    fn refused(&self) -> Option<String> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let failures = last.failures.saturating_sub(first.failures);
        let behind = last.segment().saturating_sub(last.archived().unwrap_or(0));
        (failures > 0 && behind > 1).then(|| {
            format!("archiving stopped: {failures} failures, {behind} segments behind the WAL")
        })
    }

    /// The WAL moved on by some segments while none was archived, and none of them had
    /// arrived a while later, when the archive was listed. An archiver that is merely slow
    /// gets on meanwhile.
    fn hangs(&self, places: &[Place]) -> Option<String> {
        let idle = self.idle();
        let first = idle.first()?;
        let ripe = |one: &&Sample<'_>| one.at_us.saturating_add(PATIENCE_US) <= self.listed_us;
        let last = idle.iter().rfind(ripe)?;
        let moved = last.segment().saturating_sub(first.segment());
        let next = first.archived().map_or(first.segment(), |last| last + 1);
        let awaited = |place: &Place| place.0 == self.timeline && place.1 >= next;
        (moved >= SLACK && !places.iter().any(awaited)).then(|| idled(moved, last.last_archived))
    }

    /// The samples since it archived for the last time.
    fn idle(&self) -> &[Sample<'a>] {
        let newest = self.samples.last().map(|one| one.last_archived);
        let other = |one: &Sample<'_>| Some(one.last_archived) != newest;
        let since = self.samples.iter().rposition(other);
        &self.samples[since.map_or(0, |at| at + 1)..]
    }

    /// It takes a segment for archived that is not there, and that retention did not remove.
    /// (That the archive is empty is told anyway.)
    fn lied(&self, context: &Context<'_>, places: &[Place]) -> Option<String> {
        let name = self.samples.last()?.last_archived;
        let told = place(name)?;
        let outlived = places.iter().all(|place| place.1 > told.1);
        let excused = places.contains(&told) || outlived || expired(context, name);
        (!excused).then(|| format!("{name} was told to be archived, and is not in the archive"))
    }
}

fn idled(moved: u64, last: &str) -> String {
    let last = if last.is_empty() { "none" } else { last };
    format!(
        "archiving stopped: the WAL moved on by {moved} segments and none was archived, the \
         last one is {last}"
    )
}

/// When the listing of the archive began.
fn listed_us(context: &Context<'_>, now: &View<'_>) -> u64 {
    let listed = context.story.events.iter().rev().find_map(|event| {
        let EventKind::Observed {
            moment,
            server,
            took_us,
            observation: Observation::Archive { .. },
        } = &event.kind
        else {
            return None;
        };
        let same = *moment == now.moment && server == now.server;
        same.then(|| event.at_us.saturating_sub(*took_us))
    });
    listed.unwrap_or(u64::MAX)
}

/// Whether retention removed a segment.
fn expired(context: &Context<'_>, name: &str) -> bool {
    context.story.events.iter().any(|event| {
        matches!(&event.kind, EventKind::RetentionApplied { removed_wal, .. } if removed_wal.iter().any(|one| one == name))
    })
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
}
