//! Judging: (plan, history, ledger, readback) → findings → verdict.
//!
//! One file a check, each a pure function over what probes saw before the fault and
//! see now; `comparison` decides which servers are compared, `reconciliation` opens the ledger,
//! `drill` puts it all together. Figures come from `measure/`; nothing here runs, prints or
//! renders.

mod access;
mod amcheck;
mod archive;
mod audit;
mod backups;
mod business;
mod catalog;
mod checksums;
mod client_rows;
mod collations;
mod comparison;
mod differences;
mod digests;
mod drill;
mod evidence;
pub mod expect;
mod fault;
mod gate;
mod ledger;
mod objectives;
mod performance;
mod permissions;
mod reconciliation;
mod recovery;
mod rows;
mod sequences;
mod server_log;
mod settings;
mod steady_state;
mod steps;
mod stores;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
pub mod verifiers;

pub use drill::{JudgeError, Judgement, judge, read_plan};

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    finding::{AtStake, Finding},
    measure::{
        account::RowVersion,
        drill_history::DrillHistory,
        recovery::{Recovery, recoveries},
        row_images::Sets,
        view::{self, View},
    },
};

#[derive(Clone, Debug, PartialEq)]
pub enum CheckResult {
    /// It holds: what would have made it fail, what was looked at, in one line, and the figures.
    Pass(AtStake, String, Vec<String>),
    /// It does not hold: why, and the particulars.
    Fail(String, Vec<String>),
    /// It makes no sense for this strategy: why.
    NotApplicable(String),
}

/// What a check says; an error says why it can't be told.
type Said = Result<CheckResult, String>;

impl CheckResult {
    /// It holds, and one line tells all of it.
    fn pass(at_stake: AtStake, message: impl Into<String>) -> Said {
        Self::pass_with(at_stake, message, Vec::new())
    }

    /// It holds. Where nothing could have made it fail, it can't be told.
    fn pass_with(at_stake: AtStake, message: impl Into<String>, details: Vec<String>) -> Said {
        let message = message.into();
        match at_stake.missing() {
            Some(why) => Err(format!("{message}: {why}")),
            None => Ok(Self::Pass(at_stake, message, details)),
        }
    }

    fn fail(message: impl Into<String>, details: Vec<String>) -> Said {
        Ok(Self::Fail(message.into(), details))
    }

    fn not_applicable(why: &str) -> Said {
        Ok(Self::NotApplicable(why.into()))
    }
}

/// Everything a check may look at beside the two views it compares.
#[derive(Debug)]
pub struct Context<'a> {
    pub history: DrillHistory<'a>,
    pub recoveries: Vec<Recovery<'a>>,
    pub views: Vec<View<'a>>,
    /// Of the changes that an audit trail alone tells of, those that a client made.
    pub made: BTreeSet<RowVersion>,
    /// What became of the rows that clients left, by table; none where nobody had to look, an
    /// error where somebody should have.
    pub client_rows: Result<Option<BTreeMap<String, Sets>>, String>,
}

impl<'a> Context<'a> {
    pub fn new(history: DrillHistory<'a>) -> Self {
        let views = view::views(&history);
        Self {
            recoveries: recoveries(&history),
            history,
            views,
            made: BTreeSet::new(),
            client_rows: Ok(None),
        }
    }

    /// The recovery that a view belongs to, by the step that looked: its position.
    fn recovery_of(&self, view: &View<'_>) -> usize {
        let steps = self.history.steps();
        let began = view.step.and_then(|step| steps.get(step)?.began_us);
        let held = |at: u64| self.recoveries.iter().rposition(|one| one.holds(at));
        began.and_then(held).unwrap_or(0)
    }

    fn is_last(&self, recovery: usize) -> bool {
        recovery + 1 >= self.recoveries.len()
    }

    /// Id of the finding of the step that failed; none when none failed.
    pub fn failed_step(&self) -> Option<&'static str> {
        let (index, _) = self.history.failed_step()?;
        Some(self.history.plan.steps.get(index)?.action.word())
    }

    /// Id of the finding that says why the drill ended early: the step that failed, or
    /// `evidence` when it was cancelled, killed or could not be set up.
    fn cut_short_by(&self) -> Option<&'static str> {
        let completed = evidence::ended(self).is_some_and(|(completed, _)| completed);
        self.failed_step()
            .or_else(|| (!completed).then_some("evidence"))
    }

    /// A finding that can't be told, because of what ended the drill early if anything did.
    pub fn unknown(&self, id: impl Into<String>, message: impl Into<String>) -> Finding {
        let finding = Finding::unknown(id, message);
        let cause = self.cut_short_by().filter(|cause| *cause != finding.id);
        finding.follows_from(cause.unwrap_or_default())
    }
}

/// What was at stake: any of so many things, and how one of them would have failed.
pub(crate) fn any(n: usize, one: &str, how: &str) -> AtStake {
    let things = match n {
        1 => format!("the {one}"),
        _ => format!("any of {}", count(n, one)),
    };
    AtStake::any(n, format!("{things} {how}"))
}

/// Those of which there are any: `2 missing`.
fn counted<const N: usize>(sets: [(u64, &str); N]) -> Vec<String> {
    let any = sets.into_iter().filter(|(count, _)| *count > 0);
    any.map(|(count, what)| format!("{count} {what}")).collect()
}

/// Plural or not: `1 table`, `2 tables`.
pub(crate) fn count(n: usize, one: &str) -> String {
    let plural = match one.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if one.ends_with('x') => format!("{one}es"),
        None => format!("{one}s"),
    };
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {plural}")
    }
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, observation::Probe, scenario::plan::CheckKind};

    #[test]
    fn every_finding_of_a_good_drill_passes() {
        for fixture in [salvage(), lost_server()] {
            let judgement = fixture.judge();
            for kind in CheckKind::ALL
                .into_iter()
                .filter(|kind| *kind != CheckKind::Ledger)
            {
                assert_eq!(finding(&judgement, kind.name()).verdict, Verdict::Pass);
            }
            for id in [
                "steps",
                "fault",
                "steady-state",
                "evidence",
                "leak",
                "ledger.oa",
                "ledger.agent",
            ] {
                assert_eq!(finding(&judgement, id).verdict, Verdict::Pass, "{id}");
            }
        }
    }

    #[test]
    fn a_server_that_cannot_be_reached_leaves_every_check_open() {
        let gone = EventKind::ProbeFailed {
            moment: Moment::After,
            server: "primary".into(),
            probe: Probe::All,
            error: "connection refused".into(),
        };
        let silent = salvage()
            .unseen(Moment::After, |_all| true)
            .with(27 * SECOND, gone);
        for id in ["rows", "business", "archive"] {
            expect(&silent, id, Verdict::Unknown, "connection refused");
        }
        expect(&silent, "ledger.oa", Verdict::Unknown, "connection refused");
    }
}
