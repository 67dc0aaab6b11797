//! Projected RPO: what could have been lost at a worse moment than this drill's.
//!
//! WAL leaves the host one segment at a time: when the segment is full, or when
//! `archive_timeout` forces a switch. Until then its content is lost with the host.
//! So the exposure is the smaller of the two times. Never scaled: the WAL rate is work,
//! `archive_timeout` is what was in force, times the scale, and the objective as it is stated.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ledger::{Outcome, Record},
    measure::{drill_history::DrillHistory, rpo::time},
    observation::ServerState,
    scenario::plan::{Action, Nature, Plan, Step, Wal},
    units::Time,
    wal::SegmentSize,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Projected {
    /// The exposure in microseconds; none when unbounded or not known (see `arithmetic`).
    pub us: Option<u64>,
    /// Nothing leaves the host between two full backups.
    pub unbounded: bool,
    /// WAL written in business as usual, in bytes a second; none when not measured.
    pub wal_rate: Option<f64>,
    /// How it comes about, in one line.
    pub arithmetic: String,
}

/// Bytes of WAL a second in business as usual: the growth of the insert position between
/// neighbouring transactions in the same segment. (A forced switch moves the position to
/// the next segment without anything being written, so pairs across segments don't count.)
pub fn wal_rate(history: &DrillHistory<'_>, records: impl Iterator<Item = Record>) -> Option<f64> {
    let (runs, segment) = (history.steady_runs(), history.segment_size());
    let steady = |at: u64| runs.iter().any(|(from, to)| (*from..=*to).contains(&at));
    let usable = |record: &Record| record.outcome == Outcome::Ok && record.lsn != 0;
    let (mut bytes, mut us) = (0u64, 0u64);
    let mut last: Option<Record> = None;
    for record in records
        .filter(usable)
        .filter(|record| steady(record.acked_us))
    {
        let Some(before) = last.replace(record) else {
            continue;
        };
        if record.acked_us < before.acked_us || record.lsn < before.lsn {
            last = Some(before);
        } else if segment.number(record.lsn) == segment.number(before.lsn) {
            bytes += record.lsn - before.lsn;
            us += record.acked_us - before.acked_us;
        }
    }
    (us >= 500_000).then(|| bytes as f64 / (us as f64 / 1e6))
}

/// Projects; `observed` is what the server said of itself in its steady state. Where it was not
/// asked, the plan is taken at its word.
pub fn project(
    history: &DrillHistory<'_>,
    wal_rate: Option<f64>,
    observed: Option<&ServerState>,
) -> Projected {
    let (plan, segment) = (history.plan, history.segment_size());
    let archiving = observed.is_none_or(|state| state.archive_mode != "off");
    let archiving = archiving && plan.strategy.wal != Wal::None;
    if !archiving || !replayable(history) {
        let why = match archiving {
            true => "no physical backup is taken, from which archived WAL could be replayed",
            false => "no WAL is archived",
        };
        return Projected {
            unbounded: true,
            wal_rate,
            arithmetic: format!("{why}: everything since the last backup is lost with the host"),
            ..Projected::default()
        };
    }
    let fill = wal_rate
        .filter(|rate| *rate > 0.0)
        .map(|rate| segment.0 as f64 / rate * 1e6);
    let fill_us = fill.map(|us| us.min(u64::MAX as f64) as u64);
    let (us, arithmetic) = smaller(
        segment,
        fill_us,
        archive_timeout(plan, observed),
        wal_rate.unwrap_or(0.0),
    );
    Projected {
        us,
        unbounded: false,
        wal_rate,
        arithmetic,
    }
}

/// Whether a backup of the cluster is planned from which archived WAL leads on.
fn replayable(history: &DrillHistory<'_>) -> bool {
    let (plan, cluster) = (history.plan, history.first_server());
    let physical = |step: &Step| match &step.action {
        Action::Backup(backup) => {
            let backup = plan.strategy.backups.get(backup.of());
            let nature = backup.map(|backup| backup.tool.abilities().nature);
            nature == Some(Nature::Physical) && plan.cluster_of(&step.server) == cluster
        }
        _other => false,
    };
    plan.steps.iter().any(physical)
}

fn smaller(
    segment: SegmentSize,
    fill_us: Option<u64>,
    forced: Option<Time>,
    rate: f64,
) -> (Option<u64>, String) {
    let fill = fill_us.map(|us| {
        format!(
            "a {} MiB segment fills in {} at the measured {:.1} kB/s of WAL",
            segment.0 >> 20,
            time(us),
            rate / 1000.0
        )
    });
    match (fill_us.zip(fill), forced) {
        (None, None) => (
            None,
            "no `archive_timeout`, and the WAL rate was not measured".into(),
        ),
        (None, Some(forced)) => (
            Some(forced.micros()),
            format!("`archive_timeout` = {forced} switches the segment; WAL rate not measured"),
        ),
        (Some((us, fill)), None) => (
            Some(us),
            format!("{fill}, and no `archive_timeout` forces a switch before"),
        ),
        (Some((us, fill)), Some(forced)) => (
            Some(us.min(forced.micros())),
            format!("{fill}; `archive_timeout` = {forced} switches it at the latest"),
        ),
    }
}

/// `archive_timeout`, never scaled; none when 0 or absent.
fn archive_timeout(plan: &Plan, observed: Option<&ServerState>) -> Option<Time> {
    let time = match observed.and_then(|state| state.archive_timeout) {
        Some(seconds) => Some(Time(Duration::from_secs(seconds) * plan.scale.max(1))),
        None => planned(plan),
    };
    time.filter(|time| time.0 > Duration::ZERO)
}

fn planned(plan: &Plan) -> Option<Time> {
    let own = plan.servers.get(crate::scenario::plan::PRIMARY);
    let text = own
        .and_then(|server| server.settings.get("archive_timeout"))
        .or_else(|| plan.strategy.settings.get("archive_timeout"))?;
    guc_time(text)
}

/// A time as PostgreSQL writes settings: a bare number is seconds for this one, `min` a minute.
fn guc_time(text: &str) -> Option<Time> {
    let text = text.trim().trim_matches('\'').trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Time(Duration::from_secs(seconds)));
    }
    text.replace("min", "m").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{SECOND, salvage};

    fn project(plan: &Plan, rate: Option<f64>, observed: Option<&ServerState>) -> Projected {
        super::project(&DrillHistory::new(plan, &[]), rate, observed)
    }

    fn plan(timeout: Option<&str>) -> Plan {
        let mut plan = salvage().plan;
        plan.strategy.settings.clear();
        if let Some(timeout) = timeout {
            plan.strategy
                .settings
                .insert("archive_timeout".into(), timeout.into());
        }
        plan
    }

    #[test]
    fn the_smaller_of_filling_and_forcing_counts() {
        let kilobyte = Some(1024.0);
        assert_eq!(
            project(&plan(None), kilobyte, None).us,
            Some(16_384 * SECOND)
        );
        assert_eq!(
            project(&plan(Some("60s")), kilobyte, None).us,
            Some(60 * SECOND)
        );
        assert_eq!(project(&plan(Some("60")), None, None).us, Some(60 * SECOND));
        assert_eq!(
            project(&plan(Some("1min")), Some(1e6), None).us,
            Some(16_777_216)
        );
        assert_eq!(project(&plan(Some("0")), None, None).us, None);
        let arithmetic = project(&plan(None), kilobyte, None).arithmetic;
        assert!(
            arithmetic.contains("4h 33m 4s at the measured 1.0 kB/s"),
            "{arithmetic}"
        );
    }

    #[test]
    fn a_server_that_does_not_archive_is_exposed_without_bound() {
        let off = ServerState {
            archive_mode: "off".into(),
            ..ServerState::default()
        };
        assert!(project(&plan(Some("60s")), None, Some(&off)).unbounded);
    }

    #[test]
    fn wal_that_no_backup_can_be_replayed_from_leaves_the_host_for_nothing() {
        let mut plan = plan(Some("60s"));
        let is_backup = |step: &Step| matches!(step.action, Action::Backup(_));
        plan.steps.retain(|step| !is_backup(step));
        let projected = project(&plan, None, None);
        assert!(projected.unbounded, "{projected:?}");
    }

    #[test]
    fn what_is_in_force_counts_whatever_was_planned() {
        let state = |seconds: &str| ServerState {
            archive_mode: "on".into(),
            archive_timeout: seconds.parse().ok(),
            ..ServerState::default()
        };
        let mut scaled = plan(Some("60s"));
        scaled.scale = 30;
        let us = |seconds| project(&scaled, None, Some(&state(seconds))).us;
        assert_eq!(us("2"), Some(60 * SECOND));
        assert_eq!(us("10"), Some(300 * SECOND));
        assert_eq!(us("0"), None);
    }

    #[test]
    fn forced_switches_are_no_wal() {
        let fixture = salvage();
        let history = DrillHistory::new(&fixture.plan, &fixture.events);
        // 100 bytes each tenth of a second, and a switch each second.
        let records = fixture.ledger.iter().map(|record| {
            let tenths = record.acked_us / 100_000;
            Record {
                lsn: tenths / 10 * SegmentSize::DEFAULT.0 + tenths % 10 * 100 + 1,
                ..*record
            }
        });
        let rate = wal_rate(&history, records).unwrap();
        assert!((950.0..1_050.0).contains(&rate), "{rate}");
    }
}
