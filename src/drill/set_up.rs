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
    postgres::{
        DATABASE_TEMPLATE, Server, configuration::moved, literal, query::run_sql, server::DATABASE,
    },
    restore::standby,
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
        for cluster in plan.clusters() {
            let models = self.models(cluster)?;
            roles.extend(models.iter().flat_map(Model::login_roles).cloned());
        }
        self.make_passwords(roles.iter().map(String::as_str));
        self.create_nodes().await?;
        for name in plan.clusters() {
            let server = self.new_server(name, false, &plan.servers[name]).await?;
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
            for standby in plan.standbys_of(name) {
                self.create_standby(standby, &server).await?;
            }
        }
        // Before the archive is listed: a segment that arrives meanwhile is in the list, or sampled.
        self.watch = Some(Watch::start(&self.recorder));
        for name in plan.clusters() {
            self.watch_server(&self.server(name)?).await;
            self.look(Moment::Before, name, &plan.checks).await;
        }
        self.start_clients().await
    }

    /// A copy of a server that is set up already: it has its files, with the places of its node.
    async fn create_standby(&mut self, name: &str, primary: &Server) -> Result<(), StepError> {
        let plan = Arc::clone(&self.plan);
        let mut standby = self.new_server(name, false, &plan.servers[name]).await?;
        let made = &self.made[&primary.name];
        let settings = plan.settings(&made.plan);
        standby.moved = moved(&settings, &made.layout, standby.node.layout());
        self.servers.insert(name.to_owned(), standby.clone());
        self.configure_tools(&standby).await?;
        standby::follow(&standby, primary, plan.deadline.0).await?;
        standby.announce(&self.recorder).await?;
        Ok(())
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
            let value = literal(&server.fill_in(&value));
            run_sql(&client, &format!("alter system set {name} = {value}")).await?;
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
            run_sql(&client, &format!("create database \"{name}\"")).await?;
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
        for name in plan.clusters() {
            let server = self.server(name)?;
            self.begin_images(&server).await?;
            places.insert(name, server.access().await?);
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
