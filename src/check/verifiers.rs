//! `verifier`: what the tools' own verifiers said of the backups, and that word on trial.
//!
//! A "bad" fails the drill unless it is expected, however well the restore went: recovery may
//! have healed what is damaged, or nobody read it. The truth that a word is held against is what
//! became of the servers restored from that very backup. It claims no more than was looked at.

use serde::{Deserialize, Serialize};

use super::{CheckResult, Context, any, comparison::judge_view, count, stores};
use crate::{
    event::{EventKind, Moment, VerifierSaid},
    finding::{Finding, Verdict},
    measure::{
        drill_history::told,
        view::{self, View},
    },
    scenario::plan::CheckKind,
    store::{name_and_store, named_at},
};

const ID: &str = "verifier";

/// What the content of a restored server is judged by.
const CONTENT: [CheckKind; 4] = [
    CheckKind::Digests,
    CheckKind::Catalog,
    CheckKind::Amcheck,
    CheckKind::Checksums,
];

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The verifier, e.g. `pg_verifybackup`.
    pub tool: String,
    pub object: String,
    pub said_good: bool,
    /// Pass: a restore from it worked and the content was right. Fail: not. Unknown: nobody
    /// restored it, its content was not compared, or it was right although the verifier says bad.
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

impl VerifierSaid {
    fn when(&self) -> &'static str {
        match self.again {
            true => " at the end",
            false => " as it was taken",
        }
    }

    fn line(&self) -> String {
        let first = self.output.lines().next().unwrap_or("it printed nothing");
        let (tool, object, when) = (&self.tool, &self.object, self.when());
        match self.good {
            Some(true) => format!("`{tool}` calls `{object}` good{when}"),
            Some(false) => format!("`{tool}` calls `{object}` bad{when}: {first}"),
            None => format!("`{tool}` could not look at `{object}`{when}: {first}"),
        }
    }
}

fn words<'a>(context: &Context<'a>) -> Vec<&'a VerifierSaid> {
    let said = told!(context.history.events, EventKind::VerifierSaid(said) => said);
    said.collect()
}

/// Whether every word is "good".
pub(super) fn check(context: &Context<'_>) -> Result<Finding, String> {
    let words = words(context);
    let of = |good: Option<bool>| words.iter().find(move |word| word.good == good);
    let lines = words.iter().map(|word| word.line());
    if let Some(bad) = of(Some(false)) {
        return Ok(Finding::fail(ID, bad.line()).details(lines));
    }
    if let Some(open) = of(None) {
        return Ok(context.unknown(ID, open.line()).details(lines));
    }
    if words.is_empty() {
        return Err("no backup has a manifest, or a table of contents, to be held against".into());
    }
    let hidden = |word: &&&VerifierSaid| stores::is_closed(context, name_and_store(&word.object).1);
    if let Some(hidden) = words.iter().find(hidden) {
        let object = &hidden.object;
        let message = format!("nobody could look at `{object}` in the end: its store is cut off");
        return Ok(context.unknown(ID, message).details(lines));
    }
    let looks = count(words.len(), "look");
    let at_stake = any(
        words.len(),
        "look",
        "at a backup that is not as its tool left it",
    );
    let message = format!("the tools' own verifiers call every backup good ({looks})");
    Ok(Finding::pass(ID, at_stake, message).details(lines))
}

pub(super) fn trials(context: &Context<'_>) -> Vec<Trial> {
    let words = words(context).into_iter();
    let trial = |word: &VerifierSaid| {
        let said_good = word.good?;
        let (truth, because) = truth(context, &word.object, said_good);
        Some(Trial {
            tool: word.tool.clone(),
            object: word.object.clone(),
            said_good,
            truth,
            because,
        })
    };
    words.filter_map(trial).collect()
}

fn truth(context: &Context<'_>, label: &str, said_good: bool) -> (Verdict, String) {
    let restores = context.history.restores();
    let servers: Vec<&str> = restores
        .filter(|(_, restore)| named_at(&restore.store, &restore.backup) == label)
        .map(|(_, restore)| restore.server.as_str())
        .collect();
    if servers.is_empty() {
        return not_restored(context);
    }
    let worst = servers.iter().map(|server| restored(context, server));
    let worst = worst.max_by_key(|(verdict, _)| *verdict);
    match worst.unwrap_or((Verdict::Unknown, String::new())) {
        (Verdict::Pass, because) if !said_good => {
            let because = format!("{because}; replay may have healed the rest, or nobody read it");
            (Verdict::Unknown, because)
        }
        told => told,
    }
}

fn not_restored(context: &Context<'_>) -> (Verdict, String) {
    let history = &context.history;
    let failed = history.failed_step();
    let failed = failed.and_then(|(step, _)| history.plan.steps.get(step)?.action.restore());
    let failed = failed.is_some_and(|restore| history.has_server(&restore.into));
    let backups = told!(history.events, EventKind::BackupTaken(backup) => backup);
    let backups = backups.filter(|backup| backup.listed.is_whole()).count();
    if failed && backups == 1 {
        return (Verdict::Fail, "the restore from it failed".into());
    }
    (Verdict::Unknown, "nobody restored it".into())
}

/// What was seen of a server restored from it.
fn restored(context: &Context<'_>, server: &str) -> (Verdict, String) {
    let mut gates = context.views.iter().rev();
    let gate = |view: &&View<'_>| view.moment == Moment::Gate && view.server == server;
    let seen = view::after(&context.views, server).or_else(|| gates.find(gate));
    let (Some(before), Some(now)) = (view::steady(&context.views), seen) else {
        let because = format!("restored as `{server}`, whose content was not compared");
        return (Verdict::Unknown, because);
    };
    let made = CONTENT
        .into_iter()
        .filter(|kind| context.history.plan.checks.contains(kind));
    let kinds: Vec<CheckKind> = made.collect();
    content(context, &kinds, before, now)
}

fn content(
    context: &Context<'_>,
    kinds: &[CheckKind],
    before: &View<'_>,
    now: &View<'_>,
) -> (Verdict, String) {
    let server = now.server;
    let said = |kind: &CheckKind| match judge_view(*kind, context, before, now) {
        Ok(CheckResult::Fail(why, _)) => Some((Verdict::Fail, format!("{}: {why}", kind.name()))),
        Err(why) => Some((Verdict::Unknown, format!("{}: {why}", kind.name()))),
        Ok(CheckResult::Pass(..) | CheckResult::NotApplicable(_)) => None,
    };
    if let Some(worst) = kinds
        .iter()
        .filter_map(said)
        .max_by_key(|(verdict, _)| *verdict)
    {
        return worst;
    }
    if !kinds.contains(&CheckKind::Digests) {
        let because = format!("restored as `{server}`, whose content was not compared");
        return (Verdict::Unknown, because);
    }
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let because = format!("restored as `{server}`, as before by {}", names.join(", "));
    (Verdict::Pass, because)
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    fn saying(mut fixture: HistoryFixture, word: Option<bool>) -> HistoryFixture {
        for event in &mut fixture.events {
            if let EventKind::VerifierSaid(said) = &mut event.kind {
                said.good = word;
                said.output = "error: checksum mismatch for file \"base/1/2\"".into();
            }
        }
        fixture
    }

    #[test]
    fn verifiers_are_held_against_the_truth_of_that_backup() {
        let right = lost_server().judge();
        assert_eq!(right.trials[0].right(), Some(true));
        let wrong = users(lost_server(), |table| table.digest = "ff".into()).judge();
        assert_eq!(wrong.trials[0].right(), Some(false));
        // Production is as before: that says nothing of what the scratch server had.
        let scratch = salvage().judge();
        assert_eq!(scratch.trials[0].right(), None);
        assert!(scratch.trials[0].because.contains("`scratch`"));
    }

    #[test]
    fn bad_is_red_though_everything_came_home() {
        let bad = saying(lost_server(), Some(false));
        let why = "`pg_verifybackup` calls `main-1` bad as it was taken: error: checksum mismatch";
        expect(&bad, "verifier", Verdict::Fail, why);
        let trial = &bad.judge().trials[0];
        assert_eq!((trial.right(), trial.truth), (None, Verdict::Unknown));
        assert!(trial.because.contains("replay may have healed"));
    }

    #[test]
    fn a_backup_damaged_after_it_was_taken_is_red() {
        let again = VerifierSaid {
            server: "primary".into(),
            tool: "pg_verifybackup".into(),
            object: "main-1".into(),
            good: Some(false),
            again: true,
            output: String::new(),
        };
        let fixture = lost_server().with(26 * SECOND, EventKind::VerifierSaid(again));
        expect(
            &fixture,
            "verifier",
            Verdict::Fail,
            "`main-1` bad at the end",
        );
    }

    #[test]
    fn a_verifier_that_could_not_look_leaves_it_open() {
        expect(
            &saying(lost_server(), None),
            "verifier",
            Verdict::Unknown,
            "could not look",
        );
        let silent = lost_server().without(|kind| matches!(kind, EventKind::VerifierSaid(_)));
        let judgement = silent.judge();
        assert!(judgement.not_applicable["verifier"].contains("no backup has a manifest"));
    }
}
