//! Judging one drill from its directory: the one place where checks read files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Context, evidence, expect, fault, findings, gate, ledger, objectives, steady_state, steps,
    verifiers,
};
use crate::{
    event::{Event, Moment},
    finding::{Finding, Verdict},
    history::{self, files},
    ledger::{Reader, Record},
    measure::{
        WorkloadMeasures,
        account::{self, Account, Question, Readback},
        boundary::{self, Bounds},
        outage, projected,
        rpo::{self, Rpo},
        rto::{self, Gates},
        story::Story,
        throughput, view,
    },
    scenario::plan::{CheckKind, Plan},
};

/// A drill, judged.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The plan that was performed.
    pub plan: Plan,
    /// The whole history.
    pub events: Vec<Event>,
    /// Everything that was judged.
    pub findings: Vec<Finding>,
    /// Checks that make no sense for this strategy, and why.
    pub not_applicable: BTreeMap<&'static str, String>,
    /// The figures, by workload in the plan's order.
    pub measures: Vec<WorkloadMeasures>,
    /// The tools' own verifiers beside the truth.
    pub trials: Vec<verifiers::Trial>,
    /// The worst finding.
    pub verdict: Verdict,
    /// The verdict held against the expectation.
    pub outcome: expect::Outcome,
}

/// A drill's directory that can't be judged at all.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause} (hint: is this the directory of a drill, `<run>/drills/<drill>`?)")]
pub struct JudgeError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

/// Judges a drill. `declared_empty` tells which tables of a plan's data model may be empty
/// after a restore (unlogged ones).
///
/// # Errors
/// When the plan or the history can't be read. A missing or torn ledger is no error but
/// makes the drill `unknown`.
pub fn judge(
    drill: &Path,
    declared_empty: impl Fn(&Plan) -> Vec<String>,
) -> Result<Judgement, JudgeError> {
    let plan = read_plan(&drill.join(files::PLAN))?;
    let events = history::read(&drill.join(files::HISTORY)).map_err(|error| JudgeError {
        path: error.path,
        cause: error.cause,
    })?;
    let declared_empty = declared_empty(&plan);
    Ok(judge_history(plan, events, drill, declared_empty))
}

fn read_plan(path: &Path) -> Result<Plan, JudgeError> {
    let error = |cause: String| JudgeError {
        path: path.to_owned(),
        cause,
    };
    let text = std::fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
    serde_json::from_str(&text).map_err(|cause| error(cause.to_string()))
}

fn judge_history(
    plan: Plan,
    events: Vec<Event>,
    drill: &Path,
    declared_empty: Vec<String>,
) -> Judgement {
    let story = Story {
        plan: &plan,
        events: &events,
    };
    let context = Context::new(story, declared_empty);
    let gates = gate::gates(&context);
    let books = Books::open(&context, drill, &gates);
    let measures = measures(&context, &books, &gates);
    let (findings, not_applicable) = all_findings(&context, &books, &measures);
    let trials = verifiers::trials(&context, &findings);
    Judgement {
        verdict: Verdict::worst(findings.iter().map(|finding| finding.verdict)),
        outcome: expect::outcome(&findings, &plan.expect),
        findings,
        not_applicable,
        measures,
        trials,
        plan,
        events,
    }
}

fn all_findings(
    context: &Context<'_>,
    books: &Books,
    measures: &[WorkloadMeasures],
) -> (Vec<Finding>, BTreeMap<&'static str, String>) {
    let mut all = steps::check(context);
    all.extend(fault::check(context));
    all.push(steady_state::check(context));
    all.extend(
        measures
            .iter()
            .flat_map(|measures| objectives::check(context, measures)),
    );
    if context.story.plan.checks.contains(&CheckKind::Ledger) {
        all.extend(ledgers(context, books));
    }
    let (compared, not_applicable) = findings(context);
    all.extend(compared);
    all.push(evidence::check(context, &books.files, &books.accounts));
    all.extend(evidence::leak(context));
    (all, not_applicable)
}

fn ledgers(context: &Context<'_>, books: &Books) -> Vec<Finding> {
    let plan = context.story.plan;
    let judged = plan
        .workloads
        .keys()
        .zip(&books.accounts)
        .map(|(name, account)| {
            let trouble = books.trouble();
            if !trouble.is_empty() {
                return context.unknown(format!("ledger.{name}"), trouble);
            }
            let demanded = plan
                .objectives
                .get(name)
                .is_some_and(|one| one.rpo.is_some());
            ledger::check(name, account, demanded)
        });
    judged.collect()
}

/// The ledger balanced against the readback.
struct Books {
    bounds: Vec<Bounds>,
    ready_us: Vec<Option<u64>>,
    accounts: Vec<Account>,
    wal_rate: Option<f64>,
    files: evidence::Files,
}

impl Books {
    fn open(context: &Context<'_>, drill: &Path, gates: &Gates) -> Self {
        let story = &context.story;
        let path = drill.join(files::LEDGER);
        let statement_us = boundary::statement_instant(story.fault(), records(&path));
        let names: Vec<&str> = story.plan.workloads.keys().map(String::as_str).collect();
        let questions: Vec<Question> = names
            .iter()
            .map(|name| Question {
                bounds: Bounds::of(story, name, statement_us),
                ready_us: rto::ready_us(story, name, gates),
            })
            .collect();
        let (readback, readback_trouble) = read_back(context, drill, &names);
        let accounts = account::balance(&questions, records(&path), readback);
        Self {
            bounds: questions.iter().map(|one| one.bounds.clone()).collect(),
            ready_us: questions.iter().map(|one| one.ready_us).collect(),
            accounts,
            wal_rate: projected::wal_rate(story, records(&path)),
            files: evidence::Files {
                ledger: trouble_with(&path),
                readback: readback_trouble,
            },
        }
    }

    /// Why nothing can be said of what was lost; empty when it can.
    fn trouble(&self) -> &str {
        if self.files.ledger.is_empty() {
            &self.files.readback
        } else {
            &self.files.ledger
        }
    }
}

/// The records of a file; none when it can't be opened, which [`trouble_with`] tells.
fn records(path: &Path) -> impl Iterator<Item = Record> {
    Reader::open(path).into_iter().flatten()
}

fn trouble_with(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match Reader::open(path) {
        Err(cause) => format!("`{name}` can't be read: {cause}"),
        Ok(mut reader) => {
            let whole = reader.by_ref().count();
            if reader.torn() {
                return format!("`{name}` is torn after {whole} records");
            }
            String::new()
        }
    }
}

/// The rows read back after the last step, of each workload from the server it ended on;
/// and what is wrong with them.
fn read_back(context: &Context<'_>, drill: &Path, names: &[&str]) -> (Readback, String) {
    let mut all = Readback::default();
    let mut troubles = Vec::new();
    let servers: BTreeSet<&str> = names
        .iter()
        .map(|name| context.story.server_of(name))
        .collect();
    for server in servers {
        let after = view::after(&context.views, server);
        let Some(file) = after.and_then(view::View::readback) else {
            troubles.push(not_read_back(context, server));
            continue;
        };
        let path = drill.join(file);
        troubles.push(trouble_with(&path));
        let lives_here = |index: u8| {
            names
                .get(usize::from(index))
                .is_none_or(|name| context.story.server_of(name) == server)
        };
        all.extend(Readback::collect(records(&path)).only(lives_here));
    }
    troubles.retain(|trouble| !trouble.is_empty());
    (all, troubles.join("; "))
}

fn not_read_back(context: &Context<'_>, server: &str) -> String {
    let selected = context.story.plan.checks.contains(&CheckKind::Ledger);
    let failures = view::after(&context.views, server).map(|view| view.failures.as_slice());
    let error = failures
        .unwrap_or_default()
        .iter()
        .find(|(probe, _)| super::is_of(CheckKind::Ledger, probe));
    match error {
        Some((_, error)) => {
            format!("the workloads' rows on `{server}` were not read back: {error}")
        }
        None if !selected => "the check `ledger` is not selected, so no row was read back".into(),
        None => format!("the workloads' rows on `{server}` were not read back"),
    }
}

fn measures(context: &Context<'_>, books: &Books, gates: &Gates) -> Vec<WorkloadMeasures> {
    let names = context.story.plan.workloads.keys().enumerate();
    names
        .map(|(index, name)| workload(context, books, gates, index, name))
        .collect()
}

fn workload(
    context: &Context<'_>,
    books: &Books,
    gates: &Gates,
    index: usize,
    name: &str,
) -> WorkloadMeasures {
    let (story, plan) = (&context.story, context.story.plan);
    let (account, ready_us) = (&books.accounts[index], books.ready_us[index]);
    let objective = plan.objectives.get(name).and_then(|one| one.rpo);
    let rpo = match books.trouble() {
        "" => rpo::measure(&books.bounds[index], account, objective, plan.scale),
        trouble => Rpo::unknown(trouble, plan.scale),
    };
    let began = story.fault().map(|fault| fault.began_us);
    let end_us = story.workload_end_us(name);
    WorkloadMeasures {
        workload: name.to_owned(),
        rpo,
        rto: rto::measure(story, gates, ready_us, account.first_after_ready_us),
        outage: outage::measure(&account.acks, began, end_us),
        projected: projected::project(plan, books.wal_rate, archiving(context)),
        throughput: throughput::measure(story, name, ready_us),
        ledger: account.tally.clone(),
    }
}

/// Whether the server was seen to archive in its steady state; assumed when not observed.
fn archiving(context: &Context<'_>) -> bool {
    let before = context
        .views
        .iter()
        .find(|view| view.moment == Moment::Before);
    let state = before.and_then(view::View::server_state);
    state.is_none_or(|state| state.archive_mode != "off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{lost_server, oa_alone_moved, salvage};

    #[track_caller]
    fn all_pass(judgement: &Judgement) {
        let bad = judgement
            .findings
            .iter()
            .filter(|one| one.verdict != Verdict::Pass);
        assert_eq!(bad.collect::<Vec<_>>(), Vec::<&Finding>::new());
        assert_eq!(judgement.outcome.verdict, Verdict::Pass);
    }

    #[test]
    fn a_salvage_as_it_must_be_passes() {
        let judgement = salvage().judge();
        all_pass(&judgement);
        let oa = &judgement.measures[1];
        assert_eq!(oa.rpo.measured_us, Some(0));
        assert_eq!(oa.rto.measured_us, Some(10_007_000));
        assert_eq!(
            oa.rto.spans.iter().map(|span| span.us).sum::<u64>(),
            10_007_000
        );
        assert_eq!(judgement.measures[0].outage.measured_us, Some(0));
        assert_eq!(oa.outage.measured_us, Some(10_100_000));
    }

    #[test]
    fn each_server_that_serves_has_a_readback_of_its_own() {
        let tale = oa_alone_moved();
        let judgement = tale.judge();
        let lost = judgement.measures.iter().map(|one| one.ledger.lost);
        assert_eq!(lost.collect::<Vec<_>>(), [3, 4]);
        let dir = tempfile::tempdir().unwrap();
        tale.write(dir.path());
        std::fs::remove_file(dir.path().join("readback-primary")).unwrap();
        let blind = judge(dir.path(), |_plan| vec![]).unwrap();
        let evidence = blind.findings.iter().find(|one| one.id == "evidence");
        let evidence = evidence.unwrap();
        assert_eq!(evidence.verdict, Verdict::Unknown);
        assert!(
            evidence
                .message
                .contains("`readback-primary` can't be read")
        );
    }

    #[test]
    fn a_lost_server_loses_what_was_not_archived() {
        let judgement = lost_server().judge();
        all_pass(&judgement);
        let agent = &judgement.measures[0];
        assert_eq!(agent.rpo.measured_us, Some(300_000));
        assert_eq!((agent.rpo.transactions, agent.ledger.holes), (3, 0));
        assert_eq!(agent.rto.measured_us, Some(9_100_000));
    }
}
