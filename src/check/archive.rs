//! `archive`: in each of its stores the WAL archive has no gap, no odd file, nothing a clone archived,
//! holds what servers take for archived, as they wrote it and as it was when it arrived, and it is
//! still being filled. Of a store that was lost what came since counts.

mod archiver;
mod content;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{CheckResult, Context, Said, any, count, stores};
use crate::{
    event::RestoreRecord,
    fault::ServerAfter,
    finding::AtStake,
    measure::{drill_history::DrillHistory, view::View},
    observation::{ArchiveState, ArchivedFile},
    scenario::plan::{Nature, Wal},
    store::{LOCAL, name_and_store},
    wal::{FIRST_TIMELINE, Kind, SegmentPosition, SegmentSize},
};
use archiver::Archiver;
pub(super) use archiver::stopped;
use content::Judged;

/// What was broken before the fault is no fault of the backup.
pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let said = at_the_end(context, now);
    if let Ok(CheckResult::Fail(why, _)) = &said
        && let Ok(CheckResult::Fail(was, _)) = steady(context, before)
    {
        return Err(format!("{why}; and before the fault: {was}"));
    }
    said
}

fn at_the_end(context: &Context<'_>, now: &View<'_>) -> Said {
    if context.history.plan.strategy.wal == Wal::None {
        return CheckResult::not_applicable("the strategy archives no WAL");
    }
    let state = now.archive().ok_or("the WAL archive was not listed")?;
    let archiver = Archiver::of(context, now);
    let everywhere = places(&without_stores(state, |_| true));
    let mut judged = Judged {
        wrong: archiver.troubles(&everywhere),
        ..Judged::default()
    };
    let mut segments = 0;
    for (store, state) in in_stores(context, state) {
        segments += places(&state).len();
        judged.add(&store, in_store(context, now, &store, &state, &everywhere));
    }
    match judged.wrong.first() {
        Some(first) => CheckResult::fail(first.clone(), judged.wrong),
        None if !archiver.was_asked() => {
            Err(format!("`{}` was never asked what it archived", now.server))
        }
        None => match judged.closed.first() {
            Some(first) => Err(first.clone()),
            None => in_order(segments, &judged),
        },
    }
}

/// What the archive holds in each of its stores, by names without the store.
fn in_stores(context: &Context<'_>, state: &ArchiveState) -> Vec<(String, ArchiveState)> {
    let archive = context.history.plan.strategy.archive();
    let stores = archive.iter().flat_map(|archive| archive.stores());
    let of = |store: &str| {
        let of_it = |in_store: &str| in_store == store;
        (store.to_owned(), without_stores(state, of_it))
    };
    stores.map(of).collect()
}

/// What it holds in these stores, by names without the store.
fn without_stores(state: &ArchiveState, of: impl Fn(&str) -> bool) -> ArchiveState {
    let files = state.files.iter().filter_map(|(name, file)| {
        let (name, store) = name_and_store(name);
        of(store).then(|| (name.to_owned(), file.clone()))
    });
    ArchiveState {
        files: files.collect(),
        ..state.clone()
    }
}

/// `everywhere`: the segments of all stores.
fn in_store(
    context: &Context<'_>,
    now: &View<'_>,
    store: &str,
    state: &ArchiveState,
    everywhere: &[SegmentPosition],
) -> Judged {
    if stores::is_closed(context, store) {
        let closed = vec!["it is cut off: nobody knows what it holds".to_owned()];
        return Judged {
            closed,
            ..Judged::default()
        };
    }
    let places = places(state);
    let mut judged = content::judge_with_gone(context, store, state);
    // Since its store was lost nothing need have been archived.
    let is_empty = places.is_empty() && stores::lost_us(context, store).is_none();
    let mut wrong = match is_empty {
        true => Vec::new(),
        false => archiver::lies(context, now, store, state),
    };
    wrong.extend(odd_files(state));
    wrong.append(&mut judged.wrong);
    let (unfinished, missing): (Vec<_>, Vec<_>) = gaps(&context.history, &places)
        .into_iter()
        .partition(|gap| gap.is_unfinished(context, everywhere));
    wrong.extend(missing.iter().map(|gap| gap.told(size(state))));
    judged.unfinished = unfinished.iter().map(|gap| gap.told(size(state))).collect();
    wrong.extend(clones(context, &places, size(state)));
    if wrong.is_empty() && is_empty {
        wrong.extend(nothing_but(state));
    }
    Judged { wrong, ..judged }
}

impl Judged {
    /// Adds what was found in a store, which is named where it is not the local one.
    fn add(&mut self, store: &str, found: Self) {
        let named = |line: String| match store {
            LOCAL => line,
            _ => format!("in `{store}`: {line}"),
        };
        self.wrong.extend(found.wrong.into_iter().map(named));
        self.closed.extend(found.closed.into_iter().map(named));
        self.unfinished
            .extend(found.unfinished.into_iter().map(named));
        self.as_written += found.as_written;
    }
}

/// What an archive without a segment holds.
fn nothing_but(state: &ArchiveState) -> Vec<String> {
    let names = state.files.keys();
    let made = names.filter(|name| Kind::of(name) == Kind::InFlight);
    let made = made.map(|name| format!("{name} is in the making, by its ending"));
    let nothing = "the WAL archive is empty".to_owned();
    std::iter::once(nothing).chain(made).collect()
}

fn in_order(segments: usize, judged: &Judged) -> Said {
    let unfinished = judged.unfinished.iter();
    let unfinished = unfinished.map(|gap| {
        format!(
            "; {gap}, as its server was lost while it archived it: that store needs a new backup"
        )
    });
    CheckResult::pass(
        any(segments, "segment", "missing, altered or unreadable"),
        format!(
            "{} without a gap, {} as their server wrote them{}",
            count(segments, "segment"),
            judged.as_written,
            unfinished.collect::<String>()
        ),
    )
}

/// Before the first fault nothing need have been archived yet and files still arrive, but the
/// archive has no gap and what the server takes for archived, and the server archives.
pub(super) fn steady(context: &Context<'_>, before: &View<'_>) -> Said {
    if context.history.plan.strategy.wal == Wal::None {
        return CheckResult::not_applicable("the strategy archives no WAL");
    }
    let Some(state) = before.archive() else {
        return CheckResult::not_applicable("a listing that failed is told as the probe's failure");
    };
    let mut judged = Judged::default();
    for (store, state) in in_stores(context, state) {
        judged.add(&store, steady_in(context, &store, &state));
    }
    judged.wrong.extend(archiver::stuck(context, before.server));
    match judged.wrong.first() {
        Some(first) => CheckResult::fail(first.clone(), judged.wrong),
        None => CheckResult::pass(
            AtStake::always("an archive that was broken"),
            "the WAL archive was in order",
        ),
    }
}

fn steady_in(context: &Context<'_>, store: &str, state: &ArchiveState) -> Judged {
    let arrived = without_newest_short(state);
    let mut wrong = odd_files(&arrived);
    wrong.extend(content::judge(context, store, &arrived).wrong);
    let gaps = gaps(&context.history, &places(&arrived));
    wrong.extend(gaps.iter().map(|gap| gap.told(size(state))));
    wrong.extend(missing(state));
    Judged {
        wrong,
        ..Judged::default()
    }
}

fn size(state: &ArchiveState) -> SegmentSize {
    SegmentSize(state.segment_size)
}

/// Whether a file holds a whole segment: as PostgreSQL wrote it, or packed in whatever way.
fn is_whole(name: &str, file: &ArchivedFile, size: SegmentSize) -> bool {
    match Kind::of(name) {
        Kind::Segment => file.bytes == size.0 || content::is_packed(file),
        Kind::Packed => true,
        Kind::Partial | Kind::History | Kind::InFlight | Kind::Other => false,
    }
}

fn places(state: &ArchiveState) -> Vec<SegmentPosition> {
    let files = state.files.iter();
    let whole = files.filter(|(name, file)| is_whole(name, file, size(state)));
    let places: BTreeSet<SegmentPosition> = whole
        .filter_map(|(name, _)| SegmentPosition::of(name, size(state)))
        .collect();
    places.into_iter().collect()
}

/// A new server counts what it archived, and nothing has been removed yet.
fn missing(state: &ArchiveState) -> Option<String> {
    let files = state.files.keys().map(|name| Kind::of(name));
    let archived = |kind: &Kind| !matches!(kind, Kind::InFlight | Kind::Other);
    let there = files.filter(archived).count() as u64;
    let told = state.archived;
    (told > there).then(|| {
        format!("the server takes {told} files for archived, and {there} are in the archive")
    })
}

/// The archive but for the segment that may be on its way: short, and newer than all others.
fn without_newest_short(state: &ArchiveState) -> ArchiveState {
    let mut arrived = state.clone();
    let newest = places(state).last().copied();
    arrived.files.retain(|name, file| {
        let place = SegmentPosition::of(name, size(state));
        is_whole(name, file, size(state)) || place.is_none() || place <= newest
    });
    arrived
}

/// What is neither a whole segment nor another file that PostgreSQL or pgdrill's own script leaves.
fn odd_files(state: &ArchiveState) -> Vec<String> {
    let size = size(state);
    let odd = state.files.iter().filter_map(|(name, file)| {
        let bytes = file.bytes;
        match Kind::of(name) {
            Kind::Segment if SegmentPosition::of(name, size).is_none() => Some(format!(
                "odd file: {name} is no segment of {} bytes",
                size.0
            )),
            Kind::Segment if !is_whole(name, file, size) => {
                Some(format!("{name} has {bytes} of {} bytes", size.0))
            }
            Kind::Packed if is_beside(state, name) => Some(format!(
                "odd file: {name} ({bytes} bytes) beside the segment itself"
            )),
            Kind::Other => Some(format!("odd file: {name} ({bytes} bytes)")),
            Kind::Segment | Kind::Packed | Kind::Partial | Kind::History | Kind::InFlight => None,
        }
    });
    odd.collect()
}

fn is_beside(state: &ArchiveState, name: &str) -> bool {
    name.get(..24)
        .is_some_and(|bare| state.files.contains_key(bare))
}

/// Segments that are missing between two, on the timeline of the first.
struct Gap(SegmentPosition, SegmentPosition);

/// Gaps within a timeline, and between a timeline and the one that branched off it.
fn gaps(history: &DrillHistory<'_>, places: &[SegmentPosition]) -> Vec<Gap> {
    let begins = |pair: &[SegmentPosition]| pair[0].timeline < pair[1].timeline;
    let parent = |pair: &[SegmentPosition]| {
        let parent = history.branched_off(pair[1].timeline)?;
        places.iter().rfind(|place| place.timeline == parent)
    };
    let gap = |pair: &[SegmentPosition]| match begins(pair) {
        true => Gap(*parent(pair).unwrap_or(&pair[0]), pair[1]),
        false => Gap(pair[0], pair[1]),
    };
    let apart = |gap: &Gap| gap.1.number > gap.0.number + 1;
    places.windows(2).map(gap).filter(apart).collect()
}

impl Gap {
    fn told(&self, size: SegmentSize) -> String {
        let (before, after) = (self.0.name(size), self.1.name(size));
        format!("gap: {before} is followed by {after}")
    }

    /// Whether a server was lost while it archived what is missing: another store holds it already,
    /// and the next server's timeline begins with what follows. What the lost server took for
    /// archived is missed all the same ([`archiver::lies`]).
    fn is_unfinished(&self, context: &Context<'_>, everywhere: &[SegmentPosition]) -> bool {
        let mut faults = context.history.faults();
        let lost = faults.any(|fault| fault.fault.facts().server_after == ServerAfter::Lost);
        let timeline = self.0.timeline;
        let mut missing = self.0.number + 1..self.1.number;
        let elsewhere = |number| everywhere.contains(&SegmentPosition { timeline, number });
        lost && self.1.timeline > timeline && missing.all(elsewhere)
    }
}

/// Segments on a timeline that only a scratch server was ever on; one that waits at its target is on
/// its source's, and one made of a dump is another cluster.
fn clones(context: &Context<'_>, places: &[SegmentPosition], size: SegmentSize) -> Vec<String> {
    let restores = || context.history.restores().map(|(_, restore)| restore);
    let of_ours = |timeline: u32| restores().any(|one| !one.scratch && one.timeline == timeline);
    let ours = |timeline: u32| timeline == FIRST_TIMELINE || of_ours(timeline);
    let promoted =
        |one: &&RestoreRecord| one.scratch && !one.paused && one.nature == Nature::Physical;
    let clone = |timeline: u32| {
        let mut clones = restores().filter(promoted);
        clones.find(|one| one.timeline == timeline)
    };
    places
        .iter()
        .filter(|place| !ours(place.timeline))
        .filter_map(|place| Some((place, clone(place.timeline)?)))
        .map(|(place, clone)| format!("the clone `{}` archived {}", clone.server, place.name(size)))
        .collect()
}
