//! `backups`: what was taken into each store is what its tool lists, for as long as no retention
//! removed it and the store was not lost or cut off, and its files are those that were taken.
//!
//! Whether a listed backup can be restored is the finding of the step that restores it.

use super::{
    Context, any, count,
    stores::{is_closed, out_of_reach},
};
use crate::{
    event::{EventKind, Listed},
    finding::Finding,
    measure::drill_history::told,
};

const ID: &str = "backups";

pub(super) fn check(context: &Context<'_>) -> Result<Finding, String> {
    let taken = taken(context);
    if taken.is_empty() {
        return Err("no backup was taken".into());
    }
    let wrong: Vec<String> = taken
        .iter()
        .filter_map(|one| one.unlisted(context).or_else(|| one.changed(context)))
        .collect();
    if let Some(first) = wrong.first() {
        return Ok(Finding::fail(ID, first).details(wrong.clone()));
    }
    if let Some(unasked) = taken.iter().find(|one| one.later(context).next().is_none()) {
        let (name, tool) = (unasked.listed.name(), &unasked.listed.tool);
        let message = format!("{tool} was not asked what it has since `{name}` was taken");
        return Ok(context.unknown(ID, message));
    }
    if let Some(hidden) = taken.iter().find(|one| one.is_hidden(context)) {
        let name = hidden.listed.name();
        let message = format!("nobody can tell what became of `{name}`: its store is cut off");
        return Ok(context.unknown(ID, message));
    }
    let warned: Vec<String> = taken.iter().filter_map(Taken::warned).collect();
    let message = format!(
        "{} taken, each as its tool lists it{}",
        count(taken.len(), "backup"),
        warned
            .first()
            .map_or(String::new(), |first| format!("; {first}")),
    );
    let at_stake = any(
        taken.len(),
        "backup",
        "that its tool does not list, or not as taken",
    );
    Ok(Finding::pass(ID, at_stake, message).details(warned))
}

struct Taken<'a> {
    /// Position of its event.
    seq: u64,
    /// Its name in the strategy.
    name: &'a str,
    listed: &'a Listed,
}

fn taken<'a>(context: &Context<'a>) -> Vec<Taken<'a>> {
    let taken = told!(context.history.events, event, EventKind::BackupTaken(backup) => Taken {
        seq: event.seq,
        name: &backup.backup,
        listed: &backup.listed,
    });
    taken.collect()
}

impl<'a> Taken<'a> {
    /// What its tool said of it that is no success.
    fn warned(&self) -> Option<String> {
        let Listed { warning, .. } = self.listed;
        (!warning.is_empty()).then(|| format!("`{}` with a warning: {warning}", self.listed.name()))
    }

    /// What its tool listed later, with the event's position.
    fn later(&self, context: &Context<'a>) -> impl Iterator<Item = (u64, &'a [Listed])> {
        let (since, name) = (self.seq, self.name);
        let later = context.history.events.iter();
        later.filter_map(move |event| match &event.kind {
            EventKind::BackupsListed { backup, listed, .. }
                if backup == name && event.seq > since =>
            {
                Some((event.seq, listed.as_slice()))
            }
            _other => None,
        })
    }

    /// Where it may be gone: retention removed it, or a tool that applies its own took another one
    /// into its store.
    fn end(&self, context: &Context<'a>) -> u64 {
        let own = context.history.plan.strategy.backups.get(self.name);
        let expires = own.is_some_and(|own| own.tool.abilities().expires);
        let ends = |kind: &EventKind| match kind {
            EventKind::RetentionApplied {
                removed_backups, ..
            } => removed_backups.contains(&self.listed.name()),
            EventKind::BackupTaken(other) => {
                expires && other.backup == self.name && other.listed.store == self.listed.store
            }
            _other => false,
        };
        let mut later = context.history.events.iter();
        let end = later.find(|event| event.seq > self.seq && ends(&event.kind));
        end.map_or(u64::MAX, |event| event.seq)
    }

    /// Whether nobody could look in the end whether it is there.
    fn is_hidden(&self, context: &Context<'a>) -> bool {
        self.end(context) == u64::MAX && is_closed(context, &self.listed.store)
    }

    /// The listings that it has to be in: until it may be gone, and while the store could be reached.
    fn listings(&self, context: &Context<'a>) -> impl Iterator<Item = &'a [Listed]> {
        let end = self.end(context);
        let reached = |seq| !out_of_reach(context, &self.listed.store, self.seq..seq);
        let kept = self.later(context);
        kept.filter(move |(seq, _)| *seq < end && reached(*seq))
            .map(|(_, listed)| listed)
    }

    /// Itself in a listing.
    fn of<'l>(&self, listed: &'l [Listed]) -> Option<&'l Listed> {
        let name = self.listed.name();
        listed.iter().find(|one| one.name() == name)
    }

    /// What is wrong, if it was not listed when it had to be.
    fn unlisted(&self, context: &Context<'a>) -> Option<String> {
        let (name, tool) = (self.listed.name(), &self.listed.tool);
        let mut listings = self.listings(context);
        if self.of(listings.next()?).is_none() {
            return Some(format!("`{name}` was taken, and {tool} does not list it"));
        }
        listings
            .any(|listed| self.of(listed).is_none())
            .then(|| format!("{tool} no longer lists `{name}`, though no retention removed it"))
    }

    /// What is wrong, if its files are not those that were taken.
    fn changed(&self, context: &Context<'a>) -> Option<String> {
        let taken = self.listed.held.as_ref()?;
        let mut held = self
            .later(context)
            .filter_map(|(_, listed)| self.of(listed)?.held.as_ref());
        let now = held.find(|now| *now != taken)?;
        let name = self.listed.name();
        Some(match (now.files, now.bytes) == (taken.files, taken.bytes) {
            true => format!("`{name}` is not as it was taken: its files hold something else"),
            false => format!(
                "`{name}` is not as it was taken: {} of {} bytes, and now {} of {} bytes",
                count(taken.files as usize, "file"),
                taken.bytes,
                count(now.files as usize, "file"),
                now.bytes
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        backup::Tool,
        check::testing::*,
        event::FaultRecord,
        fault::{CloseStore, Fault, FillStore, LoseStore},
        store::Held,
    };

    fn listed(labels: &[&str]) -> EventKind {
        let one = |label: &&str| {
            let mut listed = backup().listed;
            listed.label = (*label).to_owned();
            listed
        };
        EventKind::BackupsListed {
            cluster: "primary".into(),
            backup: "main".into(),
            listed: labels.iter().map(one).collect(),
        }
    }

    #[test]
    fn a_backup_that_its_tool_does_not_list_is_red() {
        let silent = lost_server().without(|kind| matches!(kind, EventKind::BackupsListed { .. }));
        let why = "was not asked what it has since `main-1` was taken";
        expect(&silent, "backups", Verdict::Unknown, why);
        let unlisted = silent.clone().with(5 * SECOND, listed(&["main-7"]));
        let why = "`main-1` was taken, and pg-basebackup does not list it";
        expect(&unlisted, "backups", Verdict::Fail, why);
        let gone = silent
            .with(5 * SECOND, listed(&["main-1"]))
            .with(9 * SECOND, listed(&[]));
        let why = "pg-basebackup no longer lists `main-1`, though no retention removed it";
        expect(&gone, "backups", Verdict::Fail, why);
    }

    /// Another backup was taken at 8 s, and from then on its tool lists this one alone.
    fn replaced(mut fixture: HistoryFixture) -> HistoryFixture {
        let mut newer = backup();
        newer.listed.label = "main-2".into();
        fixture.tell(8 * SECOND, EventKind::BackupTaken(newer));
        fixture.with(9 * SECOND, listed(&["main-2"]))
    }

    #[test]
    fn a_newer_backup_is_no_retention() {
        let why = "pg-basebackup no longer lists `main-1`, though no retention removed it";
        expect(&replaced(lost_server()), "backups", Verdict::Fail, why);
        let mut expiring = lost_server();
        let main = expiring.plan.strategy.backups.get_mut("main").unwrap();
        main.tool = Tool::Pgbackrest(Default::default());
        expect(&replaced(expiring), "backups", Verdict::Pass, "2 backups");
    }

    #[test]
    fn what_retention_removed_need_not_be_listed() {
        let removed = EventKind::RetentionApplied {
            cluster: "primary".into(),
            removed_backups: vec!["main-1".into()],
            removed_wal: vec![],
        };
        let fixture = lost_server()
            .with(8 * SECOND, removed)
            .with(9 * SECOND, listed(&[]));
        assert_eq!(finding(&fixture.judge(), "backups").verdict, Verdict::Pass);
    }

    fn held(bytes: u64) -> Option<Held> {
        Some(Held {
            files: 2,
            bytes,
            sha256: "ab".into(),
        })
    }

    #[test]
    fn a_backup_that_is_not_as_it_was_taken_is_red() {
        let mut fixture =
            lost_server().without(|kind| matches!(kind, EventKind::BackupsListed { .. }));
        for event in &mut fixture.events {
            if let EventKind::BackupTaken(taken) = &mut event.kind {
                taken.listed.held = held(7);
            }
        }
        let at_the_end = |bytes| {
            let mut listed = listed(&["main-1"]);
            if let EventKind::BackupsListed { listed, .. } = &mut listed {
                listed[0].held = held(bytes);
            }
            fixture.clone().with(9 * SECOND, listed)
        };
        let pass = finding(&at_the_end(7).judge(), "backups").verdict;
        assert_eq!(pass, Verdict::Pass);
        let why = "`main-1` is not as it was taken: 2 files of 7 bytes, and now 2 files of 8 bytes";
        expect(&at_the_end(8), "backups", Verdict::Fail, why);
    }

    #[test]
    fn a_backup_whose_store_was_lost_need_not_be_listed() {
        let fixture = lost_server();
        let other = fixture.history().faults().next().unwrap();
        let lost = |store: &str| {
            let lose = FaultRecord {
                fault: Fault::LoseStore(LoseStore(store.into())),
                ..other.clone()
            };
            let gone = fixture
                .clone()
                .with(8 * SECOND, EventKind::FaultInjected(lose));
            gone.with(9 * SECOND, listed(&[]))
        };
        let verdict = |store: &str| finding(&lost(store).judge(), "backups").verdict;
        assert_eq!(verdict("local"), Verdict::Pass);
        assert_eq!(verdict("offsite"), Verdict::Fail);
    }

    /// A backup was copied to `offsite`, which this fault hit at 8 s, and which lists as many copies
    /// at the end.
    fn with_copy(hit: Fault, copies: usize) -> HistoryFixture {
        let mut fixture = lost_server();
        for mut event in fixture.events.clone() {
            match &mut event.kind {
                EventKind::BackupTaken(taken) => taken.listed.store = "offsite".into(),
                EventKind::VerifierSaid(said) => said.object = "main-1@offsite".into(),
                _other => continue,
            }
            fixture.tell(event.at_us, event.kind);
        }
        let hit = FaultRecord {
            fault: hit,
            ..fixture.history().faults().next().unwrap().clone()
        };
        let fixture = fixture.with(8 * SECOND, EventKind::FaultInjected(hit));
        let mut here = listed(&["main-1"]);
        if let EventKind::BackupsListed { listed, .. } = &mut here {
            let copy = backup().listed.in_store("offsite");
            listed.extend(std::iter::repeat_n(copy, copies));
        }
        fixture.with(26 * SECOND, here)
    }

    #[test]
    fn a_backup_whose_store_is_cut_off_is_open() {
        let closed = with_copy(Fault::CloseStore(CloseStore("offsite".into())), 0);
        let why = "`main-1@offsite`";
        expect(&closed, "backups", Verdict::Unknown, why);
        expect(&closed, "verifier", Verdict::Unknown, why);
    }

    #[test]
    fn a_store_that_is_full_can_be_read() {
        let full = |copies| with_copy(Fault::FillStore(FillStore("offsite".into())), copies);
        expect(&full(1), "backups", Verdict::Pass, "2 backups");
        let why = "`main-1@offsite` was taken, and pg-basebackup does not list it";
        expect(&full(0), "backups", Verdict::Fail, why);
    }
}
