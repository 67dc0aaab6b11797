//! From nothing to business as usual: servers, data, backup settings, steady state, clients.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    state::{Drill, StepError},
    watch::Watch,
};
use crate::{
    event::{EventKind, Moment},
    history::files,
    model::Model,
    postgres::{DATABASE_TEMPLATE, Server, query::run_sql, server::DATABASE},
    runtime::Exec,
    scenario::plan::{Apply, PRIMARY},
    workload::{Workloads, create_own_tables},
};

impl Drill {
    /// Sets everything up; afterwards the clients run.
    ///
    /// # Errors
    /// When anything of it fails: the set-up was bad, not the backup.
    pub async fn set_up(&mut self) -> Result<(), StepError> {
        let plan = Arc::clone(&self.plan);
        let mut roles = Vec::new();
        for cluster in plan.servers.keys() {
            let models = self.models(cluster)?;
            roles.extend(models.iter().flat_map(Model::login_roles).cloned());
        }
        self.make_passwords(roles.iter().map(String::as_str));
        for (name, limits) in &plan.servers {
            let server = self.new_server(name, false, limits).await?;
            server.create(&self.first_settings(name)).await?;
            self.create_databases(&server).await?;
            server.announce(&self.recorder).await?;
            self.prepare_tools(&server).await?;
            if name == PRIMARY {
                self.describe(&server).await?;
            }
            self.load(&server).await?;
            if self.plan.strategy.apply == Apply::Reload {
                self.apply_by_reload(&server).await?;
            }
        }
        // Before the archive is listed: a segment that arrives meanwhile is in the list, or sampled.
        self.watch = Some(Watch::start(&self.recorder));
        for name in plan.servers.keys() {
            self.watch_server(&self.server(name)?).await;
            self.look(Moment::Before, name, &plan.checks).await;
        }
        self.start_clients().await
    }

    /// Settings at the first start: without the strategy's, when it wants them reloaded later.
    fn first_settings(&self, name: &str) -> BTreeMap<String, String> {
        let limits = &self.plan.servers[name];
        match self.plan.strategy.apply {
            Apply::Restart => self.plan.settings(limits),
            Apply::Reload => limits.settings.clone(),
        }
    }

    async fn apply_by_reload(&self, server: &Server) -> Result<(), StepError> {
        let client = server.connect().await?;
        for (name, value) in self.plan.settings(&self.plan.servers[&server.name]) {
            let value = server.fill_in(&value).replace('\'', "''");
            run_sql(&client, &format!("alter system set {name} = '{value}'")).await?;
        }
        run_sql(&client, "select pg_reload_conf()").await?;
        Ok(())
    }

    async fn describe(&self, server: &Server) -> Result<(), StepError> {
        let mut versions = BTreeMap::new();
        versions.insert(
            "postgres".to_owned(),
            server.value("select version()").await?,
        );
        let tools = self.plan.strategy.backups.values().map(|one| &one.tool);
        for (needed, _) in tools.flat_map(|tool| tool.abilities().programs()) {
            let exec = Exec::new(needed.asked()).unrecorded();
            let said = server.node.exec(exec).await?.text();
            versions.insert(needed.program.to_owned(), said.trim().to_owned());
        }
        self.recorder.record(EventKind::Environment {
            runtime: self.runtime.name().into(),
            postgres: self.plan.postgres,
            image: self
                .runtime
                .image(self.plan.postgres, &self.plan.packages)
                .await?,
            versions,
        });
        Ok(())
    }

    /// Those that are not there from the beginning.
    async fn create_databases(&self, server: &Server) -> Result<(), StepError> {
        let access = server.access().await?.within(DATABASE);
        let client = access.connect("pgdrill").await?;
        let there = self.plan.databases_of(&server.name);
        for (name, _) in there.filter(|(name, _)| *name != DATABASE) {
            run_sql(&client, &format!("create database {name}")).await?;
        }
        Ok(())
    }

    async fn load(&self, server: &Server) -> Result<(), StepError> {
        let access = server.access().await?;
        let own = self.plan.databases_of(&server.name).map(|(name, _)| name);
        for database in own.chain([DATABASE, DATABASE_TEMPLATE]) {
            let client = access.within(database).connect("pgdrill").await?;
            run_sql(&client, "create extension if not exists amcheck").await?;
        }
        for model in self.models(&server.name)? {
            let amount = (self.plan.databases[&model.database].size, self.plan.seed);
            model.install(server, amount, &self.recorder).await?;
        }
        create_own_tables(&self.plan, &server.name, &access).await?;
        server.sql("checkpoint").await?;
        Ok(())
    }

    async fn start_clients(&mut self) -> Result<(), StepError> {
        let plan = Arc::clone(&self.plan);
        let mut places = BTreeMap::new();
        for name in plan.servers.keys() {
            let server = self.server(name)?;
            self.begin_images(&server).await?;
            places.insert(name.as_str(), server.access().await?);
        }
        let place = |workload: &str| places[plan.cluster_of_workload(workload)].clone();
        let ledger = self.dir.join(files::LEDGER);
        let workloads = Workloads::start(
            &plan,
            place,
            &self.passwords,
            &self.recorder,
            &ledger,
            self.nonce,
        )?;
        self.workloads = Some(workloads);
        self.serving = self
            .plan
            .workloads
            .keys()
            .map(|name| (name.clone(), plan.cluster_of_workload(name).to_owned()))
            .collect();
        Ok(())
    }
}
