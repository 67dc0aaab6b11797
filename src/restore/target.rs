//! Up to where: a scenario's recovery target in PostgreSQL's settings, and the backup
//! to begin from.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    backup::Resolved,
    event::{BackupRecord, FaultRecord, Listed},
    postgres::lsn,
    scenario::plan::{Target, TargetType},
};

/// A wall clock that keeps this close to the drill's own was not set, but slewed.
const STEADY: SignedDuration = SignedDuration::from_secs(1);

/// A backup that was taken, and when it had ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub record: BackupRecord,
    /// End, in the drill's clock.
    pub ended_us: u64,
    /// Whether its tool's verifier had a word on it.
    pub verified: bool,
}

/// What is known when a target is resolved.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The fault that the target is before, if any.
    pub fault: Option<&'a FaultRecord>,
    /// Named restore points of the cluster, and their LSN.
    pub points: &'a [(String, u64)],
    /// What the server's clock said when the drill's read zero.
    pub wall: Timestamp,
    /// How far the wall clock has been set since then.
    pub stepped: SignedDuration,
    /// One second of the drill stands for this many.
    pub scale: u32,
}

/// Resolves a target.
///
/// # Errors
/// When it refers to a fault or a restore point that is not there, or is no time.
pub fn resolve(target: &Target, known: Known<'_>) -> Result<Resolved, String> {
    match target {
        Target::Latest => Ok(plain(Vec::new())),
        Target::Immediate => Ok(plain(vec![setting("recovery_target", "immediate")])),
        Target::Time(text) => at_time(
            text.parse()
                .map_err(|cause| format!("`{text}` is no time with a zone: {cause}"))?,
            None,
            known,
        ),
        Target::Lsn(text) => lsn::parse(text)
            .map(|position| at_lsn(position, true))
            .ok_or_else(|| format!("`{text}` is no LSN")),
        Target::Xid(xid) => Ok(plain(before_xid(*xid))),
        Target::Name(name) => named(name, known),
        Target::Before { by: None, kind, .. } => before_fault(*kind, known),
        Target::Before {
            by: Some(by), zone, ..
        } => {
            let fault = known.fault.ok_or("there was no fault yet")?;
            let time: Timestamp = fault
                .server_time
                .parse()
                .map_err(|cause| format!("the fault's time `{}`: {cause}", fault.server_time))?;
            let earlier = time.checked_sub(signed(by.0 / known.scale.max(1)));
            let too_early = |_| {
                format!("{by} before the fault is before the drill began: no backup reaches it")
            };
            at_time(earlier.map_err(too_early)?, zone.as_deref(), known)
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn setting(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

fn plain(settings: Vec<(String, String)>) -> Resolved {
    Resolved {
        settings,
        by_lsn: None,
        by_us: None,
        timeline: None,
    }
}

fn at_lsn(position: u64, inclusive: bool) -> Resolved {
    let inclusive = if inclusive { "on" } else { "off" };
    let settings = vec![
        setting("recovery_target_lsn", &lsn::show(position)),
        setting("recovery_target_inclusive", inclusive),
    ];
    Resolved {
        by_lsn: Some(position),
        ..plain(settings)
    }
}

fn before_xid(xid: u64) -> Vec<(String, String)> {
    vec![
        setting("recovery_target_xid", &xid.to_string()),
        setting("recovery_target_inclusive", "off"),
    ]
}

/// `zone`: whose clocks it is written as, without an offset.
fn at_time(time: Timestamp, zone: Option<&str>, known: Known<'_>) -> Result<Resolved, String> {
    if known.stepped.abs() > STEADY {
        return Err(format!(
            "the wall clock was set by {:+.1}s since the drill began: a target by time may be any moment",
            known.stepped.as_secs_f64()
        ));
    }
    let since = time.duration_since(known.wall).as_micros();
    let by_us = u64::try_from(since)
        .map_err(|_| format!("{time} is before the drill began: no backup reaches it"))?;
    const WRITTEN: &str = "%Y-%m-%d %H:%M:%S%.6f";
    let text = match zone {
        None => format!("{}+00", time.strftime(WRITTEN)),
        Some(zone) => {
            let zoned = time.in_tz(zone).map_err(|cause| cause.to_string())?;
            zoned.strftime(WRITTEN).to_string()
        }
    };
    Ok(Resolved {
        by_us: Some(by_us),
        ..plain(vec![setting("recovery_target_time", &text)])
    })
}

fn named(name: &str, known: Known<'_>) -> Result<Resolved, String> {
    let point = known.points.iter().find(|(point, _)| point == name);
    let (_, position) = point.ok_or_else(|| format!("there is no restore point `{name}`"))?;
    Ok(Resolved {
        by_lsn: Some(*position),
        ..plain(vec![setting("recovery_target_name", name)])
    })
}

fn before_fault(kind: TargetType, known: Known<'_>) -> Result<Resolved, String> {
    let fault = known.fault.ok_or("there was no fault yet")?;
    let by_lsn = at_lsn(fault.commit_lsn.unwrap_or(fault.lsn), false);
    match kind {
        TargetType::Lsn => Ok(by_lsn),
        TargetType::Xid => {
            let xid = fault.xid.ok_or("the fault is no transaction")?;
            Ok(Resolved {
                settings: before_xid(xid),
                ..by_lsn
            })
        }
    }
}

/// What a restore may begin from.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The backup's name in the strategy.
    pub from: &'a str,
    pub label: Option<&'a str>,
    /// Counted from the newest, which is 1.
    pub nth: Option<u32>,
    /// The stores to look into: the first that has one of use.
    pub stores: &'a [String],
    /// What was taken, oldest first.
    pub taken: &'a [Taken],
    /// What its tool lists, oldest first.
    pub listed: &'a [Listed],
}

/// The newest listed backup that is early enough for the target, or the one of that label, in the
/// first store that has one. Where only a transaction id is known, the oldest: it is early enough
/// if any is.
///
/// # Errors
/// When there is none; the message says which were looked at.
pub fn choose<'a>(
    target: &Target,
    resolved: &Resolved,
    choice: &Choice<'a>,
) -> Result<&'a Listed, String> {
    let of_use = |one: &&Listed| match choice.label {
        Some(label) => one.label == label,
        None => choice.early_enough(one, resolved),
    };
    let chosen = choice.stores.iter().find_map(|store| {
        let stored = choice.listed.iter().filter(|one| one.store == *store);
        let mut usable = stored.filter(of_use);
        match (target, choice.nth) {
            (_, Some(nth)) => usable.nth_back(nth.saturating_sub(1) as usize),
            (Target::Xid(_), None) => usable.next(),
            _other => usable.next_back(),
        }
    });
    chosen.ok_or_else(|| match (choice.label, choice.nth) {
        (Some(label), _) => choice.unlisted(&format!("no backup `{label}`")),
        (None, Some(nth)) => choice.unlisted(&format!("no backup number {nth}, from the newest,")),
        (None, None) => choice.none_reaches(resolved),
    })
}

impl<'a> Choice<'a> {
    /// As it was taken in this drill, if it was.
    fn taken(&self, name: &str) -> Option<&'a Taken> {
        let of = |one: &&Taken| one.record.backup == self.from && one.record.listed.name() == name;
        self.taken.iter().find(of)
    }

    /// A tool may not say where a backup ended: what was known when it was taken counts, too.
    fn early_enough(&self, one: &Listed, resolved: &Resolved) -> bool {
        let taken = self.taken(&one.name());
        let of_taken = taken.and_then(|taken| taken.record.listed.reaches_lsn());
        let reaches = one.reaches_lsn().max(of_taken).unwrap_or_default();
        resolved.can_begin_on(one.timeline)
            && resolved.by_lsn.is_none_or(|by| reaches <= by)
            && resolved
                .by_us
                .is_none_or(|by| taken.is_none_or(|taken| taken.ended_us <= by))
    }

    fn unlisted(&self, missing: &str) -> String {
        let labels = or_none(self.listed.iter().map(Listed::name).collect());
        format!(
            "there is {missing} of `{}` in {}; listed: {labels}",
            self.from,
            self.stores.join(", ")
        )
    }

    fn none_reaches(&self, resolved: &Resolved) -> String {
        let own = self
            .taken
            .iter()
            .filter(|one| one.record.backup == self.from);
        let gone = |name: &String| !self.listed.iter().any(|one| one.name() == *name);
        let gone = own
            .map(|one| one.record.listed.name())
            .filter(gone)
            .map(|name| format!("{name} (no longer in the store)"));
        let late = |one: &Listed| match one.timeline {
            Some(timeline) if !resolved.can_begin_on(one.timeline) => {
                format!("{} (of timeline {timeline})", one.name())
            }
            _reached => format!("{} (too late for the target)", one.name()),
        };
        let late = self
            .listed
            .iter()
            .filter(|one| self.stores.contains(&one.store))
            .map(late);
        let looked = or_none(gone.chain(late).collect());
        format!(
            "no backup of `{}` can reach the target `{}`; looked at: {looked}",
            self.from,
            resolved.show()
        )
    }
}

fn or_none(names: Vec<String>) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}
