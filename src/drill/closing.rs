//! Looking at a server, ending the clients, and removing everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    expected_errors::by_look,
    state::{Drill, StepError},
};
use crate::{
    backup::WalArchive,
    event::{Cause, EventKind, Moment, ObjectStoreRecord},
    model::Model,
    observation::{Observation, Probe},
    postgres::{Access, Server},
    probe::{
        self, ProbeTarget,
        audit::Trail,
        business::{Operation, Tenants},
    },
    scenario::{
        self,
        model::{BusinessCheck, Expectation},
        plan::{CheckKind, Plan},
    },
    workload::readback,
};

impl Drill {
    /// Has the probes that these checks need look at a server.
    pub async fn look(&mut self, moment: Moment, name: &str, kinds: &[CheckKind]) {
        let Some(server) = self.servers.get(name).cloned() else {
            return;
        };
        let cluster = self.plan.cluster_of(name);
        let has = |kind: &CheckKind| !self.plan.lacks(cluster, *kind);
        let kinds: Vec<CheckKind> = kinds.iter().copied().filter(has).collect();
        if let Err(error) = self.probe(moment, &server, &kinds).await {
            self.could_not_look(moment, name, Probe::All, &error);
        }
        let read_back = |kind: &CheckKind| Probe::needed_by(*kind).contains(&Probe::Readback);
        if moment == Moment::After && kinds.iter().any(read_back) {
            self.read_back(&server).await;
        }
    }

    async fn probe(
        &mut self,
        moment: Moment,
        server: &Server,
        kinds: &[CheckKind],
    ) -> Result<(), StepError> {
        let cluster = self.plan.cluster_of(&server.name);
        let models = self.models(cluster)?;
        let operations = |model| operations(model, &self.plan);
        let business: Vec<Operation> = models.iter().flat_map(operations).collect();
        let access = server.access().await?.within(self.plan.home(cluster));
        self.expect_errors(Cause::Look, by_look(&server.name, &business));
        let archive = self.plan.strategy.archive();
        let target = self.target(server, access, &models, &business, archive.as_ref());
        probe::observe(moment, &target, kinds, &self.recorder).await;
        self.errors_over(Cause::Look);
        Ok(())
    }

    fn target<'t>(
        &'t self,
        server: &'t Server,
        access: Access,
        models: &'t [Model],
        business: &'t [Operation],
        archive: Option<&'t WalArchive>,
    ) -> ProbeTarget<'t> {
        ProbeTarget {
            server: &server.name,
            access,
            passwords: &self.passwords,
            node: &server.node,
            archive,
            mirrors: self.stores_of(&server.name).mirrors(),
            business,
            plan: &self.plan,
            audit: models
                .iter()
                .filter_map(|model| self.trail(model))
                .collect(),
            fault_xids: self.faults.transactions(&server.name),
        }
    }

    fn trail<'t>(&self, model: &'t Model) -> Option<Trail<'t>> {
        let audit = model.manifest.audit.as_ref()?;
        Some(Trail {
            database: &model.database,
            audit,
            tables: (audit.tables.iter())
                .filter_map(|table| model.manifest.live_table(table))
                .collect(),
            nonce: self.nonce,
        })
    }

    fn could_not_look(
        &self,
        moment: Moment,
        server: &str,
        probe: Probe,
        error: &dyn std::fmt::Display,
    ) {
        self.recorder.record(EventKind::ProbeFailed {
            moment,
            server: server.to_owned(),
            probe,
            error: error.to_string(),
        });
    }

    /// Reads every row that the clients wrote, for the ledger to be held against.
    async fn read_back(&self, server: &Server) {
        let began_us = self.recorder.now_us();
        let file = readback::file_name(&server.name);
        let path = self.dir.join(&file);
        let read = async {
            let (access, cluster) = (server.access().await?, self.plan.cluster_of(&server.name));
            let read = readback::read(&access, cluster, &self.plan, self.nonce, &path).await;
            Ok::<u64, StepError>(read?)
        };
        match read.await {
            Ok(rows) => self.recorder.record(EventKind::Observed {
                moment: Moment::After,
                server: server.name.clone(),
                took_us: self.recorder.now_us() - began_us,
                observation: Observation::Readback { file, rows },
            }),
            Err(error) => self.could_not_look(Moment::After, &server.name, Probe::Readback, &error),
        }
    }

    /// Ends the clients and records what became of them.
    ///
    /// # Errors
    /// What of the harness itself broke meanwhile: the drill is no evidence then.
    pub async fn stop_workloads(&mut self) -> Result<(), String> {
        let trouble = self.watch.take().and_then(|watch| watch.trouble());
        if let Some(workloads) = self.workloads.take()
            && let Err(error) = workloads.stop().await
        {
            let text = format!("the ledger is no evidence: {error}");
            self.recorder.record(EventKind::Note { text });
        }
        trouble.map_or(Ok(()), Err)
    }

    /// Looks at every server that serves at the end.
    pub async fn look_after(&mut self) {
        let plan = Arc::clone(&self.plan);
        for name in serving(&plan, &self.serving) {
            self.look(Moment::After, &name, &plan.checks).await;
            self.image(Moment::After, &name).await;
        }
    }

    /// Keeps the logs and removes the rest; returns what could not be removed.
    async fn remove(&mut self) -> Vec<String> {
        for server in self.servers.clone().values() {
            self.keep_log(server).await;
        }
        self.tell_object_stores().await;
        self.runtime.close_drill(&self.plan.drill).await
    }

    /// What was asked of each store that speaks S3.
    async fn tell_object_stores(&self) {
        for (cluster, endpoints) in &self.endpoints {
            let stores = self.stores_of(cluster);
            let Some(keeper) = stores.keeper else {
                continue;
            };
            // Of somebody's bucket nobody tells.
            let own = |store: &&String| stores.named(store).external().is_none();
            for store in endpoints.keys().filter(own) {
                let place = stores.place(store, keeper);
                self.recorder
                    .record(match stores.named(store).tally(place).await {
                        Ok(tally) => EventKind::ObjectStoreServed(ObjectStoreRecord {
                            cluster: cluster.clone(),
                            store: store.clone(),
                            tally,
                        }),
                        Err(error) => EventKind::Note {
                            text: error.to_string(),
                        },
                    });
            }
        }
    }

    /// Ends the drill: clients, logs, and everything that was created.
    pub async fn close(mut self, mut reason: String) {
        let stopped = self.stop_workloads().await;
        if let (Err(trouble), true) = (stopped, reason.is_empty()) {
            reason = trouble;
        }
        let (leaked, unanswered) = match self.runtime.answers().await {
            Ok(()) => (self.remove().await, String::new()),
            Err(error) => (Vec::new(), error.to_string()),
        };
        self.account();
        self.recorder.record(EventKind::DrillEnded {
            completed: reason.is_empty(),
            reason,
            leaked,
            unanswered,
        });
    }
}

/// The servers that serve: those of workloads, and one of each cluster where no client works.
fn serving(plan: &Plan, of_workloads: &BTreeMap<String, String>) -> BTreeSet<String> {
    let theirs = || of_workloads.values();
    let idle = |cluster: &&str| theirs().all(|server| plan.cluster_of(server) != *cluster);
    let clusters = plan.databases.values().map(|one| one.server.as_str());
    let others = clusters
        .filter(idle)
        .map(|cluster| plan.serves_at_first(cluster));
    others.map(str::to_owned).chain(theirs().cloned()).collect()
}

/// A data model's business checks as operations to try.
fn operations(model: &Model, plan: &Plan) -> Vec<Operation> {
    let tenants = |tenants: &scenario::plan::Tenants| Tenants {
        setting: tenants.setting.clone(),
        count: plan.databases[&model.database]
            .rows
            .get(&tenants.table)
            .copied()
            .unwrap_or_default(),
    };
    let operation = |(business, check): (&str, &BusinessCheck)| Operation {
        name: check.name.clone(),
        database: model.database.clone(),
        role: check.role.clone(),
        tenants: model
            .manifest
            .businesses
            .get(business)
            .filter(|_| check.tenant)
            .and_then(|business| business.tenants.as_ref())
            .map(tenants),
        sql: check.sql.clone(),
        writes: check.writes,
        refused: match &check.expect {
            Expectation::Rows => None,
            Expectation::Error(sqlstate) => Some(sqlstate.clone()),
        },
    };
    model.checks().map(operation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{ORDERS, REPLACEMENT, one_of_two_lost};

    #[test]
    fn each_cluster_has_a_server_that_serves() {
        let mut plan = one_of_two_lost("primary").plan;
        let moved = ("agent".to_owned(), REPLACEMENT.to_owned());
        let both = BTreeSet::from([ORDERS.to_owned(), REPLACEMENT.to_owned()]);
        plan.workloads.remove("oa");
        assert_eq!(serving(&plan, &BTreeMap::from([moved])), both);
        plan.workloads.clear();
        assert_eq!(serving(&plan, &BTreeMap::new()), both);
    }
}
