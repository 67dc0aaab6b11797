//! `backups`: what was taken is what its tool lists, for as long as no retention removed it.
//!
//! Whether a listed backup can be restored is the finding of the step that restores it.

use super::{Context, any, count};
use crate::{
    event::{EventKind, Listed},
    finding::Finding,
    measure::drill_history::told,
};

const ID: &str = "backups";

/// Whether every backup was listed.
pub(super) fn check(context: &Context<'_>) -> Result<Finding, String> {
    let taken = taken(context);
    if taken.is_empty() {
        return Err("no backup was taken".into());
    }
    let wrong: Vec<String> = taken
        .iter()
        .filter_map(|one| one.unlisted(context))
        .collect();
    if let Some(first) = wrong.first() {
        return Ok(Finding::fail(ID, first).details(wrong.clone()));
    }
    if let Some(unasked) = taken
        .iter()
        .find(|one| one.listings(context).next().is_none())
    {
        let (label, tool) = (&unasked.listed.label, &unasked.listed.tool);
        let message = format!("{tool} was not asked what it has since `{label}` was taken");
        return Ok(context.unknown(ID, message));
    }
    let message = format!(
        "{} taken, each as its tool lists it",
        count(taken.len(), "backup")
    );
    let at_stake = any(taken.len(), "backup", "that its tool does not list");
    Ok(Finding::pass(ID, at_stake, message))
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
    /// What its tool listed later, until retention removed it or another backup was taken, by
    /// which a tool may apply its own.
    fn listings(&self, context: &Context<'a>) -> impl Iterator<Item = &'a [Listed]> {
        let label = self.listed.label.as_str();
        let name = self.name;
        let later = context
            .history
            .events
            .iter()
            .filter(|event| event.seq > self.seq);
        let kept = later.take_while(move |event| match &event.kind {
            EventKind::RetentionApplied {
                removed_backups, ..
            } => !removed_backups.iter().any(|removed| removed == label),
            EventKind::BackupTaken(other) => other.backup != name,
            _other => true,
        });
        kept.filter_map(move |event| match &event.kind {
            EventKind::BackupsListed { backup, listed } if backup == name => {
                Some(listed.as_slice())
            }
            _other => None,
        })
    }

    /// What is wrong, if it was not listed when it had to be.
    fn unlisted(&self, context: &Context<'a>) -> Option<String> {
        let Listed { label, tool, .. } = self.listed;
        let has = |listed: &[Listed]| listed.iter().any(|one| one.label == *label);
        let mut listings = self.listings(context);
        if !has(listings.next()?) {
            return Some(format!("`{label}` was taken, and {tool} does not list it"));
        }
        listings
            .any(|listed| !has(listed))
            .then(|| format!("{tool} no longer lists `{label}`, though no retention removed it"))
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    fn listed(labels: &[&str]) -> EventKind {
        let one = |label: &&str| {
            let mut listed = backup().listed;
            listed.label = (*label).to_owned();
            listed
        };
        EventKind::BackupsListed {
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

    #[test]
    fn what_retention_removed_need_not_be_listed() {
        let removed = EventKind::RetentionApplied {
            removed_backups: vec!["main-1".into()],
            removed_wal: vec![],
        };
        let fixture = lost_server()
            .with(8 * SECOND, removed)
            .with(9 * SECOND, listed(&[]));
        assert_eq!(finding(&fixture.judge(), "backups").verdict, Verdict::Pass);
    }
}
