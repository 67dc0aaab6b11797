//! Policies and backups.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{OfDrill, Status, Told, seconds};
use crate::{
    event::{BackupRecord, Event, EventKind, StepOutcome},
    measure::drill_history::{DrillHistory, StepTold, told},
    postgres::lsn,
    scenario::plan::{Action, BackupKind, BackupPlan, BackupStep},
    units::Time,
};

const DAY: f64 = 86_400.0;

/// A row of `backup_policies`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupPolicyRow {
    #[serde(flatten)]
    pub of: OfDrill,
    /// The backup's name in the strategy.
    pub policy_name: String,
    pub backup_type: &'static str,
    /// None: for ever.
    pub retention_days: Option<f64>,
    /// Strategies state none yet.
    pub schedule_cron: Option<String>,
    pub enabled: bool,
}

/// A row of `backup_history`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupRow {
    #[serde(flatten)]
    pub of: OfDrill,
    pub event: u64,
    pub server: String,
    pub policy_name: String,
    pub store: Option<String>,
    pub backup_type: &'static str,
    pub start_lsn: Option<String>,
    pub end_lsn: Option<String>,
    pub backup_path: Option<String>,
    pub backup_size_bytes: Option<u64>,
    pub duration_seconds: f64,
    pub status: Status,
    pub created_at: Timestamp,
}

/// Of each backup of the strategy the kinds that the drill takes; the one that its tool takes where
/// nobody says which, if it takes none.
pub(super) fn policies(told: &Told<'_>) -> Vec<BackupPolicyRow> {
    let all = told.plan.strategy.backups.iter();
    let rows = all.flat_map(|(name, backup)| {
        let taken = taken(told, name, backup);
        let enabled = !taken.is_empty();
        let kinds = match enabled {
            true => taken,
            false => BTreeSet::from([first_kind(backup).word()]),
        };
        kinds.into_iter().map(move |backup_type| BackupPolicyRow {
            of: told.of.clone(),
            policy_name: name.clone(),
            backup_type,
            retention_days: backup.keep.map(|Time(keep)| keep.as_secs_f64() / DAY),
            schedule_cron: None,
            enabled,
        })
    });
    rows.collect()
}

fn first_kind(backup: &BackupPlan) -> BackupKind {
    let kinds = backup.tool.abilities().kinds;
    kinds.first().copied().unwrap_or_default()
}

/// The kinds that steps take of a backup.
fn taken(told: &Told<'_>, name: &str, backup: &BackupPlan) -> BTreeSet<&'static str> {
    let steps = told.plan.steps.iter();
    let own = steps.filter_map(|step| match &step.action {
        Action::Backup(own) if own.of() == name => own.kind().or_else(|| Some(first_kind(backup))),
        _other => None,
    });
    own.map(BackupKind::word).collect()
}

/// What was taken, and what failed, in order.
pub(super) fn backups(told: &Told<'_>) -> Vec<BackupRow> {
    let taken = told!(told.events, event, EventKind::BackupTaken(record)
        => success(told, event, record));
    let history = DrillHistory::new(told.plan, told.events);
    let steps = history.steps();
    let failed = told!(told.events, event, EventKind::StepEnded {
        step, outcome: StepOutcome::Failed(_)
    } => failure(told, event, steps.get(*step)?)?);
    let mut all: Vec<BackupRow> = taken.chain(failed).collect();
    all.sort_by_key(|row| row.event);
    all
}

fn success(told: &Told<'_>, event: &Event, record: &BackupRecord) -> BackupRow {
    let listed = &record.listed;
    let lsn = |lsn: Option<u64>| lsn.map(lsn::show);
    let plan = told.plan.strategy.backups.get(&record.backup);
    let paths = plan.map(|plan| plan.tool.paths(&listed.label));
    BackupRow {
        of: told.of.clone(),
        event: event.seq,
        server: record.server.clone(),
        policy_name: record.backup.clone(),
        store: Some(listed.store.clone()),
        backup_type: listed.kind.word(),
        start_lsn: lsn(listed.start_lsn),
        end_lsn: lsn(listed.reaches_lsn()),
        // A backup's own is the last: what lies beside it comes before.
        backup_path: paths.and_then(|paths| paths.last().cloned()),
        backup_size_bytes: Some(listed.bytes),
        duration_seconds: seconds(taken_us(told, event, record)),
        status: Status::Success,
        created_at: told.wall(event.at_us),
    }
}

/// How long it took until it was in every store: all are told after that, one after the other.
fn taken_us(told: &Told<'_>, event: &Event, record: &BackupRecord) -> u64 {
    let mut same = told!(told.events, event, EventKind::BackupTaken(one)
        if one.began_us == record.began_us && one.server == record.server => event.at_us);
    let first = same.next().unwrap_or(event.at_us);
    first.saturating_sub(record.began_us)
}

fn failure(told: &Told<'_>, event: &Event, ended: &StepTold<'_>) -> Option<BackupRow> {
    let step = &told.plan.steps[ended.index];
    let Action::Backup(backup) = &step.action else {
        return None;
    };
    let began_us = ended.began_us?;
    Some(BackupRow {
        of: told.of.clone(),
        event: event.seq,
        server: step.server.clone(),
        policy_name: backup.of().to_owned(),
        store: None,
        backup_type: kind(told, backup).word(),
        start_lsn: None,
        end_lsn: None,
        backup_path: None,
        backup_size_bytes: None,
        duration_seconds: seconds(event.at_us.saturating_sub(began_us)),
        status: Status::Failed,
        created_at: told.wall(event.at_us),
    })
}

fn kind(told: &Told<'_>, backup: &BackupStep) -> BackupKind {
    let plan = told.plan.strategy.backups.get(backup.of());
    let first = || plan.map(first_kind).unwrap_or_default();
    backup.kind().unwrap_or_else(first)
}
