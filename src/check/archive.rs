//! `archive`: the WAL archive has no gap, no odd file, nothing a clone archived, holds what
//! the server takes for archived, as it was when it arrived, and is still being filled.

mod archiver;
#[cfg(test)]
mod tests;

use super::{Context, Said, any, count};
use crate::{
    event::{EventKind, Moment},
    finding::AtStake,
    measure::{
        projected::SEGMENT,
        view::{ArchiveFiles, View},
    },
    observation::Observation,
    scenario::plan::Archive,
};
use archiver::Archiver;
pub(super) use archiver::stopped;

/// A segment's place: timeline and number on it.
type Place = (u32, u64);

/// What was broken before the fault is no fault of the backup.
pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let said = at_the_end(context, now);
    if let Said::Fail(why, _) = &said
        && let Said::Fail(was, _) = steady(context, before)
    {
        return Said::Unknown(format!("{why}; and before the fault: {was}"));
    }
    said
}

fn at_the_end(context: &Context<'_>, now: &View<'_>) -> Said {
    if context.story.plan.strategy.archive == Archive::None {
        return Said::NotApplicable("the strategy archives no WAL".into());
    }
    let Some(files) = now.archive() else {
        return Said::Unknown("the WAL archive was not listed".into());
    };
    let places = places(files);
    let archiver = Archiver::of(context, now);
    let mut wrong = archiver.troubles(context, &places);
    wrong.extend(odd_files(files.segments, files.odd));
    wrong.extend(overwritten(context, files));
    wrong.extend(gaps(&places));
    wrong.extend(clones(context, &places));
    match wrong.first() {
        Some(first) => Said::Fail(first.clone(), wrong),
        None if places.is_empty() => Said::Fail(
            "the WAL archive is empty".into(),
            vec!["no segment was archived".into()],
        ),
        None if !archiver.was_asked() => {
            Said::Unknown(format!("`{}` was never asked what it archived", now.server))
        }
        None => Said::pass(
            any(places.len(), "segment", "missing, altered or unreadable"),
            format!("{} without a gap", count(places.len(), "segment")),
        ),
    }
}

/// Before the first fault nothing need have been archived yet and files still arrive, but the
/// archive has no gap and what the server takes for archived, and the server archives.
pub(super) fn steady(context: &Context<'_>, before: &View<'_>) -> Said {
    if context.story.plan.strategy.archive == Archive::None {
        return Said::NotApplicable("the strategy archives no WAL".into());
    }
    let Some(files) = before.archive() else {
        return Said::NotApplicable("a listing that failed is told as the probe's failure".into());
    };
    let places = places(files);
    let mut wrong = odd_files(files.segments, &arrived(files.odd, &places));
    wrong.extend(gaps(&places));
    wrong.extend(missing(before, files.segments));
    wrong.extend(archiver::stuck(context, before.server));
    match wrong.first() {
        Some(first) => Said::Fail(first.clone(), wrong),
        None => Said::pass(
            AtStake::always("an archive that was broken"),
            "the WAL archive was in order",
        ),
    }
}

fn places(files: ArchiveFiles<'_>) -> Vec<Place> {
    files
        .segments
        .iter()
        .filter_map(|name| place(name))
        .collect()
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

/// Segments that are not what they were when they arrived.
fn overwritten(context: &Context<'_>, files: ArchiveFiles<'_>) -> Vec<String> {
    let now = files.digests.iter();
    now.filter_map(|(name, digest)| {
        let (server, first) = arrival(context, name)?;
        let text = format!("{name} was overwritten: it is not what `{server}` archived");
        (first != digest).then_some(text)
    })
    .collect()
}

/// Who archived a segment first, and its digest then: as sampled, or in the steady state's listing.
fn arrival<'a>(context: &Context<'a>, name: &str) -> Option<(&'a str, &'a str)> {
    context.story.events.iter().find_map(|event| {
        let (server, digests) = match &event.kind {
            EventKind::WalPosition {
                server, arrived, ..
            } => (server, arrived),
            EventKind::Observed {
                moment: Moment::Before,
                server,
                observation: Observation::Archive { digests, .. },
                ..
            } => (server, digests),
            _ => return None,
        };
        Some((server.as_str(), digests.get(name)?.as_str()))
    })
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
