//! Restores and promotions, with the figures of the recovery that each is part of.

use jiff::Timestamp;
use serde::Serialize;

use super::{OfDrill, Status, Told, seconds};
use crate::{
    event::{RestoreRecord, StepOutcome},
    measure::{
        WorkloadMeasures,
        clusters::{clusters, told_of},
        drill_history::{DrillHistory, StepTold},
        recovery,
        rpo::Rpo,
        rto::Rto,
    },
    postgres::lsn,
    scenario::plan::{Action, Nature, Restore, Target, TargetType},
};

/// A row of `recovery_history`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecoveryRow {
    #[serde(flatten)]
    pub of: OfDrill,
    /// The step's number, from 1.
    pub step: usize,
    /// Empty where the server's cluster has none.
    pub workload: String,
    pub server: String,
    /// Label of the backup; none of a promotion.
    pub backup: Option<String>,
    pub store: Option<String>,
    /// As it was given to the server.
    pub target: Option<String>,
    pub recovery_type: &'static str,
    pub target_time: Option<Timestamp>,
    pub target_lsn: Option<String>,
    pub start_time: Timestamp,
    pub end_time: Option<Timestamp>,
    pub duration_seconds: Option<f64>,
    pub status: Status,
    pub rto_seconds: Option<f64>,
    pub rpo_seconds: Option<f64>,
}

/// Every restore and promotion that began, for each workload of its cluster.
pub(super) fn recoveries(told: &Told<'_>) -> Vec<RecoveryRow> {
    let history = DrillHistory::new(told.plan, told.events);
    let steps = history.steps().into_iter();
    let rows = steps.filter_map(|step| row(told, &history, &step));
    rows.flat_map(|(row, began_us)| for_each_workload(told, row, began_us))
        .collect()
}

/// A restore as it is whatever the workload, with when it began; none of one that was not tried.
fn row(
    told: &Told<'_>,
    history: &DrillHistory<'_>,
    step: &StepTold<'_>,
) -> Option<(RecoveryRow, u64)> {
    let action = &told.plan.steps[step.index].action;
    let (server, recovery_type) = match action {
        Action::Restore(restore) => (&restore.into, recovery_type(told, restore)),
        Action::Promote(standby) => (standby, "promotion"),
        _other => return None,
    };
    let began_us = step.began_us?;
    let mut restores = history.restores();
    let record = restores.find(|(at_us, one)| step.holds(*at_us) && one.server == *server);
    let record = record.map(|(_, record)| record);
    let asked = action.restore().map(|restore| &restore.target);
    let row = RecoveryRow {
        of: told.of.clone(),
        step: step.index + 1,
        workload: String::new(),
        server: server.clone(),
        backup: record.and_then(|one| stated(&one.backup)),
        store: record.and_then(|one| stated(&one.store)),
        target: record.map(|one| one.target.clone()),
        recovery_type,
        target_time: target_time(asked, record),
        target_lsn: target_lsn(asked, record),
        start_time: told.wall(began_us),
        end_time: step.ended_us.map(|at_us| told.wall(at_us)),
        duration_seconds: step
            .ended_us
            .map(|at_us| seconds(at_us.saturating_sub(began_us))),
        status: match step.outcome {
            Some(StepOutcome::Done) => Status::Success,
            Some(StepOutcome::Failed(_)) => Status::Failed,
            Some(StepOutcome::Skipped) => return None,
            None => Status::Unknown,
        },
        rto_seconds: None,
        rpo_seconds: None,
    };
    Some((row, began_us))
}

fn stated(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What its target is told by; a logical backup has none but its snapshot.
fn recovery_type(told: &Told<'_>, restore: &Restore) -> &'static str {
    let backup = told.plan.strategy.backups.get(restore.from());
    if backup.is_some_and(|backup| backup.tool.abilities().nature == Nature::Logical) {
        return "logical";
    }
    match &restore.target {
        Target::Latest => "latest",
        Target::Immediate => "immediate",
        Target::Time(_) | Target::Before { by: Some(_), .. } => "time",
        Target::Lsn(_) => "lsn",
        Target::Xid(_) => "xid",
        Target::Name(_) => "name",
        Target::Before { by: None, kind, .. } => match kind {
            TargetType::Lsn => "lsn",
            TargetType::Xid => "xid",
        },
    }
}

/// A target's setting as it was given to the server.
fn setting<'r>(record: Option<&'r RestoreRecord>, name: &str) -> Option<&'r str> {
    let (first, rest) = record?.target.split_once(" = ")?;
    (first == name).then(|| rest.split_once(", ").map_or(rest, |(value, _)| value))
}

/// None where it was written without an offset: which instant that is only the server knows.
fn target_time(asked: Option<&Target>, record: Option<&RestoreRecord>) -> Option<Timestamp> {
    match asked {
        Some(Target::Time(text)) => text.parse().ok(),
        _other => setting(record, "recovery_target_time")?.parse().ok(),
    }
}

fn target_lsn(asked: Option<&Target>, record: Option<&RestoreRecord>) -> Option<String> {
    let text = match asked {
        Some(Target::Lsn(text)) => text,
        _other => setting(record, "recovery_target_lsn")?,
    };
    lsn::parse(text).map(lsn::show)
}

fn for_each_workload(told: &Told<'_>, row: RecoveryRow, began_us: u64) -> Vec<RecoveryRow> {
    let cluster = told.plan.cluster_of(&row.server);
    let place = place_of_recovery(told, cluster, began_us);
    let own = |one: &&WorkloadMeasures| told.plan.cluster_of_workload(&one.workload) == cluster;
    let measured = told.measures.iter().filter(own).map(|measures| {
        let figures = place.and_then(|place| figures(measures, place));
        let (rpo, rto) = figures.unzip();
        RecoveryRow {
            workload: measures.workload.clone(),
            rto_seconds: rto.and_then(|rto| rto.measured_us).map(seconds),
            rpo_seconds: rpo.and_then(Rpo::scaled_us).map(seconds),
            ..row.clone()
        }
    });
    let measured: Vec<RecoveryRow> = measured.collect();
    match measured.is_empty() {
        true => vec![row],
        false => measured,
    }
}

/// Among the recoveries of a cluster, the one that was going on at an instant; none: nothing had
/// happened yet that is recovered from.
fn place_of_recovery(told: &Told<'_>, cluster: &str, at_us: u64) -> Option<usize> {
    let events = told_of(told.plan, told.events, cluster);
    let history = DrillHistory {
        cluster: (clusters(told.plan).len() > 1).then_some(cluster),
        ..DrillHistory::new(told.plan, &events)
    };
    let all = recovery::recoveries(&history);
    all.iter().rposition(|one| one.holds(at_us))
}

/// A workload's figures in a recovery; several are told each by itself.
fn figures(measures: &WorkloadMeasures, place: usize) -> Option<(&Rpo, &Rto)> {
    match measures.recoveries.as_slice() {
        [] => Some((&measures.rpo, &measures.rto)),
        each => each.get(place).map(|one| (&one.rpo, &one.rto)),
    }
}
