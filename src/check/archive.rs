//! `archive`: the WAL archive has no gap, no odd file, nothing a clone archived, and is
//! still being filled.

use super::{Context, Said, count};
use crate::{
    event::EventKind,
    measure::{projected::SEGMENT, view::View},
    scenario::plan::Archive,
};

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
    let mut wrong: Vec<String> = stopped(context).into_iter().collect();
    wrong.extend(odd.iter().map(|file| format!("odd file: {file}")));
    let no_segment = segments.iter().filter(|name| place(name).is_none());
    wrong.extend(no_segment.map(|file| format!("odd file: {file}")));
    wrong.extend(gaps(&places));
    wrong.extend(clones(context, &places));
    match wrong.first() {
        Some(first) => Said::Fail(first.clone(), wrong),
        None if places.is_empty() => Said::Fail(
            "the WAL archive is empty".into(),
            vec!["no segment was archived".into()],
        ),
        None => Said::Pass(format!("{} without a gap", count(places.len(), "segment"))),
    }
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

/// Archiving stopped: failures grew, and what was archived last lies behind the segment
/// before the one being written.
fn stopped(context: &Context<'_>) -> Option<String> {
    let server = context.story.serving();
    let samples = context.story.events.iter().filter_map(|event| {
        let EventKind::WalPosition {
            server: of,
            lsn,
            last_archived,
            archive_failures,
        } = &event.kind
        else {
            return None;
        };
        (of == server).then_some((*lsn, last_archived.as_str(), *archive_failures))
    });
    let samples: Vec<_> = samples.collect();
    let (first, last) = (samples.first()?, samples.last()?);
    let failures = last.2.saturating_sub(first.2);
    let archived = last.1.get(..24).and_then(place).map_or(0, |place| place.1);
    let behind = (last.0 / SEGMENT).saturating_sub(archived);
    (failures > 0 && behind > 1).then(|| {
        format!("archiving stopped: {failures} failures, {behind} segments behind the WAL")
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

    #[test]
    fn archiving_that_stopped_is_red() {
        let stands = |lsn: u64, archive_failures: u64| EventKind::WalPosition {
            server: "primary".into(),
            lsn,
            last_archived: "000000010000000000000003".into(),
            archive_failures,
        };
        let tale = salvage()
            .with(5 * SECOND, stands(0x400_0000, 0))
            .with(26 * SECOND, stands(0x600_0000, 9));
        expect(
            &tale,
            "archive",
            Verdict::Fail,
            "archiving stopped: 9 failures, 3 segments behind",
        );
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
