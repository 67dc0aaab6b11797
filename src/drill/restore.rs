//! Steps that bring a server back: what it is made as, from which backup, and to which point. What is
//! done then is `restore/`.

use std::time::Duration;

use jiff::SignedDuration;

use super::{
    backup::LOOKING,
    expected_errors::{by_lost_slots, by_recovery, by_restore},
    state::{Drill, Made, StepError},
};
use crate::{
    backup::{BackupError, Only, Resolved, Site, Tool},
    event::{Cause, EventKind, Listed},
    postgres::{Server, configuration::moved, literal, lsn},
    restore::{
        self, Restore, restore, standby,
        target::{Choice, Known, Taken, choose, resolve},
    },
    runtime::Exec,
    scenario::plan::{Restore as Restoring, is_scratch},
    units::wall_clock,
};

impl Drill {
    /// Makes a named restore point and remembers where it is.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn restore_point(
        &mut self,
        server: &str,
        name: &str,
    ) -> Result<(), StepError> {
        let position = self
            .server(server)?
            .value(&format!(
                "select pg_create_restore_point({})",
                literal(name)
            ))
            .await?;
        let position = lsn::parse(&position).unwrap_or_default();
        let cluster = self.plan.cluster_of(server).to_owned();
        let points = self.points.entry(cluster).or_default();
        points.push((name.to_owned(), position));
        Ok(())
    }

    /// How far the wall clock has run away from the drill's own, which nobody sets.
    fn wall_stepped(&self) -> SignedDuration {
        let own = SignedDuration::from_micros(self.recorder.now_us() as i64);
        wall_clock().duration_since(self.wall) - own
    }

    /// What its target is resolved by; times are those of the server whose WAL tells them.
    fn known(&self, restoring: &Restoring) -> Known<'_> {
        let fault = self.faults.aimed_at(&restoring.target);
        let told_by = fault.map_or(restoring.of(), |fault| &fault.server);
        Known {
            fault,
            points: self.points.get(restoring.of()).map_or(&[], Vec::as_slice),
            wall: self.wall + self.ahead(told_by),
            stepped: self.wall_stepped(),
            scale: self.plan.scale,
        }
    }

    /// Restores a backup, up to a target.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn restore(
        &mut self,
        restoring: &Restoring,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let resolved = resolve(&restoring.target, self.known(restoring));
        let resolved = Resolved {
            timeline: restoring.timeline,
            ..resolved.map_err(StepError::Missing)?
        };
        let source = self.source(restoring, &resolved);
        let into = &restoring.into;
        let mut server = match restoring.in_place {
            true => {
                let lost = by_lost_slots(into, self.plan.standbys_of(into));
                self.expect_errors(Cause::Standbys, lost);
                self.given_up(into, deadline).await?
            }
            false => {
                self.new_server(into, is_scratch(into), &source.plan)
                    .await?
            }
        };
        self.configure_tools(&server).await?;
        let planned = self.planned(restoring.from())?.clone();
        let site = self.site(restoring.from(), &server, LOOKING);
        let listed = self.list(&site).await?;
        let choice = self.choice(restoring, &planned.to, &listed);
        let chosen = match choose(&restoring.target, &resolved, &choice) {
            Ok(chosen) => chosen.clone(),
            Err(why) => {
                let said = hindrance(&planned.tool, &site, choice.stores).await?;
                return Err(StepError::Missing(why + &said));
            }
        };
        let origin = self.origin(restoring, &chosen);
        let made = self.made.get(&origin).unwrap_or(&source);
        let settings = self.plan.settings(&made.plan);
        server.moved = moved(&settings, &made.layout, server.node.layout());
        self.expect_errors(Cause::Restore, by_recovery(into, &settings));
        self.servers.insert(restoring.into.clone(), server.clone());
        let strategy = &self.plan.strategy;
        let archive = strategy.archive();
        let request = Restore {
            server: &server,
            backup: (restoring.from(), &planned.tool),
            stores: (&planned.to, self.stores_of(&server.name)),
            listed: &chosen,
            target: &resolved,
            recovery: restore::Recovery {
                signal: strategy.recovery.signal,
                restore_command: strategy.recovery.restore_command.as_deref(),
                archive: archive.as_ref(),
                action: restoring.action.or(strategy.recovery.target_action),
            },
            settings: &settings,
            in_place: restoring.in_place,
            only: Only {
                databases: &restoring.databases,
                schemas: &restoring.schemas,
                tables: &restoring.tables,
            },
            deadline,
        };
        let restored = restore(&request, &self.recorder).await?;
        self.faults.restored(&restored, &origin);
        if restoring.in_place {
            self.tell_clients(&restoring.into).await?;
            self.watch_server(&server).await;
        }
        self.errors_over(Cause::Restore);
        Ok(())
    }

    /// Has a standby take over from the server that it copied.
    ///
    /// # Errors
    /// What went wrong, in full.
    pub(super) async fn promote(
        &mut self,
        name: &str,
        deadline: Duration,
    ) -> Result<(), StepError> {
        let server = self.server(name)?;
        let promoted = standby::promote(&server, deadline, &self.recorder).await?;
        let of = self.plan.cluster_of(name).to_owned();
        self.faults.restored(&promoted, &of);
        Ok(())
    }

    /// A server that is stopped, and whose files may be replaced: what it was is given up, and
    /// its clients wait for what it will be.
    async fn given_up(&mut self, name: &str, deadline: Duration) -> Result<Server, StepError> {
        let server = self.server(name)?;
        self.watch_last(name).await;
        server.stop(deadline).await?;
        let lock = server.node.layout().data.join("postmaster.pid");
        let unlock = ["rm", "-f", &lock.display().to_string()];
        server.node.exec(Exec::new(unlock)).await?;
        self.keep_log(&server).await;
        self.logs_kept.remove(name);
        self.row_images.forget(name);
        self.expect_errors(Cause::Restore, by_restore(name));
        let served = self.serving.iter().filter(|(_, server)| *server == name);
        let workloads: Vec<String> = served.map(|(workload, _)| workload.clone()).collect();
        if !workloads.is_empty() {
            self.recorder.record(EventKind::CutOver {
                workloads,
                to: name.to_owned(),
            });
        }
        Ok(server)
    }

    /// The server that a backup was taken of.
    fn origin(&self, restoring: &Restoring, listed: &Listed) -> String {
        let mut taken = self.taken_of(restoring);
        let taken = taken.find(|one| one.record.listed.name() == listed.name());
        taken
            .map_or(restoring.of(), |taken| &taken.record.server)
            .to_owned()
    }

    /// The backups taken that a restore may begin from.
    fn taken_of(&self, restoring: &Restoring) -> impl Iterator<Item = &Taken> {
        self.backups.iter().filter(|taken| {
            let record = &taken.record;
            record.backup == restoring.from()
                && self.plan.cluster_of(&record.server) == restoring.of()
        })
    }

    /// What a restore may begin from; `to`: where its backup goes.
    fn choice<'c>(
        &'c self,
        restoring: &'c Restoring,
        to: &'c [String],
        listed: &'c [Listed],
    ) -> Choice<'c> {
        Choice {
            from: restoring.from(),
            label: restoring.backup.as_deref(),
            nth: restoring.nth,
            stores: restoring.store.as_ref().map_or(to, std::slice::from_ref),
            taken: &self.backups,
            listed,
        }
    }

    /// What the server was made as whose backup a restore begins from, as far as that is known
    /// before a node can look into the store.
    fn source(&self, restoring: &Restoring, resolved: &Resolved) -> Made {
        let taken = self.taken_of(restoring);
        let all: Vec<Listed> = taken.map(|one| one.record.listed.clone()).collect();
        let to = self
            .planned(restoring.from())
            .map_or(&[][..], |backup| &backup.to);
        let choice = self.choice(restoring, to, &all);
        let likely = choose(&restoring.target, resolved, &choice).ok();
        let name = likely.map_or(restoring.of().to_owned(), |one| self.origin(restoring, one));
        self.made.get(&name).cloned().unwrap_or_default()
    }
}

/// What keeps a tool from listing what stores hold, in its own words.
async fn hindrance(tool: &Tool, site: &Site<'_>, stores: &[String]) -> Result<String, BackupError> {
    let mut all = String::new();
    for store in stores {
        let said = tool.hindrance(site, store).await?;
        all.extend(said.map(|said| format!("; of {store} its tool says: {said}")));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drill::state::testing::drill,
        runtime::{Layout, Machine},
        scenario::plan::{PRIMARY, ServerPlan},
        units::Bytes,
    };

    fn taken(number: u64, server: &str) -> Taken {
        let mut record = crate::check::testing::backup();
        record.server = server.into();
        record.listed.label = format!("main-{number}");
        record.listed.stop_lsn = Some(number);
        Taken {
            record,
            ended_us: number,
            verified: true,
        }
    }

    fn made(memory: u64) -> Made {
        let plan = ServerPlan {
            settings: [("work_mem".to_owned(), format!("{memory}MB"))].into(),
            node: Machine {
                memory: Bytes(memory),
                ..Machine::default()
            },
            ..ServerPlan::default()
        };
        let layout = Layout::default();
        Made { plan, layout }
    }

    /// The newest backup that can reach the target says whose limits and settings count; where
    /// there is none, those of the primary.
    #[test]
    fn a_restored_server_is_made_as_the_source_of_its_backup() {
        let dir = tempfile::tempdir().unwrap();
        let mut drill = drill(dir.path());
        let servers = [("alpha", 1), (PRIMARY, 2), ("replacement", 3)];
        drill.made = servers
            .map(|(name, memory)| (name.to_owned(), made(memory)))
            .into();
        let source = |drill: &Drill, by_lsn: Option<u64>| {
            let resolved = Resolved {
                settings: vec![],
                by_lsn,
                by_us: None,
                timeline: None,
            };
            let restoring = Restoring {
                from: Some("main".into()),
                into: "new".into(),
                ..Restoring::default()
            };
            drill.source(&restoring, &resolved).plan
        };
        assert_eq!(source(&drill, None), made(2).plan);
        drill.backups = vec![taken(1, PRIMARY), taken(2, "replacement")];
        assert_eq!(source(&drill, None), made(3).plan);
        assert_eq!(source(&drill, Some(1)), made(2).plan);
    }

    #[test]
    fn a_target_is_resolved_by_its_own_clusters_clock_and_points() {
        let dir = tempfile::tempdir().unwrap();
        let mut drill = drill(dir.path());
        let mut fast = made(1);
        fast.plan.node.clock.ahead = Some("10m".parse().unwrap());
        drill.made = [("orders".to_owned(), fast)].into();
        for (cluster, position) in [(PRIMARY, 1), ("orders", 2)] {
            let point = ("release".to_owned(), position);
            drill.points.insert(cluster.into(), vec![point]);
        }
        let known = |of: &str| {
            let restoring = Restoring {
                of: Some(of.into()),
                ..Restoring::default()
            };
            let known = drill.known(&restoring);
            (known.wall.duration_since(drill.wall), known.points[0].1)
        };
        assert_eq!(known(PRIMARY), (SignedDuration::ZERO, 1));
        assert_eq!(known("orders"), (SignedDuration::from_mins(10), 2));
    }
}
