//! Verifiers on trial: what the tools' own verifiers said, beside the truth.
//!
//! The truth about a backup is what a restore from it came to: whether it ran and
//! whether the content was right. A backup nobody restored has no truth yet.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::{
    event::EventKind,
    finding::{Finding, Verdict},
};

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The verifier, e.g. `pg_verifybackup`.
    pub tool: String,
    /// What it looked at.
    pub object: String,
    /// Whether it called the object good.
    pub said_good: bool,
    /// Pass: a restore from it worked and the content was right. Fail: not. Unknown: nobody
    /// restored it, or the content could not be compared.
    pub truth: Verdict,
    /// What the truth rests on.
    pub because: String,
}

impl Trial {
    /// Whether the verifier was right; none when the truth is not known.
    pub fn right(&self) -> Option<bool> {
        match self.truth {
            Verdict::Pass => Some(self.said_good),
            Verdict::Fail => Some(!self.said_good),
            Verdict::Unknown => None,
        }
    }
}

/// The table.
pub(super) fn trials(context: &Context<'_>, findings: &[Finding]) -> Vec<Trial> {
    let said = context.story.events.iter().filter_map(|event| {
        let EventKind::VerifierSaid {
            tool, object, good, ..
        } = &event.kind
        else {
            return None;
        };
        Some((tool, object, *good))
    });
    said.map(|(tool, object, said_good)| {
        let (truth, because) = truth(context, findings, object);
        Trial {
            tool: tool.clone(),
            object: object.clone(),
            said_good,
            truth,
            because,
        }
    })
    .collect()
}

fn truth(context: &Context<'_>, findings: &[Finding], label: &str) -> (Verdict, String) {
    let restored = context
        .story
        .restores()
        .any(|(_, restore)| restore.backup == label);
    let restore_failed = context.story.failed_step().is_some_and(|(index, _)| {
        let step = context.story.plan.steps.get(index);
        step.is_some_and(|step| step.action.word() == "restore")
    });
    let backups = context.story.events.iter().filter(
        |event| matches!(&event.kind, EventKind::BackupTaken(backup) if backup.kind == "full"),
    );
    if !restored && restore_failed && backups.count() == 1 {
        return (Verdict::Fail, "the restore from it failed".into());
    }
    if !restored {
        return (Verdict::Unknown, "nobody restored it".into());
    }
    match findings.iter().find(|finding| finding.id == "digests") {
        Some(Finding {
            verdict: Verdict::Pass,
            ..
        }) => (Verdict::Pass, "restored, content as before".into()),
        Some(Finding {
            verdict: Verdict::Fail,
            message,
            ..
        }) => (Verdict::Fail, message.clone()),
        Some(_) | None => (Verdict::Unknown, "restored, content not compared".into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn verifiers_are_held_against_the_truth() {
        let right = lost_server().judge();
        assert_eq!(right.trials[0].right(), Some(true));
        let wrong = users(lost_server(), |table| table.digest = "ff".into()).judge();
        assert_eq!(wrong.trials[0].right(), Some(false));
    }
}
