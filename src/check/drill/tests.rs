use super::*;
use crate::check::testing::*;

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
fn a_lost_server_loses_what_was_not_archived() {
    let judgement = lost_server().judge();
    all_pass(&judgement);
    let agent = &judgement.measures[0];
    assert_eq!(agent.rpo.measured_us, Some(300_000));
    assert_eq!((agent.rpo.transactions, agent.ledger.holes), (3, 0));
    assert_eq!(agent.rto.measured_us, Some(9_100_000));
}

/// Bends what was seen of one server.
fn seen_of(
    mut fixture: HistoryFixture,
    of: &str,
    bend: impl Fn(&mut Observation),
) -> HistoryFixture {
    for event in &mut fixture.events {
        if let EventKind::Observed {
            server,
            observation,
            ..
        } = &mut event.kind
            && server == of
        {
            bend(observation);
        }
    }
    fixture
}

fn other_users(seen: &mut Observation) {
    if let Observation::Tables(tables) = seen {
        tables.get_mut("app.users").unwrap().digest = "ff".into();
    }
}

fn without_workload(mut fixture: HistoryFixture, name: &str) -> HistoryFixture {
    let at = fixture.plan.workloads.keys().position(|one| one == name);
    let own = |workload: u8| Some(usize::from(workload)) == at;
    fixture.ledger.retain(|one| !own(one.workload));
    fixture.readback.retain(|one| !own(one.workload));
    fixture.plan.workloads.remove(name);
    fixture.plan.objectives.remove(name);
    let of_it = |kind: &EventKind| match kind {
        EventKind::WorkloadBegan { workload, .. } => workload == name,
        EventKind::Throughput(one) => one.workload == name,
        EventKind::WorkloadEnded(one) => one.workload == name,
        _other => false,
    };
    fixture.without(of_it)
}

#[test]
fn of_two_clusters_one_is_lost_and_the_other_goes_on() {
    for lost in [PRIMARY, ORDERS] {
        let judgement = one_of_two_lost(lost).judge();
        all_pass(&judgement);
        let lost = judgement.measures.iter().map(|one| one.ledger.lost);
        assert_eq!(lost.collect::<Vec<_>>(), [3, 0]);
    }
}

#[test]
fn a_cluster_without_clients_is_judged_by_what_was_seen_of_it() {
    let mut fixture = without_workload(one_of_two_lost(PRIMARY), "oa");
    let judgement = fixture.judge();
    all_pass(&judgement);
    assert_eq!(finding(&judgement, "rows@orders").verdict, Verdict::Pass);
    assert!(judgement.not_applicable.contains_key("client-rows@orders"));
    fixture = without_workload(fixture, "agent");
    let judgement = fixture.judge();
    all_pass(&judgement);
    assert!(judgement.not_applicable.contains_key("ledger"));
}

#[test]
fn the_only_cluster_need_not_be_the_primarys() {
    let judgement = orders_alone_lost().judge();
    all_pass(&judgement);
    assert_eq!(finding(&judgement, "rows@orders").verdict, Verdict::Pass);
}

#[test]
fn what_follows_from_a_finding_follows_from_that_of_its_cluster() {
    let mut fixture = seen_of(one_of_two_lost(ORDERS), REPLACEMENT, |seen| {
        if let Observation::Tables(tables) = seen {
            tables.get_mut("app.users").unwrap().rows = 1;
        }
    });
    for id in ["rows@orders", "digests@orders"] {
        fixture
            .plan
            .expect
            .fail
            .insert(id.into(), "app.users".into());
    }
    let judgement = fixture.judge();
    assert_eq!(finding(&judgement, "rto.agent").follows_from, "rows@orders");
    assert_eq!(judgement.outcome.reasons, Vec::<String>::new());
}

#[test]
fn what_does_not_apply_to_a_cluster_says_of_which() {
    let fixture = one_of_two_lost(PRIMARY).without(|kind| match kind {
        EventKind::BackupTaken(taken) => taken.server == ORDERS,
        EventKind::BackupsListed { cluster, .. } => cluster == ORDERS,
        _other => false,
    });
    let judgement = fixture.judge();
    let not_applicable: Vec<&String> = judgement.not_applicable.keys().collect();
    assert_eq!(not_applicable, ["backups@orders"]);
}

#[test]
fn a_cluster_answers_for_its_own_verifiers_alone() {
    let mut fixture = one_of_two_lost(PRIMARY);
    for event in &mut fixture.events {
        if let EventKind::VerifierSaid(said) = &mut event.kind
            && said.server == ORDERS
        {
            said.good = Some(false);
        }
    }
    expect(&fixture, "verifier@orders", Verdict::Fail, "bad");
}

#[test]
fn a_verifier_is_held_against_the_truth_of_its_own_cluster() {
    let mut fixture = one_of_two_lost(ORDERS);
    fixture = seen_of(fixture, PRIMARY, other_users);
    let judgement = fixture.judge();
    let right = judgement.trials.iter().map(verifiers::Trial::right);
    assert_eq!(right.collect::<Vec<_>>(), [None, Some(true)]);
    let judgement = fixture.failing_at(3, "no").judge();
    let right = judgement.trials.iter().map(verifiers::Trial::right);
    assert_eq!(right.collect::<Vec<_>>(), [None, Some(false)]);
}

/// Every client writes notes without a key: their rows are judged one by one.
#[test]
fn rows_that_are_judged_one_by_one_are_no_truth_about_a_verifier() {
    let mut fixture = lost_server();
    for event in &mut fixture.events {
        match &mut event.kind {
            EventKind::RowsImaged(look) => look.tables[0].whole = true,
            EventKind::Observed {
                moment,
                observation: Observation::Tables(tables),
                ..
            } => {
                let mut notes = tables["app.users"].clone();
                notes.digest = format!("{moment:?}");
                tables.insert("app.notes".into(), notes);
            }
            _other => {}
        }
    }
    let judgement = fixture.judge();
    assert_eq!(finding(&judgement, "digests").verdict, Verdict::Pass);
    assert_eq!(judgement.trials[0].right(), Some(true));
}
