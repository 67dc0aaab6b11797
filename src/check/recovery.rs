//! `recovery`: a recovery to `latest` reached the end of the archive, whatever was lost by it, and one
//! along a stated timeline followed that one.
//!
//! The end is read off the segments that the archive held when recovery began, on the timeline
//! that recovery followed: what a server archived later, or a clone elsewhere, is no matter here.

#[cfg(test)]
mod tests;

use super::{CheckResult, Context, Said, any, comparison::merge, count};
use crate::{
    event::{EventKind, Follows, RecoveryRecord},
    finding::{AtStake, Finding},
    measure::drill_history::{StepTold, told},
    scenario::plan::{Nature, Restore, Target, TargetTimeline, Wal},
    wal::{Kind, SegmentPosition, SegmentSize, lsn},
};

/// Bytes of the header of a page, and of a page.
const PAGE: (u64, u64) = (24, 8192);

/// None when nothing was to be recovered to `latest` from an archive.
pub(super) fn check(context: &Context<'_>) -> Option<Finding> {
    let history = &context.history;
    if history.plan.strategy.wal == Wal::None {
        return None;
    }
    let said = history.steps().into_iter().filter_map(|step| {
        let restore = history.plan.steps[step.index].action.restore()?;
        let server = restore.into.as_str();
        let made = history.restore_of(server, step.ended_us.unwrap_or(u64::MAX));
        let counts = (restore.target == Target::Latest || restore.timeline.is_some())
            && history.has_server(server)
            && made.is_none_or(|made| made.nature == Nature::Physical);
        counts.then(|| said_of(context, &step, restore))
    });
    let said: Vec<Said> = said.collect();
    if said.is_empty() {
        return None;
    }
    // A recovery with nothing before it says nothing.
    merge("recovery", context, said).ok()
}

fn said_of(context: &Context<'_>, step: &StepTold<'_>, restore: &Restore) -> Said {
    let server = restore.into.as_str();
    let mut recovered = told!(context.history.events, event, EventKind::Recovered(recovery)
        => (event.at_us, recovery));
    let own = |(at_us, recovery): &(u64, &RecoveryRecord)| {
        recovery.server == server && step.holds(*at_us)
    };
    let Some((_, recovery)) = recovered.rfind(own) else {
        return Err(format!("`{server}` was not recovered to its end"));
    };
    let Some(mut end) = End::of(recovery, context.history.segment_size()) else {
        return Err(format!(
            "`{server}` has no history of its timeline: where recovery ended is not known"
        ));
    };
    let wanted = wanted(context, restore);
    end.stated = stated(context, step, wanted, server)?;
    if let Some(other) = end.stated.filter(|stated| *stated != end.timeline) {
        return end.astray(other);
    }
    if restore.target != Target::Latest {
        return end.followed();
    }
    if let Some((_, branch)) = end.missed() {
        return end.before(branch);
    }
    match end.newest(wanted == TargetTimeline::Latest) {
        None => CheckResult::not_applicable("the archive held no segment"),
        Some(newest) => end.held_against(newest),
    }
}

/// The timeline that recovery was to follow: as the step says or else the settings, and the newest
/// where neither does.
fn wanted(context: &Context<'_>, restore: &Restore) -> TargetTimeline {
    let settings = &context.history.plan.strategy.settings;
    let set = || match settings.get("recovery_target_timeline")?.trim_matches('\'') {
        "latest" => Some(TargetTimeline::Latest),
        "current" => Some(TargetTimeline::Current),
        number => Some(TargetTimeline::Number(number.parse().ok()?)),
    };
    let stated = restore.timeline.or_else(set);
    stated.unwrap_or(TargetTimeline::Latest)
}

/// The number of the timeline to be followed; none where that is for the archive to tell.
fn stated(
    context: &Context<'_>,
    step: &StepTold<'_>,
    wanted: TargetTimeline,
    server: &str,
) -> Result<Option<u32>, String> {
    match wanted {
        TargetTimeline::Latest => Ok(None),
        TargetTimeline::Number(number) => Ok(Some(number)),
        TargetTimeline::Current => {
            let until_us = step.ended_us.unwrap_or(u64::MAX);
            let began_on = context.history.began_on(server, until_us);
            let unknown = || "on which timeline the backup was taken is not known".to_owned();
            began_on.ok_or_else(unknown).map(Some)
        }
    }
}

struct End<'a> {
    recovery: &'a RecoveryRecord,
    size: SegmentSize,
    timeline: u32,
    lsn: u64,
    /// The timeline that was to be followed, where that is stated.
    stated: Option<u32>,
}

impl<'a> End<'a> {
    fn of(recovery: &'a RecoveryRecord, size: SegmentSize) -> Option<Self> {
        let &(timeline, lsn) = recovery.left.last()?;
        Some(Self {
            recovery,
            size,
            timeline,
            lsn,
            stated: None,
        })
    }

    /// Where recovery ended before the timeline that it wanted to follow branches off: the
    /// timeline on which it ended, and that point.
    fn missed(&self) -> Option<(u32, u64)> {
        let (_, earlier) = self.recovery.left.split_last()?;
        let &(_, branch) = earlier.last().filter(|(_, left)| *left > self.lsn)?;
        let &(on, _) = earlier.iter().find(|(_, left)| *left > self.lsn)?;
        Some((on, branch))
    }

    fn segments(&self) -> impl Iterator<Item = SegmentPosition> + '_ {
        let files = self.recovery.archive.iter();
        let segments = files.filter(|(name, bytes)| match Kind::of(name) {
            Kind::Segment => **bytes == self.size.0,
            Kind::Packed => true,
            Kind::Partial | Kind::History | Kind::InFlight | Kind::Other => false,
        });
        segments.filter_map(|(name, _)| SegmentPosition::of(name, self.size))
    }

    /// The archive's newest segment on the timeline followed, or on a newer one.
    fn newest(&self, follows_newest: bool) -> Option<SegmentPosition> {
        let on = |place: &SegmentPosition| match follows_newest {
            true => place.timeline >= self.timeline,
            false => place.timeline == self.timeline,
        };
        let newest = self.segments().filter(on).max();
        newest.or_else(|| {
            self.segments()
                .filter(|place| place.timeline < self.timeline)
                .max()
        })
    }

    fn held_against(&self, newest: SegmentPosition) -> Said {
        let reached = self.size.number(self.lsn);
        let amid = !self.lsn.is_multiple_of(self.size.0);
        if newest.timeline > self.timeline {
            return self.short(newest, "recovery followed another timeline");
        }
        if newest.timeline == self.timeline && newest.number >= reached + u64::from(amid) {
            return self.short(newest, &self.next());
        }
        if newest.timeline == self.timeline && newest.number == reached && amid {
            return self.amid(newest);
        }
        self.complete()
    }

    /// The next segment, and why recovery did not get past it.
    fn next(&self) -> String {
        let number = self.size.number(self.lsn);
        let timeline = self.missed().map_or(self.timeline, |(on, _)| on);
        let next = SegmentPosition { timeline, number };
        let name = next.name(self.size);
        let restored = format!("\"{name}\"");
        let read = self
            .recovery
            .log
            .iter()
            .any(|line| line.contains(&restored));
        let mut files = self.recovery.archive.iter();
        let held = files.find(|(file, _)| file.starts_with(&name) && Kind::of(file).is_segment());
        match held {
            None => format!("segment {name} is not in the archive"),
            Some((file, bytes)) if Kind::of(file) == Kind::Segment && *bytes != self.size.0 => {
                format!("segment {name} has {bytes} of {} bytes", self.size.0)
            }
            Some(_) if read => format!("segment {name} can't be replayed"),
            Some(_) if !self.lsn.is_multiple_of(self.size.0) => {
                let after = SegmentPosition {
                    number: number + 1,
                    ..next
                };
                let after = after.name(self.size);
                format!("segment {name} broken, or {after} refused")
            }
            Some(_) => format!("segment {name} refused"),
        }
    }

    /// Within the archive's last segment: a record that begins there and would end in the next
    /// one is where every recovery ends, and so are zeros up to the segment's end.
    fn amid(&self, newest: SegmentPosition) -> Said {
        let Some(Follows { record, page }) = self.recovery.follows else {
            let at = lsn::show(self.lsn);
            let name = newest.name(self.size);
            return Err(format!(
                "recovery ended at {at}, amid {name}: whether that goes on could not be told"
            ));
        };
        if self.crosses(u64::from(record)) {
            return self.complete();
        }
        let at = lsn::show(self.lsn);
        match (page, record) {
            (Some(page), _) => {
                let why = format!("it has pages up to {}", lsn::show(page));
                self.short(newest, &why)
            }
            (None, 1..) => {
                let why = format!("a record of {record} bytes at {at} was not replayed");
                self.short(newest, &why)
            }
            (None, 0) => self.complete(),
        }
    }

    /// Whether a record that begins here ends in the next segment.
    fn crosses(&self, record: u64) -> bool {
        let left = self.size.0 - self.lsn % self.size.0;
        let (header, page) = PAGE;
        let pages = left.div_ceil(page);
        record > left.saturating_sub(pages * header)
    }

    fn short(&self, newest: SegmentPosition, why: &str) -> Said {
        let goes_on = lsn::show(self.size.start(newest.number + 1));
        let message = format!(
            "`latest` on `{}` reached {}, the archive goes on{} to {goes_on} ({why})",
            self.recovery.server,
            lsn::show(self.lsn),
            self.along(),
        );
        CheckResult::fail(message, self.recovery.log.clone())
    }

    /// Recovery ended on the way to the timeline that it wanted to follow.
    fn before(&self, branch: u64) -> Said {
        let message = format!(
            "`latest` on `{}` reached {}, and timeline {} goes on from {} ({})",
            self.recovery.server,
            lsn::show(self.lsn),
            self.timeline,
            lsn::show(branch),
            self.next(),
        );
        CheckResult::fail(message, self.recovery.log.clone())
    }

    /// Which timeline is meant, where one is stated.
    fn along(&self) -> String {
        let named = |stated| format!(" along timeline {stated}");
        self.stated.map(named).unwrap_or_default()
    }

    /// Recovery followed another timeline than the one it was to follow.
    fn astray(&self, stated: u32) -> Said {
        let message = format!(
            "recovery of `{}` followed timeline {}, not {stated} as stated",
            self.recovery.server, self.timeline
        );
        CheckResult::fail(message, self.recovery.log.clone())
    }

    /// Up to a target, of which PostgreSQL itself says whether it was reached.
    fn followed(&self) -> Said {
        let message = format!(
            "recovery of `{}` followed timeline {}",
            self.recovery.server, self.timeline
        );
        let at_stake = AtStake::always("a recovery along another timeline than the one stated");
        CheckResult::pass(at_stake, message)
    }

    fn complete(&self) -> Said {
        let message = format!(
            "`latest` on `{}` reached {}, the end of the archive{}",
            self.recovery.server,
            lsn::show(self.lsn),
            self.along(),
        );
        let segments = self.segments().count();
        let at_stake = any(segments, "segment", "that recovery does not get past");
        CheckResult::pass_with(at_stake, message, vec![count(segments, "segment")])
    }
}
