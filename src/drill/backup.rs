//! Steps that take backups, and what is asked of them later: what there is, whether it is good, and
//! what goes. What a tool does is `backup/`.

use std::{collections::BTreeSet, time::Duration};

use super::state::{Drill, StepError};
use crate::{
    backup::{Site, WalArchive, retention},
    event::{BackupRecord, EventKind, Listed, VerifierSaid},
    postgres::Server,
    restore::target::Taken,
    runtime::{Exec, Node, exec::quoted},
    scenario::plan::{BackupKind, BackupPlan, RetentionRule},
    store::{LOCAL, named_at, placeholder},
    units::Time,
};

/// A tool's verifier, or its catalog, may take this long.
pub(super) const LOOKING: Duration = Duration::from_secs(600);

impl Drill {
    /// What a backup's tool works with on a server's node.
    pub(super) fn site<'s>(
        &'s self,
        name: &'s str,
        server: &'s Server,
        deadline: Duration,
    ) -> Site<'s> {
        let plan = self.plan.strategy.backups.get(name);
        Site {
            name,
            server,
            node: self.working_on(plan, &server.node),
            to: plan.map_or(&[], |plan| &plan.to),
            stores: self.stores_of(&server.name),
            keep: plan.and_then(|plan| plan.keep),
            deadline,
            recorder: &self.recorder,
        }
    }

    /// The node on which a backup's tool works: its own, or this.
    fn working_on<'s>(&'s self, plan: Option<&BackupPlan>, own: &'s Node) -> &'s Node {
        let stated = plan.and_then(|plan| self.nodes.get(plan.on.as_ref()?));
        stated.unwrap_or(own)
    }

    pub(super) fn planned(&self, name: &str) -> Result<&BackupPlan, StepError> {
        let plan = self.plan.strategy.backups.get(name);
        plan.ok_or_else(|| StepError::Missing(format!("the strategy has no backup `{name}`")))
    }

    /// Writes the strategy's scripts and every tool's configuration on a server's node: one may archive
    /// WAL that another's backups need.
    ///
    /// # Errors
    /// When the node refuses.
    pub(super) async fn configure_tools(&self, server: &Server) -> Result<(), StepError> {
        let run = &server.node.layout().run;
        for (name, text) in &self.plan.strategy.scripts {
            let script = run.join(name);
            server.node.put(&script, text.as_bytes(), 0o700).await?;
        }
        for (name, backup) in &self.plan.strategy.backups {
            let site = self.site(name, server, LOOKING);
            backup.tool.configure(&site).await?;
        }
        Ok(())
    }

    /// Makes every tool ready for its first backup of a server.
    ///
    /// # Errors
    /// When a tool fails.
    pub(super) async fn prepare_tools(&self, server: &Server) -> Result<(), StepError> {
        self.configure_tools(server).await?;
        for (name, backup) in &self.plan.strategy.backups {
            backup
                .tool
                .prepare(&self.site(name, server, LOOKING))
                .await?;
        }
        Ok(())
    }

    /// Takes a backup of a server, remembers what came into each store, and asks its tool what it
    /// has now.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn backup(
        &mut self,
        server: &str,
        of: &str,
        kind: BackupKind,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let began_us = self.recorder.now_us();
        let earlier = self.backups.iter().map(|taken| taken.record.began_us);
        let label = format!("{of}-{}", BTreeSet::from_iter(earlier).len() + 1);
        let tool = &self.planned(of)?.tool;
        let server = match tool.tables() {
            [] => self.server(server)?,
            _ => self.server_at_home(server)?,
        };
        let site = self.site(of, &server, deadline);
        let mut all = Vec::new();
        for listed in Box::pin(tool.take(&site, kind, &label)).await? {
            let record = BackupRecord {
                backup: of.to_owned(),
                server: server.name.clone(),
                began_us,
                listed: site.arrived(tool, listed).await?,
            };
            self.recorder.record(EventKind::BackupTaken(record.clone()));
            let ended_us = self.recorder.now_us();
            let verified = self.verify_backup(&site, &record, false).await?;
            all.push(Taken {
                record,
                ended_us,
                verified,
            });
        }
        self.list(&site).await?;
        self.backups.extend(all);
        Ok(())
    }

    /// What a backup's tool says that it has.
    pub(super) async fn list(&self, site: &Site<'_>) -> Result<Vec<Listed>, StepError> {
        let listed = self.planned(site.name)?.tool.list(site).await?;
        self.tell(site, &listed);
        Ok(listed)
    }

    fn tell(&self, site: &Site<'_>, listed: &[Listed]) {
        self.recorder.record(EventKind::BackupsListed {
            backup: site.name.to_owned(),
            cluster: self.plan.cluster_of(&site.server.name).to_owned(),
            listed: listed.to_vec(),
        });
    }

    /// The same, and what each of the backups that were taken holds now.
    async fn list_held(&self, site: &Site<'_>, taken: &[&Taken]) -> Result<Vec<Listed>, StepError> {
        let tool = &self.planned(site.name)?.tool;
        let mut listed = tool.list(site).await?;
        for one in &mut listed {
            if taken
                .iter()
                .any(|taken| taken.record.listed.name() == one.name())
            {
                one.held = Some(site.held(tool, one).await?);
            }
        }
        self.tell(site, &listed);
        Ok(listed)
    }

    /// Records what a tool's verifier says of a backup; false where it has nothing to say.
    async fn verify_backup(
        &self,
        site: &Site<'_>,
        record: &BackupRecord,
        again: bool,
    ) -> Result<bool, StepError> {
        let listed = &record.listed;
        let Some(word) = self.planned(site.name)?.tool.verify(site, listed).await? else {
            return Ok(false);
        };
        self.recorder.record(EventKind::VerifierSaid(VerifierSaid {
            server: record.server.clone(),
            tool: word.verifier,
            object: listed.name(),
            good: Some(word.good),
            again,
            output: word.output,
        }));
        Ok(true)
    }

    /// Has the verifiers look again at every backup that is still there: one may have been damaged
    /// after it was taken.
    pub(super) async fn verify_again(&self) {
        for cluster in self.plan.clusters() {
            for name in self.plan.strategy.backups.keys() {
                let of_it = |taken: &&Taken| {
                    taken.record.backup == *name
                        && self.plan.cluster_of(&taken.record.server) == cluster
                };
                let taken: Vec<&Taken> = self.backups.iter().filter(of_it).collect();
                if taken.is_empty() {
                    continue;
                }
                if let Err(error) = self.verify_all_again(cluster, name, &taken).await {
                    taken.iter().for_each(|one| self.unverified(one, &error));
                }
            }
        }
    }

    async fn verify_all_again(
        &self,
        cluster: &str,
        name: &str,
        taken: &[&Taken],
    ) -> Result<(), StepError> {
        let server = self.one_of(cluster)?;
        let site = self.site(name, &server, LOOKING);
        let listed = self.list_held(&site, taken).await?;
        for one in taken {
            if let Err(error) = self.verify_one_again(&site, &listed, one).await {
                self.unverified(one, &error);
            }
        }
        Ok(())
    }

    fn unverified(&self, taken: &Taken, error: &StepError) {
        self.recorder.record(EventKind::VerifierSaid(VerifierSaid {
            server: taken.record.server.clone(),
            tool: "the verifier".into(),
            object: taken.record.listed.name(),
            good: None,
            again: true,
            output: error.to_string(),
        }));
    }

    async fn verify_one_again(
        &self,
        site: &Site<'_>,
        listed: &[Listed],
        taken: &Taken,
    ) -> Result<(), StepError> {
        let name = taken.record.listed.name();
        if !listed.iter().any(|one| one.name() == name) {
            return Ok(());
        }
        let said = self.verify_backup(site, &taken.record, true).await?;
        if taken.verified && !said {
            self.recorder.record(EventKind::VerifierSaid(VerifierSaid {
                server: taken.record.server.clone(),
                tool: "its verifier".into(),
                object: name,
                good: Some(false),
                again: true,
                output: "what it was held against is gone".into(),
            }));
        }
        Ok(())
    }

    /// Removes what the strategy's retention keeps no longer, and records what went.
    ///
    /// # Errors
    /// When a tool or the strategy's own command fails, or a cluster has no server.
    pub(super) async fn expire(&self, deadline: Duration) -> Result<(), StepError> {
        for cluster in self.plan.clusters() {
            self.expire_cluster(&self.one_of(cluster)?, deadline)
                .await?;
        }
        Ok(())
    }

    /// Makes every backup whose age is that of its files, and every WAL file, look older.
    ///
    /// # Errors
    /// When a node refuses, or a cluster has no server.
    pub(super) async fn age(&self, by: Time, deadline: Duration) -> Result<(), StepError> {
        for cluster in self.plan.clusters() {
            let server = self.one_of(cluster)?;
            let paths = self.aged_by_files(&server).await?;
            retention::age(&server.node, &paths, by, deadline).await?;
        }
        Ok(())
    }

    /// Where they lie, as words of a shell command.
    async fn aged_by_files(&self, server: &Server) -> Result<Vec<String>, StepError> {
        let strategy = &self.plan.strategy;
        let stores = strategy.stores.keys();
        let wal = stores.map(|store| server.fill_in(&placeholder("archive", store)) + "/*");
        let mut paths: Vec<String> = wal.collect();
        let backups = strategy.backups.iter();
        for (name, backup) in backups.filter(|(_, one)| one.tool.abilities().aged_by_files) {
            for listed in backup.tool.list(&self.site(name, server, LOOKING)).await? {
                let store = server.node.layout().store(&listed.store);
                let own = backup.tool.paths(&listed.label).into_iter();
                paths.extend(own.map(|path| quoted(&store.join(path).display().to_string())));
            }
        }
        Ok(paths)
    }

    async fn expire_cluster(&self, server: &Server, deadline: Duration) -> Result<(), StepError> {
        let before = self.stored(server).await?;
        match &self.plan.strategy.retention.rule {
            RetentionRule::Computed => self.expire_computed(server).await?,
            RetentionRule::Command(command) => {
                let store = server.node.layout().store(LOCAL).display();
                let command = format!("cd {store} && {}", server.fill_in(command));
                server
                    .node
                    .exec(Exec::shell(command).within(deadline))
                    .await?;
            }
        }
        let after = self.stored(server).await?;
        let gone = |was: &[String], is: &[String]| {
            let gone = was.iter().filter(|name| !is.contains(name));
            gone.cloned().collect::<Vec<_>>()
        };
        self.recorder.record(EventKind::RetentionApplied {
            cluster: self.plan.cluster_of(&server.name).to_owned(),
            removed_backups: gone(&before.0, &after.0),
            removed_wal: gone(&before.1, &after.1),
        });
        Ok(())
    }

    async fn expire_computed(&self, server: &Server) -> Result<(), StepError> {
        let strategy = &self.plan.strategy;
        let mut kept = Vec::new();
        for (name, backup) in &strategy.backups {
            let site = self.site(name, server, LOOKING);
            backup.tool.expire(&site).await?;
            kept.extend(backup.tool.list(&site).await?);
        }
        let archive = strategy.archive();
        let archived: Vec<&str> = archive.iter().flat_map(WalArchive::stores).collect();
        for store in strategy.stores.keys() {
            let wal = retention::archived(server, store).await?;
            let needing = retention::needing(&kept, store, &archived);
            let gone = retention::expired_wal(&wal, needing, strategy.retention.wal);
            let archive = server.fill_in(&placeholder("archive", store));
            let paths: Vec<String> = gone
                .iter()
                .map(|name| format!("{archive}/{name}"))
                .collect();
            retention::remove(&server.node, &paths).await?;
        }
        Ok(())
    }

    /// Names of the backups, and of the files in `{archive}` of each store.
    async fn stored(&self, server: &Server) -> Result<(Vec<String>, Vec<String>), StepError> {
        let mut labels = Vec::new();
        for (name, backup) in &self.plan.strategy.backups {
            let site = self.site(name, server, LOOKING);
            let listed = backup.tool.list(&site).await?;
            labels.extend(listed.iter().map(Listed::name));
        }
        let mut files = Vec::new();
        for store in self.plan.strategy.stores.keys() {
            let wal = retention::archived(server, store).await?;
            files.extend(wal.iter().map(|file| named_at(store, &file.name)));
        }
        Ok((labels, files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::testing::backup, drill::state::testing::drill};

    #[tokio::test]
    async fn a_cluster_without_a_server_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut drill = drill(dir.path());
        let why = "no server of `primary` is left that reaches its stores";
        assert_eq!(drill.expire(LOOKING).await.unwrap_err().to_string(), why);
        let aged = drill.age(Time(LOOKING), LOOKING).await;
        assert_eq!(aged.unwrap_err().to_string(), why);
        drill.backups.push(Taken {
            record: backup(),
            ended_us: 1,
            verified: true,
        });
        drill.verify_again().await;
        let events = drill.recorder.events();
        let [only] = events.as_slice() else {
            panic!("{events:?}");
        };
        let EventKind::VerifierSaid(said) = &only.kind else {
            panic!("{only:?}");
        };
        assert_eq!((said.good, said.output.as_str()), (None, why));
    }
}
