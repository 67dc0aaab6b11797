//! Whether a server archives its WAL, by what it said of itself once a second.

use std::collections::BTreeSet;

use crate::{
    check::{Context, count, stores::lost_us},
    event::{EventKind, WalPosition},
    measure::{
        drill_history::told,
        view::{self, View},
    },
    observation::{ArchiveState, Observation},
    store::named_at,
    wal::{FIRST_TIMELINE, Kind, SegmentPosition, SegmentSize},
};

/// Segments that the WAL may move on by before the archiver is looked at closely.
const SLACK: u64 = 3;
/// How long a segment may take to arrive: as long as a sampling interval.
const PATIENCE_US: u64 = 1_000_000;

/// What a server said of its archiving before the archive was listed.
pub(super) struct Archiver<'a> {
    timeline: u32,
    samples: Vec<Sample<'a>>,
    listed_us: u64,
}

struct Sample<'a> {
    /// When the server was asked.
    at_us: u64,
    size: SegmentSize,
    position: &'a WalPosition,
}

impl<'a> Sample<'a> {
    /// Number of the segment being written.
    fn segment(&self) -> u64 {
        self.size.number(self.position.lsn)
    }

    fn last_archived(&self) -> &'a str {
        &self.position.last_archived
    }

    /// Number of the segment archived last; none when there was none.
    fn archived(&self) -> Option<u64> {
        SegmentPosition::of(self.last_archived(), self.size).map(|place| place.number)
    }

    /// The file archived last, where that is a segment.
    fn segment_archived(&self) -> Option<&'a str> {
        let last = self.last_archived();
        (Kind::of(last) == Kind::Segment).then_some(last)
    }

    /// Segments between what was archived last and what is being written.
    fn behind(&self) -> u64 {
        self.segment().saturating_sub(self.archived().unwrap_or(0))
    }
}

impl<'a> Archiver<'a> {
    pub fn of(context: &Context<'a>, now: &View<'_>) -> Self {
        let restore = context.history.restore_of(now.server, now.at_us);
        let listed_us = listed_us(context, now);
        Self {
            timeline: restore.map_or(FIRST_TIMELINE, |restore| restore.timeline),
            samples: samples(context, now.server, listed_us),
            listed_us,
        }
    }

    pub fn was_asked(&self) -> bool {
        !self.samples.is_empty()
    }

    pub fn troubles(&self, places: &[SegmentPosition]) -> Vec<String> {
        let stopped = self.refused().or_else(|| self.hangs(places));
        stopped.into_iter().collect()
    }

    /// Failures grew since anything was archived, and what was archived last lies behind the
    /// segment before the one being written. One that was healed, and is still catching up, fails no
    /// more.
    fn refused(&self) -> Option<String> {
        let idle = idle(&self.samples);
        let (first, last) = (idle.first()?, idle.last()?);
        let failures = last
            .position
            .archive_failures
            .saturating_sub(first.position.archive_failures);
        let behind = last.behind();
        (failures > 0 && behind > 1).then(|| {
            format!("archiving stopped: {failures} failures, {behind} segments behind the WAL")
        })
    }

    /// The WAL moved on by some segments while none was archived, and none of them had
    /// arrived a while later, when the archive was listed. An archiver that is merely slow
    /// gets on meanwhile.
    fn hangs(&self, places: &[SegmentPosition]) -> Option<String> {
        let idle = idle(&self.samples);
        let first = idle.first()?;
        let ripe = |one: &&Sample<'_>| one.at_us.saturating_add(PATIENCE_US) <= self.listed_us;
        let last = idle.iter().rfind(ripe)?;
        let moved = last.segment().saturating_sub(first.segment());
        let next = first.archived().map_or(first.segment(), |last| last + 1);
        let awaited =
            |place: &SegmentPosition| place.timeline == self.timeline && place.number >= next;
        (moved >= SLACK && !places.iter().any(awaited)).then(|| idled(moved, last.last_archived()))
    }
}

/// Each server that takes a segment for archived that is not there, and that neither retention nor a
/// fault removed: this one, or one that was lost since.
pub(super) fn lies(
    context: &Context<'_>,
    now: &View<'_>,
    store: &str,
    state: &ArchiveState,
) -> Vec<String> {
    let until_us = listed_us(context, now);
    let servers = told!(context.history.events, EventKind::WalPosition(at) => at.server.as_str());
    let looked_at = |server: &str| view::after(&context.views, server).is_some();
    let servers: BTreeSet<&str> = servers
        .filter(|server| *server == now.server || !looked_at(server))
        .collect();
    let lies = servers.into_iter().filter_map(|server| {
        let samples = samples(context, server, until_us);
        let name = samples.iter().rev().find_map(Sample::segment_archived)?;
        let lie = lied(state, name) && !removed(context, store, name, &samples);
        lie.then(|| format!("`{server}` took {name} for archived, and it is not in the archive"))
    });
    lies.collect()
}

fn lied(state: &ArchiveState, name: &str) -> bool {
    let size = SegmentSize(state.segment_size);
    let Some(told) = SegmentPosition::of(name, size) else {
        return false;
    };
    let places = super::places(state);
    let outlived = !places.is_empty() && places.iter().all(|place| place.number > told.number);
    let mut files = state.files.keys();
    let there = files
        .any(|file| SegmentPosition::of(file, size) == Some(told) && Kind::of(file).is_segment());
    !there && !outlived
}

/// Whether retention removed a segment, or it went with all of its store: then it had been archived
/// by the first sample after that, or was just under way.
fn removed(context: &Context<'_>, store: &str, name: &str, samples: &[Sample<'_>]) -> bool {
    let lost = lost_us(context, store);
    let first = lost.and_then(|lost| samples.iter().find(|one| one.at_us >= lost));
    let told = SegmentPosition::of(name, context.history.segment_size()).map(|place| place.number);
    let went = match (lost, first) {
        (Some(_), Some(first)) => told <= first.archived().map(|number| number + 1),
        (Some(_), None) => true,
        (None, _) => false,
    };
    went || expired(context, &named_at(store, name))
}

fn samples<'a>(context: &Context<'a>, of: &str, until_us: u64) -> Vec<Sample<'a>> {
    let size = context.history.segment_size();
    let all = told!(context.history.events, event, EventKind::WalPosition(position)
    if position.server == of => Sample {
        at_us: event.at_us.saturating_sub(position.took_us), size, position
    });
    all.filter(|sample| sample.at_us <= until_us).collect()
}

/// Whether a new server had stopped archiving, or never begun, when the first fault was injected:
/// segments wait, while attempts failed or none was archived for a while.
pub(super) fn stuck(context: &Context<'_>, server: &str) -> Option<String> {
    let samples = samples(context, server, context.history.first_fault_us()?);
    let idle = idle(&samples);
    let (first, last) = (idle.first()?, idle.last()?);
    let behind = last.behind();
    let waits = behind > SLACK && first.at_us + PATIENCE_US <= last.at_us;
    let fails = behind > 1 && last.position.archive_failures > 0;
    (waits || fails).then(|| {
        let failures = count(last.position.archive_failures as usize, "failure");
        format!("archiving had stopped: {failures}, {behind} segments behind the WAL")
    })
}

/// The samples since a server archived for the last time.
fn idle<'s, 'a>(samples: &'s [Sample<'a>]) -> &'s [Sample<'a>] {
    let newest = samples.last().map(|one| one.last_archived());
    let other = |one: &Sample<'_>| Some(one.last_archived()) != newest;
    let since = samples.iter().rposition(other);
    &samples[since.map_or(0, |at| at + 1)..]
}

/// Since when a server's archive had refused everything by then, and the segment archived last.
pub fn stopped<'a>(context: &Context<'a>, server: &str, by_us: u64) -> Option<(u64, &'a str)> {
    let samples = samples(context, server, by_us);
    let idle = idle(&samples);
    let failures = idle.first()?.position.archive_failures;
    let refused = idle
        .iter()
        .find(|one| one.position.archive_failures > failures)?;
    Some((refused.at_us, refused.last_archived()))
}

fn idled(moved: u64, last: &str) -> String {
    let last = if last.is_empty() { "none" } else { last };
    format!(
        "archiving stopped: the WAL moved on by {moved} segments and none was archived, the \
         last one is {last}"
    )
}

fn listed_us(context: &Context<'_>, now: &View<'_>) -> u64 {
    let mut listed = told!(context.history.events, event, EventKind::Observed {
        moment,
        server,
        took_us,
        observation: Observation::Archive(_),
    } if *moment == now.moment && server == now.server => event.at_us.saturating_sub(*took_us));
    listed.next_back().unwrap_or(u64::MAX)
}

fn expired(context: &Context<'_>, name: &str) -> bool {
    told!(context.history.events, EventKind::RetentionApplied { removed_wal, .. } => removed_wal)
        .flatten()
        .any(|removed| removed == name)
}
