//! Where a server's data come from: the restores that led to it, the backups they were made of, and
//! what its recovery followed and aimed at.

use super::{DrillHistory, told};
use crate::{
    event::{BackupRecord, EventKind, RecoveryRecord, RestoreRecord},
    measure::recovery::Recovery,
    scenario::plan::{Action, Nature, Restore, Target},
    units::Time,
    wal::FIRST_TIMELINE,
};

/// What the fault's time by the server's clock and by the drill's may lie apart: it is asked
/// for by a tool.
const CLOCKS_US: u64 = 1_000_000;

impl<'a> DrillHistory<'a> {
    /// The restores that led to a server as it was at an instant, the newest first, each with the
    /// time it was told; empty when it was there from the beginning.
    fn lineage(&self, server: &str, until_us: u64) -> Vec<(u64, &'a RestoreRecord)> {
        let restores: Vec<_> = self.restores().collect();
        let (mut server, mut until_us) = (server, until_us);
        let mut all = Vec::new();
        for (at_us, restore) in restores.into_iter().rev() {
            if restore.server != server || at_us > until_us {
                continue;
            }
            all.push((at_us, restore));
            if let Some(backup) = self.taken(&restore.backup) {
                (server, until_us) = (&backup.server, backup.began_us);
            }
        }
        all
    }

    /// When the restore was told that had made a server by an instant; none when it was there from
    /// the beginning.
    pub fn restored_us(&self, server: &str, until_us: u64) -> Option<u64> {
        self.lineage(server, until_us)
            .first()
            .map(|(at_us, _)| *at_us)
    }

    /// The restore that had made a server by an instant; none when it was there from the beginning.
    pub fn restore_of(&self, server: &str, until_us: u64) -> Option<&'a RestoreRecord> {
        let lineage = self.lineage(server, until_us);
        lineage.first().map(|(_, restore)| *restore)
    }

    /// The last recovery of a server by WAL, up to an instant.
    pub fn recovery_of(&self, server: &str, until_us: u64) -> Option<&'a RecoveryRecord> {
        let mut all = told!(self.events, event, EventKind::Recovered(recovery)
            => (event.at_us, recovery));
        let own = all.rfind(|(at_us, one)| *at_us <= until_us && one.server == server);
        own.map(|(_, recovery)| recovery)
    }

    /// The timeline on which the backup was taken that a server was restored from by an instant.
    pub fn began_on(&self, server: &str, until_us: u64) -> Option<u32> {
        let restore = self.restore_of(server, until_us)?;
        self.taken(&restore.backup)?.listed.timeline
    }

    /// The timeline that a server's branched off, which recovery had followed; none when not known.
    pub fn branched_off(&self, timeline: u32) -> Option<u32> {
        let serves = |one: &RestoreRecord| !one.scratch && one.timeline == timeline;
        let (at_us, made) = self.restores().find(|(_, one)| serves(one))?;
        let left = &self.recovery_of(&made.server, at_us)?.left;
        left.last().map(|(parent, _)| *parent)
    }

    /// Whether recovery led to a server past another one's timeline, as that was at an instant: what
    /// was written on it belongs to another branch, of which WAL positions say nothing here.
    pub fn left_aside(&self, (from, at_us): (&str, u64), recovery: &RecoveryRecord) -> bool {
        let restore = self.restore_of(from, at_us);
        let timeline = restore.map_or(FIRST_TIMELINE, |restore| restore.timeline);
        let mut followed = recovery.left.iter();
        !recovery.left.is_empty() && !followed.any(|(on, _)| *on == timeline)
    }

    /// Whether a server, or one that it was restored from, was made anew from a logical backup:
    /// another cluster than there was.
    pub fn is_logical(&self, server: &str, until_us: u64) -> bool {
        let mut lineage = self.lineage(server, until_us).into_iter();
        lineage.any(|(_, restore)| restore.nature == Nature::Logical)
    }

    /// When rows came home as they were in a dump, into a server that goes on.
    pub fn salvaged_from_dumps(&self) -> impl Iterator<Item = u64> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Salvaged { from, .. } => {
                self.is_logical(from, u64::MAX).then_some(event.at_us)
            }
            _other => None,
        })
    }

    /// How what a workload had written by an instant came to the server that serves it at the end:
    /// from one server to another, and in dumps, of which each database has its own. What survives
    /// of one workload tells of another that came the same way: both have the place of the first.
    pub fn way_of(&self, workload: &str, at_us: u64) -> usize {
        let way = |name: &str| {
            let to = self.server_of(name);
            let dumped = |(told_us, restore): &(u64, &RestoreRecord)| {
                *told_us > at_us && restore.nature == Nature::Logical
            };
            let lineage = self.lineage(to, u64::MAX);
            let database = self.plan.workloads.get(name).map(|one| &one.database);
            let mut salvages = self.salvaged_from_dumps();
            let salvaged = salvages.any(|told_us| told_us > at_us);
            let database = database.filter(|_| salvaged || lineage.iter().any(dumped));
            (self.server_before(name, Some(at_us)), to, database)
        };
        let own = way(workload);
        let mut names = self.plan.workloads.keys();
        names.position(|name| way(name) == own).unwrap_or_default()
    }

    /// The server that a server's data come from in the end: itself when it was there from the
    /// beginning, otherwise the one of whose backup it was restored, and so on.
    pub fn origin(&self, server: &'a str) -> &'a str {
        let mut lineage = self.lineage(server, u64::MAX).into_iter().rev();
        let first = lineage.find_map(|(_, restore)| self.taken(&restore.backup));
        first.map_or(server, |backup| &backup.server)
    }

    fn taken(&self, label: &str) -> Option<&'a BackupRecord> {
        let mut backups = told!(self.events, EventKind::BackupTaken(backup) => backup);
        backups.rfind(|backup| backup.listed.label == label)
    }

    /// The last restore into a server that had begun by an instant, with when it did.
    pub fn restoring(&self, server: &str, until_us: u64) -> Option<(u64, &'a Restore)> {
        let mut steps = self.steps().into_iter().rev();
        steps.find_map(|step| {
            let restore = self.plan.steps[step.index].action.restore();
            let began_us = step.began_us.filter(|began| *began <= until_us);
            began_us.zip(restore.filter(|restore| restore.into == server))
        })
    }

    /// The earliest instant that a recovery's salvages aimed at, where their scratch servers were
    /// recovered to an instant before the fault on purpose: nothing later can have come home.
    /// None: no salvage, or all aimed at the fault itself or at all WAL there is.
    pub fn salvage_aimed_us(&self, recovery: &Recovery<'_>) -> Option<u64> {
        let steps = recovery.steps(self).into_iter();
        let aimed = steps.filter_map(|step| match &self.plan.steps[step.index].action {
            Action::Salvage(salvage) if self.has_server(salvage.into()) => {
                self.aimed_us(salvage.from(), step.began_us?)
            }
            _other => None,
        });
        aimed.min()
    }

    /// The instant to which the scratch server of a salvage was recovered.
    fn aimed_us(&self, scratch: &str, salvaged_us: u64) -> Option<u64> {
        let made = self.restore_of(scratch, salvaged_us);
        if let Some(restore) = made.filter(|restore| restore.nature == Nature::Logical) {
            return self.taken(&restore.backup).map(|backup| backup.began_us);
        }
        let (began_us, restore) = self.restoring(scratch, salvaged_us)?;
        match &restore.target {
            Target::Latest => None,
            Target::Before { fault, by, .. } => {
                let before = self.faults().filter(|fault| fault.began_us <= began_us);
                let newest = before.last().filter(|newest| newest.name == *fault);
                if by.is_none() && newest.is_some() {
                    return None;
                }
                let aimed = self.faults().find(|one| one.name == *fault);
                let by = by.map_or(0, Time::micros) / u64::from(self.plan.scale.max(1));
                Some(aimed?.began_us.saturating_sub(by + CLOCKS_US))
            }
            // Where they lie in the drill's time is not known.
            Target::Immediate
            | Target::Time(_)
            | Target::Lsn(_)
            | Target::Xid(_)
            | Target::Name(_) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::testing::salvage, scenario::plan::WorkloadPlan};

    /// Two workloads in databases of their own, on the server into which rows came home.
    fn ways(nature: Nature) -> (usize, usize) {
        let mut fixture = salvage();
        let oa = &fixture.plan.workloads["oa"];
        let database = "shop".into();
        let web = WorkloadPlan {
            database,
            ..oa.clone()
        };
        fixture.plan.workloads.insert("web".into(), web);
        for event in &mut fixture.events {
            if let EventKind::Restored(restore) = &mut event.kind {
                restore.nature = nature;
            }
        }
        let history = fixture.history();
        (history.way_of("oa", 0), history.way_of("web", 0))
    }

    /// Of a database that came home from a dump, what survives in another one tells nothing.
    #[test]
    fn rows_from_a_dump_came_another_way_than_those_of_another_database() {
        let (oa, web) = ways(Nature::Logical);
        assert_ne!(oa, web);
        let (oa, web) = ways(Nature::Physical);
        assert_eq!(oa, web);
    }
}
