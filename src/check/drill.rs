//! Judging one drill from its directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Context, backups,
    comparison::findings,
    evidence, expect, fault, ledger, objectives,
    reconciliation::{self, Reconciliation},
    recovery, steady_state, steps, verifiers,
};
use crate::{
    event::{Event, Moment},
    finding::{self, Finding, Verdict},
    history::{self, files},
    measure::{
        RecoveryMeasures, WorkloadMeasures,
        clusters::{clusters, plan_of, told_of},
        drill_history::DrillHistory,
        outage, projected,
        recovery::Recovery,
        rpo::{self, Rpo},
        rto::{self, Rto},
        throughput,
    },
    observation::ServerState,
    scenario::plan::{CheckKind, Objectives, PRIMARY, Plan},
};

#[derive(Clone, Debug)]
pub struct Judgement {
    pub plan: Plan,
    pub events: Vec<Event>,
    pub findings: Vec<Finding>,
    /// Checks that make no sense for this strategy, and why.
    pub not_applicable: BTreeMap<String, String>,
    /// The figures, by workload in the plan's order.
    pub measures: Vec<WorkloadMeasures>,
    /// The tools' own verifiers beside the truth.
    pub trials: Vec<verifiers::Trial>,
    pub verdict: Verdict,
    /// The verdict held against the expectation.
    pub outcome: expect::Outcome,
}

/// A drill's directory that can't be judged at all.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause} (hint: is this the directory of a drill, `<run>/drills/<drill>`?)")]
pub struct JudgeError {
    pub path: PathBuf,
    pub cause: String,
}

/// Judges a drill.
///
/// # Errors
/// When the plan or the history can't be read. A missing or torn ledger is no error but
/// makes the drill `unknown`.
pub fn judge(drill: &Path) -> Result<Judgement, JudgeError> {
    let events = history::read(&drill.join(files::HISTORY)).map_err(|error| JudgeError {
        path: error.path,
        cause: error.cause,
    })?;
    let plan = read_plan(&drill.join(files::PLAN))?;
    Ok(judge_history(plan, events, drill))
}

/// The plan of a drill, from its file.
///
/// # Errors
/// When it can't be read, or is none of this format.
pub fn read_plan(path: &Path) -> Result<Plan, JudgeError> {
    let error = |cause: String| JudgeError {
        path: path.to_owned(),
        cause,
    };
    let text = std::fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
    serde_json::from_str(&text).map_err(|cause| error(cause.to_string()))
}

fn judge_history(plan: Plan, events: Vec<Event>, drill: &Path) -> Judgement {
    let clusters = clusters(&plan);
    let mut judged: Vec<OfCluster> = match &clusters[..] {
        [PRIMARY] => vec![of_cluster(DrillHistory::new(&plan, &events), drill)],
        named => named
            .iter()
            .map(|cluster| {
                let (own, told) = (plan_of(&plan, cluster), told_of(&plan, &events, cluster));
                let history = DrillHistory {
                    cluster: Some(cluster),
                    ..DrillHistory::new(&own, &told)
                };
                of_cluster(history, drill)
            })
            .collect(),
    };
    let context = Context::new(DrillHistory::new(&plan, &events));
    let mut all = judged.remove(0);
    if !judged.is_empty() {
        all.reconciliation = Reconciliation::open(&context, drill);
    }
    for one in judged {
        all.findings.extend(one.findings);
        all.measures.extend(one.measures);
        all.not_applicable.extend(one.not_applicable);
        all.trials.extend(one.trials);
    }
    let OfCluster {
        reconciliation,
        mut findings,
        not_applicable,
        mut measures,
        trials,
    } = all;
    of_drill(&context, &reconciliation, &mut findings);
    measures.sort_by(|one, other| one.workload.cmp(&other.workload));
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

/// What is said of one cluster.
struct OfCluster {
    reconciliation: Reconciliation,
    findings: Vec<Finding>,
    not_applicable: BTreeMap<String, String>,
    measures: Vec<WorkloadMeasures>,
    trials: Vec<verifiers::Trial>,
}

fn of_cluster(history: DrillHistory<'_>, drill: &Path) -> OfCluster {
    let mut context = Context::new(history);
    context.made = reconciliation::made(&context, drill);
    context.client_rows = reconciliation::client_rows(&context, drill);
    let reconciliation = Reconciliation::open(&context, drill);
    let measures = context.history.workloads();
    let measures = measures.map(|(at, name)| workload(&context, &reconciliation, at, name));
    let measures: Vec<WorkloadMeasures> = measures.collect();
    let (mut findings, mut not_applicable) = all_findings(&context, &reconciliation, &measures);
    if let Some(cluster) = history.cluster.filter(|cluster| *cluster != PRIMARY) {
        name_cluster(cluster, &mut findings);
        let named = |(id, why): (String, String)| (finding::of_cluster(&id, cluster), why);
        not_applicable = not_applicable.into_iter().map(named).collect();
    }
    OfCluster {
        trials: verifiers::trials(&context),
        reconciliation,
        findings,
        not_applicable,
        measures,
    }
}

/// Has findings say which cluster they are of; those of a workload do by its name.
fn name_cluster(cluster: &str, findings: &mut [Finding]) {
    let common = findings.iter().map(|one| one.id.clone());
    let common: BTreeSet<String> = common.filter(|id| !id.contains('.')).collect();
    let ids = findings
        .iter_mut()
        .flat_map(|one| [&mut one.id, &mut one.follows_from]);
    for id in ids.filter(|id| common.contains(*id)) {
        *id = finding::of_cluster(id, cluster);
    }
}

/// What is said of the drill as a whole.
fn of_drill(context: &Context<'_>, reconciliation: &Reconciliation, findings: &mut Vec<Finding>) {
    let mut first = steps::check(context);
    first.extend(fault::check(context));
    findings.splice(..0, first);
    let (files, accounts) = (&reconciliation.files, &reconciliation.accounts);
    findings.push(evidence::check(context, files, accounts));
    findings.push(evidence::leak(context));
}

fn all_findings(
    context: &Context<'_>,
    reconciliation: &Reconciliation,
    measures: &[WorkloadMeasures],
) -> (Vec<Finding>, BTreeMap<String, String>) {
    let mut all = vec![steady_state::check(context)];
    all.extend(recovery::check(context));
    let objectives = measures.iter().map(|one| objectives::check(context, one));
    all.extend(objectives.flatten());
    if context.history.plan.checks.contains(&CheckKind::Ledger) {
        all.extend(ledgers(context, reconciliation));
    }
    let (compared, mut not_applicable) = findings(context);
    all.extend(compared);
    let of_tools = [
        ("backups", backups::check(context)),
        ("verifier", verifiers::check(context)),
    ];
    for (id, told) in of_tools {
        match told {
            Ok(finding) => all.push(finding),
            Err(why) => {
                not_applicable.insert(id.to_owned(), why);
            }
        }
    }
    (all, not_applicable)
}

fn ledgers(context: &Context<'_>, reconciliation: &Reconciliation) -> Vec<Finding> {
    let plan = context.history.plan;
    let judged = context.history.workloads().map(|(index, name)| {
        let trouble = reconciliation.trouble();
        if !trouble.is_empty() {
            return context.unknown(format!("ledger.{name}"), trouble);
        }
        let demanded = plan
            .objectives
            .get(name)
            .is_some_and(|one| one.rpo.is_some() || one.lost.is_some());
        ledger::check(name, &reconciliation.accounts[index], demanded)
    });
    judged.collect()
}

fn workload(
    context: &Context<'_>,
    reconciliation: &Reconciliation,
    index: usize,
    name: &str,
) -> WorkloadMeasures {
    let (history, plan) = (&context.history, context.history.plan);
    let account = &reconciliation.accounts[index];
    let none = Objectives::default();
    let demanded = plan.objectives.get(name).unwrap_or(&none);
    let recoveries = recoveries(context, reconciliation, index, demanded);
    let rpo = recoveries.iter().map(|one| one.rpo.clone());
    let rto = recoveries.iter().map(|one| one.rto.clone());
    let ready_us = recoveries.last().and_then(|last| last.rto.ready_us);
    WorkloadMeasures {
        workload: name.to_owned(),
        rpo: rpo
            .reduce(|one, other| one.worse(other, demanded.rpo))
            .unwrap_or_else(|| lost(context, reconciliation, index, 0, demanded)),
        rto: rto
            .reduce(|one, other| one.worse(other, demanded.rto))
            .unwrap_or_else(|| Rto::of_no_fault(&plan.human)),
        outage: outage::measure(
            &account.acks,
            history.first_fault_us(),
            history.workload_end_us(name),
        ),
        projected: projected::project(history, reconciliation.wal_rate, steady_server(context)),
        throughput: throughput::measure(history, name, ready_us),
        ledger: account.tally.clone(),
        recoveries: if recoveries.len() > 1 {
            recoveries
        } else {
            Vec::new()
        },
    }
}

fn recoveries(
    context: &Context<'_>,
    reconciliation: &Reconciliation,
    index: usize,
    demanded: &Objectives,
) -> Vec<RecoveryMeasures> {
    let (account, question) = (
        &reconciliation.accounts[index],
        &reconciliation.questions[index],
    );
    let figures = |(at, recovery): (usize, &Recovery<'_>)| {
        let gates = &reconciliation.gates[index][at];
        let (ready_us, first_us) = (question.ready_us[at], account.first_after_ready_us[at]);
        let own = question.boundaries.all.iter().zip(&account.parts);
        let own = own.filter(|(boundary, _)| boundary.recovery == at);
        RecoveryMeasures {
            after: recovery.after(),
            rpo: lost(context, reconciliation, index, at, demanded),
            holes: own.map(|(_, part)| part.holes).sum(),
            rto: rto::measure(&context.history, recovery, gates, ready_us, first_us),
        }
    };
    context.recoveries.iter().enumerate().map(figures).collect()
}

fn lost(
    context: &Context<'_>,
    reconciliation: &Reconciliation,
    index: usize,
    recovery: usize,
    demanded: &Objectives,
) -> Rpo {
    let scale = context.history.plan.scale;
    let (account, boundaries) = (
        &reconciliation.accounts[index],
        &reconciliation.questions[index].boundaries.all,
    );
    match reconciliation.trouble() {
        "" => rpo::measure(boundaries, account, recovery, demanded.rpo, scale),
        trouble => Rpo::unknown(trouble, scale),
    }
}

/// What the server said of itself in its steady state; none when it was not asked.
fn steady_server<'c>(context: &'c Context<'_>) -> Option<&'c ServerState> {
    let mut views = context.views.iter();
    views
        .find(|view| view.moment == Moment::Before)?
        .server_state()
}

#[cfg(test)]
mod tests;
