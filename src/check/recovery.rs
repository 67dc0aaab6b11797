//! `recovery`: a recovery to `latest` reached the end of the archive, whatever was lost by it.
//!
//! The end is read off the segments that the archive held when recovery began, on the timeline
//! that recovery followed: what a server archived later, or a clone elsewhere, is no matter here.

#[cfg(test)]
mod tests;

use super::{CheckResult, Context, Said, any, comparison::merge, count};
use crate::{
    event::{EventKind, Follows, RecoveryRecord},
    finding::Finding,
    measure::drill_history::{StepTold, told},
    scenario::plan::{Nature, Target, Wal},
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
        let counts = restore.target == Target::Latest
            && history.has_server(server)
            && made.is_none_or(|made| made.nature == Nature::Physical);
        counts.then(|| said_of(context, &step, server))
    });
    let said: Vec<Said> = said.collect();
    if said.is_empty() {
        return None;
    }
    // A recovery with nothing before it says nothing.
    merge("recovery", context, said).ok()
}

fn said_of(context: &Context<'_>, step: &StepTold<'_>, server: &str) -> Said {
    let mut recovered = told!(context.history.events, event, EventKind::Recovered(recovery)
        => (event.at_us, recovery));
    let own = |(at_us, recovery): &(u64, &RecoveryRecord)| {
        recovery.server == server && step.holds(*at_us)
    };
    let Some((_, recovery)) = recovered.rfind(own) else {
        return Err(format!("`{server}` was not recovered to its end"));
    };
    let Some(end) = End::of(recovery, context.history.segment_size()) else {
        return Err(format!(
            "`{server}` has no history of its timeline: where recovery ended is not known"
        ));
    };
    if let Some((_, branch)) = end.missed() {
        return end.before(branch);
    }
    match end.newest(follows_newest(context)) {
        None => CheckResult::not_applicable("the archive held no segment"),
        Some(newest) => end.held_against(newest),
    }
}

/// Whether recovery was to follow the newest timeline, as it does unless it is told otherwise.
fn follows_newest(context: &Context<'_>) -> bool {
    let settings = &context.history.plan.strategy.settings;
    let told = settings.get("recovery_target_timeline");
    told.is_none_or(|target| target.trim_matches('\'') == "latest")
}

struct End<'a> {
    recovery: &'a RecoveryRecord,
    size: SegmentSize,
    timeline: u32,
    lsn: u64,
}

impl<'a> End<'a> {
    fn of(recovery: &'a RecoveryRecord, size: SegmentSize) -> Option<Self> {
        let &(timeline, lsn) = recovery.left.last()?;
        Some(Self {
            recovery,
            size,
            timeline,
            lsn,
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
            "`latest` on `{}` reached {}, the archive goes on to {goes_on} ({why})",
            self.recovery.server,
            lsn::show(self.lsn),
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

    fn complete(&self) -> Said {
        let message = format!(
            "`latest` on `{}` reached {}, the end of the archive",
            self.recovery.server,
            lsn::show(self.lsn)
        );
        let segments = self.segments().count();
        let at_stake = any(segments, "segment", "that recovery does not get past");
        CheckResult::pass_with(at_stake, message, vec![count(segments, "segment")])
    }
}
