//! How far back a loss reaches: to the newest backup, or to where archiving stopped.

use crate::{
    check::{Context, archive},
    event::{EventKind, FaultRecord},
    measure::{drill_history::told, rpo::time},
};

/// A full backup's last WAL was written at most so long before it was told to have ended.
const BACKUP_END_US: u64 = 1_000_000;

/// What a loss of this length is as old as, in words.
pub(super) fn of(
    context: &Context<'_>,
    fault: &FaultRecord,
    measured: u64,
) -> impl Iterator<Item = String> + use<> {
    let all = [
        backup(context, fault, measured),
        archiving_stopped(context, fault, measured),
    ];
    all.into_iter().flatten()
}

/// A loss as old as the newest backup: the archive was of no use. A backup is known to have
/// ended some time after its last WAL.
fn backup(context: &Context<'_>, fault: &FaultRecord, measured: u64) -> Option<String> {
    let boundary = fault.began_us;
    let ended = told!(context.history.events, event, EventKind::BackupTaken(backup)
        if backup.listed.is_whole() => event.at_us);
    let mut ended = ended.filter(|at_us| *at_us <= boundary);
    let age = boundary - ended.next_back()?;
    (measured + BACKUP_END_US >= age)
        .then(|| format!("everything since the newest backup, {} before", time(age)))
}

/// A loss as old as the archive's first refusal, as far as samples a second apart can tell.
fn archiving_stopped(context: &Context<'_>, fault: &FaultRecord, measured: u64) -> Option<String> {
    let (since, last) = archive::stopped(context, &fault.server, fault.began_us)?;
    let age = fault.began_us - since;
    (measured >= age).then(|| {
        format!(
            "everything since archiving stopped, {} before; the last segment archived is {last}",
            time(age)
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::check::testing::*;

    /// What is told of the agent's loss.
    fn told(fixture: &HistoryFixture) -> String {
        finding(&fixture.judge(), "rpo.agent").details.join("\n")
    }

    #[test]
    fn a_loss_since_the_newest_backup_says_so() {
        let mut since = lost_server();
        for event in &mut since.events {
            if matches!(event.kind, EventKind::BackupTaken(_)) {
                event.at_us = 11_900_000;
            }
        }
        let told = told(&since.in_order());
        let text = "everything since the newest backup, ";
        assert!(told.contains(text), "{told}");
    }

    fn stands(archive_failures: u64) -> EventKind {
        EventKind::WalPosition(WalPosition {
            server: "primary".into(),
            lsn: 0x400_0000,
            last_archived: "000000010000000000000002".into(),
            archive_failures,
            took_us: 0,
            arrived: BTreeMap::new(),
            written: BTreeMap::new(),
        })
    }

    #[test]
    fn a_loss_since_archiving_stopped_says_so() {
        let refused = |refused_us: u64| {
            let fixture = lost_server().with(11 * SECOND, stands(0));
            told(&fixture.with(refused_us, stands(2)))
        };
        let text = "everything since archiving stopped, 100ms before; the last segment \
                    archived is 000000010000000000000002";
        assert!(refused(11_900_000).contains(text));
        assert!(!refused(11_100_000).contains("archiving stopped"));
    }
}
