//! The ledger and what was read back: the one place where checks read files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{Context, evidence, gate};
use crate::{
    event::{BoundaryKind, EventKind, Moment, RestoreRecord},
    history::files,
    ledger::{Key, Outcome, Reader, Record},
    measure::{
        account::{self, Account, Question, Readback, RowVersion},
        boundary::{self, Boundaries},
        drill_history::{DrillHistory, told},
        projected,
        row_images::{Circumstances, Era, Eras, Look, Sets, Writers, balance},
        rto::{self, Gates},
        view::{self, View},
    },
    row_images,
    scenario::plan::{CheckKind, Nature},
};

/// The ledger balanced against the readback; each list is in the plan's order.
pub(super) struct Reconciliation {
    /// What counts as lost, and when it could go on, of each workload.
    pub questions: Vec<Question>,
    /// What the gates of each recovery came to, of each workload.
    pub gates: Vec<Vec<Gates>>,
    pub accounts: Vec<Account>,
    /// WAL in bytes a second; none when the ledger does not tell.
    pub wal_rate: Option<f64>,
    pub files: evidence::Files,
}

impl Reconciliation {
    pub fn open(context: &Context<'_>, drill: &Path) -> Self {
        let (history, recoveries) = (&context.history, &context.recoveries);
        let path = drill.join(files::LEDGER);
        let statements = boundary::statement_instants(history.faults(), records(*history, &path));
        let names: Vec<&str> = history.plan.workloads.keys().map(String::as_str).collect();
        let of_workload = |name: &&str| {
            let gates = recoveries.iter().map(|one| gate::gates(context, one, name));
            let gates: Vec<Gates> = gates.collect();
            let ready_us = recoveries.iter().zip(&gates);
            let ready_us = ready_us.map(|(one, gates)| rto::ready_us(history, one, name, gates));
            let question = Question {
                boundaries: Boundaries::of(history, recoveries, name, &statements),
                ready_us: ready_us.collect(),
            };
            (question, gates)
        };
        let (questions, gates): (Vec<Question>, Vec<Vec<Gates>>) =
            names.iter().map(of_workload).unzip();
        let (readback, readback_trouble) = read_back(context, drill, &names);
        let accounts = account::balance(&questions, records(*history, &path), readback);
        Self {
            questions,
            gates,
            accounts,
            wal_rate: projected::wal_rate(history, records(*history, &path)),
            files: evidence::Files {
                ledger: trouble_with(&path, None),
                readback: readback_trouble,
            },
        }
    }

    /// Why nothing can be said of what was lost; empty when it can.
    pub fn trouble(&self) -> &str {
        if self.files.ledger.is_empty() {
            &self.files.readback
        } else {
            &self.files.ledger
        }
    }
}

/// Of the changes that an audit trail alone tells of, those that the ledger says were tried
/// and not refused.
pub(super) fn made(context: &Context<'_>, drill: &Path) -> BTreeSet<RowVersion> {
    let trails = context.views.iter().filter_map(View::audit);
    let told = trails.flat_map(|audit| &audit.unfounded.first);
    let told: BTreeSet<RowVersion> = told
        .filter_map(|change| Some((Key(change.key?), change.version)))
        .collect();
    if told.is_empty() {
        return told;
    }
    records(context.history, &drill.join(files::LEDGER))
        .filter(|record| record.outcome != Outcome::Fail)
        .map(|record| (record.key, record.version))
        .filter(|change| told.contains(change))
        .collect()
}

/// What became of the rows that clients left in every table; none where no step could have
/// harmed them.
pub(super) fn client_rows(
    context: &Context<'_>,
    drill: &Path,
) -> Result<Option<BTreeMap<String, Sets>>, String> {
    let history = &context.history;
    let needed = history.plan.checks.contains(&CheckKind::ClientRows)
        && !history.plan.workloads.is_empty()
        && history
            .plan
            .steps
            .iter()
            .any(|step| step.action.may_harm_rows());
    if !needed {
        return Ok(None);
    }
    if let Some(why) = missed(history) {
        return Err(why);
    }
    let before = looks(context, drill, Moment::Before)?;
    let after = looks(context, drill, Moment::After)?;
    let names: Vec<&str> = history.plan.workloads.keys().map(String::as_str).collect();
    let servers: Vec<&str> = names.iter().map(|name| history.server_of(name)).collect();
    let unseen = |server: &&&str| after.iter().all(|look| look.record.server != ***server);
    if before.is_empty() {
        return Err("the rows that clients wrote were not looked at before a fault".into());
    }
    let mut own = history.workloads().map(|(index, _)| &servers[index]);
    if let Some(server) = own.find(unseen) {
        let what = "rows that clients wrote were not looked at after the last step";
        return Err(format!("{what} on `{server}`"));
    }
    let ledger = drill.join(files::LEDGER);
    let (there, trouble) = read_back(context, drill, &names);
    let troubles = [trouble_with(&ledger, None), trouble];
    if let Some(trouble) = troubles.into_iter().find(|trouble| !trouble.is_empty()) {
        return Err(trouble);
    }
    let row = |key| there.version_and_xid(key);
    let writers = Writers::of(
        || records(context.history, &ledger),
        row,
        &eras(history, &names),
    );
    for (index, name) in history.workloads() {
        let held = writers.acknowledged(index as u8);
        if let Some(short) = evidence::short_of(context, name, held) {
            return Err(short);
        }
    }
    let circumstances = circumstances(context, servers);
    Ok(Some(balance(&before, &after, &writers, &circumstances)))
}

/// When each workload's clients found themselves on another server, or a restored one, or their rows as they
/// were in a dump: what came before is not proved by what they write then.
fn eras<'a>(history: &DrillHistory<'a>, names: &[&str]) -> Eras<'a> {
    let restored = history.restores().filter(|(_, restore)| !restore.scratch);
    let restored = restored.map(|(at_us, _)| at_us);
    let restored: Vec<u64> = restored.chain(history.salvaged_from_dumps()).collect();
    let of_workload = |(index, name): (usize, &&str)| {
        let moves = history.cut_overs();
        let moves = moves.filter(|moved| moved.workloads.iter().any(|one| one == name));
        let since = moves
            .map(|moved| moved.at_us)
            .chain(restored.clone())
            .chain([0]);
        let era = |since_us| Era {
            workload: index as u8,
            since_us,
            server: history.server_before(name, Some(since_us + 1)),
        };
        since.map(era).collect::<Vec<_>>()
    };
    let mut all: Vec<Era<'_>> = names.iter().enumerate().flat_map(of_workload).collect();
    all.sort_by_key(|era| era.since_us);
    let last_fault_us = history.faults().map(|fault| fault.ended_us).max();
    let after_it = |(at_us, restore): &(u64, &RestoreRecord)| {
        !restore.scratch && last_fault_us.is_some_and(|fault| *at_us > fault)
    };
    Eras {
        all,
        ways: names.iter().map(|name| history.way_of(name, 0)).collect(),
        first_fault_us: history.first_fault_us(),
        last_fault_us,
        cut_off: (history.faults().last()).is_some_and(|one| {
            one.boundary == BoundaryKind::Instant || one.fault.facts().ends_sessions()
        }),
        next_xid: history
            .restores()
            .find(after_it)
            .map(|(_, one)| one.next_xid as u32),
        reached: reached(history),
    }
}

/// When and how far the only server was restored that may serve, where WAL led it there.
fn reached(history: &DrillHistory<'_>) -> Option<(u64, u64)> {
    let mut real = history.restores().filter(|(_, one)| !one.scratch);
    let (at_us, only) = real.next().filter(|_| real.next().is_none())?;
    let physical = only.nature == Nature::Physical && only.reached_lsn > 0;
    physical.then_some((at_us, only.reached_lsn))
}

fn circumstances<'a>(context: &Context<'a>, servers: Vec<&'a str>) -> Circumstances<'a> {
    let history = &context.history;
    let salvaged = told!(history.events, EventKind::Salvaged { tables, .. }
        => tables.iter().map(|table| table.table.as_str()));
    Circumstances {
        servers,
        serving: history.serving(),
        salvaged: salvaged.flatten().collect(),
        fault_xids: history
            .faults()
            .filter_map(|fault| Some(fault.xid? as u32))
            .collect(),
        emptied: history.crashed() || history.restores().next().is_some(),
        logical: history.is_logical(history.serving(), u64::MAX),
    }
}

/// The looks at rows of a moment that left images, with the images.
fn looks<'a>(context: &Context<'a>, drill: &Path, moment: Moment) -> Result<Vec<Look<'a>>, String> {
    let history = &context.history;
    let first_fault_us = history.first_fault_us().unwrap_or(u64::MAX);
    let wanted = history
        .looks_at_rows()
        .filter(|(_, look)| look.moment == moment);
    let read = wanted
        .filter(|(_, look)| look.error.is_empty())
        .map(|(at_us, look)| {
            let images = row_images::read(&drill.join(&look.file), look.rows);
            let images =
                images.map_err(|cause| format!("`{}` can't be read: {cause}", look.file))?;
            Ok(Look {
                record: look,
                images,
                ended_us: at_us,
                until_us: history.step_end_us(at_us),
                before_faults: at_us <= first_fault_us,
                restored_us: history.restored_us(&look.server, at_us),
                damaged: damaged(history, &look.server, at_us),
            })
        });
    read.collect()
}

/// What faults had hit on a server by an instant.
fn damaged<'a>(history: &DrillHistory<'a>, server: &str, at_us: u64) -> BTreeSet<&'a str> {
    let hit = history.faults();
    let hit = hit.filter(|fault| fault.server == server && fault.began_us <= at_us);
    hit.map(|fault| fault.target.as_str()).collect()
}

/// Why rows may have been harmed that nobody had looked at: a look before a step failed, and not
/// because a fault had the server down.
fn missed(history: &DrillHistory<'_>) -> Option<String> {
    let mut looks = history.looks_at_rows();
    let (_, look) = looks.find(|(at_us, look)| {
        let failed = look.moment == Moment::Before && !look.error.is_empty();
        failed && !history.is_down(&look.server, *at_us)
    })?;
    Some(format!(
        "the rows that clients wrote could not be looked at before a step on `{}`: {}",
        look.server, look.error
    ))
}

/// The records of a file; none when it can't be opened, which [`trouble_with`] tells.
/// Of the workloads that the history is of.
fn records<'a>(history: DrillHistory<'a>, path: &Path) -> impl Iterator<Item = Record> + use<'a> {
    let all = Reader::open(path).into_iter().flatten();
    let own: BTreeSet<usize> = history.workloads().map(|(index, _)| index).collect();
    all.filter(move |record| own.contains(&usize::from(record.workload)))
}

/// What is wrong with a file of records, `stated` of which it must hold if that is known;
/// empty: nothing.
fn trouble_with(path: &Path, stated: Option<u64>) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match Reader::open(path) {
        Err(cause) => format!("`{name}` can't be read: {cause}"),
        Ok(mut reader) => {
            let whole = reader.by_ref().count() as u64;
            if reader.torn() {
                return format!("`{name}` is torn after {whole} records");
            }
            match stated.filter(|stated| *stated != whole) {
                Some(rows) => format!("{rows} rows were read back, and their file holds {whole}"),
                None => String::new(),
            }
        }
    }
}

/// The rows read back after the last step, of each workload from the server it ended on;
/// and what is wrong with them.
fn read_back(context: &Context<'_>, drill: &Path, names: &[&str]) -> (Readback, String) {
    let mut all = Readback::default();
    let mut troubles = Vec::new();
    let own = context.history.workloads();
    let servers: BTreeSet<&str> = own
        .map(|(_, name)| context.history.server_of(name))
        .collect();
    for server in servers {
        let after = view::after(&context.views, server);
        let Some((file, rows)) = after.and_then(view::View::readback) else {
            troubles.push(not_read_back(context, server));
            continue;
        };
        let path = drill.join(file);
        troubles.push(trouble_with(&path, Some(rows)));
        let lives_here = |index: u8| {
            names
                .get(usize::from(index))
                .is_none_or(|name| context.history.server_of(name) == server)
        };
        all.extend(Readback::collect(records(context.history, &path)).only(lives_here));
    }
    troubles.retain(|trouble| !trouble.is_empty());
    (all, troubles.join("; "))
}

fn not_read_back(context: &Context<'_>, server: &str) -> String {
    let selected = context.history.plan.checks.contains(&CheckKind::Ledger);
    let failures = view::after(&context.views, server).map(|view| view.failures.as_slice());
    let error = failures
        .unwrap_or_default()
        .iter()
        .find(|(probe, _)| probe.serves(CheckKind::Ledger));
    match error {
        Some((_, error)) => {
            format!("the workloads' rows on `{server}` were not read back: {error}")
        }
        None if !selected => "the check `ledger` is not selected, so no row was read back".into(),
        None => format!("the workloads' rows on `{server}` were not read back"),
    }
}

#[cfg(test)]
mod tests {
    use super::eras;
    use crate::{
        check::{Context, judge, testing::*},
        ledger::RECORD,
        measure::drill_history::DrillHistory,
    };

    #[test]
    fn answers_are_lost_until_the_fault_has_struck() {
        let fixture = lost_server();
        let (plan, events) = (&fixture.plan, &fixture.events);
        let context = Context::new(DrillHistory::new(plan, events));
        let fault = context.history.faults().last().unwrap();
        assert!(fault.began_us < fault.ended_us);
        let eras = eras(&context.history, &["agent", "oa"]);
        assert_eq!(eras.last_fault_us, Some(fault.ended_us));
    }

    #[test]
    fn each_server_that_serves_has_a_readback_of_its_own() {
        let fixture = oa_alone_moved();
        let judgement = fixture.judge();
        let lost = judgement.measures.iter().map(|one| one.ledger.lost);
        assert_eq!(lost.collect::<Vec<_>>(), [3, 4]);
        let dir = tempfile::tempdir().unwrap();
        fixture.write(dir.path());
        std::fs::remove_file(dir.path().join("readback-primary")).unwrap();
        let blind = judge(dir.path()).unwrap();
        let evidence = finding(&blind, "evidence");
        assert_eq!(evidence.verdict, Verdict::Unknown);
        assert!(
            evidence
                .message
                .contains("`readback-primary` can't be read")
        );
    }

    #[test]
    fn a_readback_that_ends_early_is_no_evidence() {
        let dir = tempfile::tempdir().unwrap();
        salvage().write(dir.path());
        let path = dir.path().join("readback-primary");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - RECORD]).unwrap();
        let judgement = judge(dir.path()).unwrap();
        let evidence = finding(&judgement, "evidence");
        assert_eq!(evidence.verdict, Verdict::Unknown);
        let why = "rows were read back, and their file holds ";
        assert!(evidence.message.contains(why), "{}", evidence.message);
    }
}
