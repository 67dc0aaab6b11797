//! The clusters of a drill: servers that share no data, each with its own backups, WAL and workloads.
//! Each is judged by what was told of it alone. A cluster is called as its first server is.

use std::collections::BTreeSet;

use crate::{
    event::{Event, EventKind},
    scenario::plan::{PRIMARY, Plan},
};

/// The clusters that have databases of the scenario, the primary's first.
pub fn clusters(plan: &Plan) -> Vec<&str> {
    let servers = plan.databases.values().map(|one| one.server.as_str());
    let servers: BTreeSet<&str> = servers.collect();
    let (first, others): (Vec<_>, Vec<_>) = servers.into_iter().partition(|one| *one == PRIMARY);
    [first, others].concat()
}

/// The plan as far as it is to be judged of one of several, without the checks that its data models
/// have nothing for.
pub fn plan_of(plan: &Plan, cluster: &str) -> Plan {
    let mut own = plan.clone();
    own.checks.retain(|check| !plan.lacks(cluster, *check));
    own
}

/// What was told of one of several, or of none.
pub fn told_of(plan: &Plan, events: &[Event], cluster: &str) -> Vec<Event> {
    let own = |server: &str| plan.cluster_of(server) == cluster;
    let told = events.iter().filter(|event| is_of(&event.kind, own));
    told.cloned().collect()
}

/// What names no server is of all. So is a fault: of another cluster it must take nothing.
fn is_of(kind: &EventKind, own: impl Fn(&str) -> bool) -> bool {
    match kind {
        EventKind::ServerReady { server, .. }
        | EventKind::Observed { server, .. }
        | EventKind::ProbeFailed { server, .. }
        | EventKind::ServerLogRead { server, .. }
        | EventKind::BackupsListed {
            cluster: server, ..
        }
        | EventKind::RetentionApplied {
            cluster: server, ..
        }
        | EventKind::Salvaged { into: server, .. }
        | EventKind::CutOver { to: server, .. } => own(server),
        EventKind::Command(one) => own(&one.node),
        EventKind::NodeStats(one) => own(&one.node),
        EventKind::WalPosition(one) => own(&one.server),
        EventKind::BackupTaken(one) => own(&one.server),
        EventKind::Recovered(one) => own(&one.server),
        EventKind::Restored(one) => own(&one.server),
        EventKind::RowsImaged(one) => own(&one.server),
        EventKind::ServerLog(one) => own(&one.server),
        EventKind::VerifierSaid(one) => own(&one.server),
        EventKind::ObjectStoreServed(one) => own(&one.cluster),
        EventKind::DrillStarted { .. }
        | EventKind::Environment { .. }
        | EventKind::PhaseBegan { .. }
        | EventKind::StepBegan { .. }
        | EventKind::StepEnded { .. }
        | EventKind::Spent(_)
        | EventKind::Progress { .. }
        | EventKind::DataLoaded { .. }
        | EventKind::WorkloadBegan { .. }
        | EventKind::Throughput(_)
        | EventKind::WorkloadEnded(_)
        | EventKind::FaultInjected(_)
        | EventKind::Frozen { .. }
        | EventKind::Thawed { .. }
        | EventKind::ErrorsExpected { .. }
        | EventKind::ErrorsOver { .. }
        | EventKind::Withheld
        | EventKind::Note { .. }
        | EventKind::DrillEnded { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::salvage;

    #[test]
    fn of_another_cluster_only_its_faults_are_told() {
        let mut fixture = salvage();
        assert_eq!(clusters(&fixture.plan), [PRIMARY]);
        let mut shop = fixture.plan.databases["postgres"].clone();
        shop.server = "orders".into();
        fixture.plan.databases.insert("shop".into(), shop);
        assert_eq!(clusters(&fixture.plan), [PRIMARY, "orders"]);
        let told = |cluster| told_of(&fixture.plan, &fixture.events, cluster);
        assert_eq!(told(PRIMARY), fixture.events);
        let names = |event: &&Event| !is_of(&event.kind, |_server| false);
        assert_eq!(told("orders").iter().find(names), None);
        let fault = |event: &Event| matches!(event.kind, EventKind::FaultInjected(_));
        assert!(told("orders").iter().any(fault));
    }
}
