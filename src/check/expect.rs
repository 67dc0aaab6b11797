//! The outcome of a drill: its verdict held against what its scenario expects.
//!
//! Where nothing is expected to fail, the outcome is the verdict. Otherwise the drill
//! passes only if exactly the named findings fail, each for the named reason, and
//! whatever could not be told follows from one of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, Verdict},
    scenario::plan::Expect,
};

/// What a drill came to against the expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Pass: as expected.
    pub verdict: Verdict,
    /// What is not as expected, a line each.
    pub reasons: Vec<String>,
    /// Findings that were to fail and did, for the named reason.
    pub expected: Vec<String>,
}

pub fn outcome(findings: &[Finding], expect: &Expect) -> Outcome {
    let deviations: Vec<(Verdict, String)> = expect
        .fail
        .iter()
        .filter_map(|(id, text)| missing(findings, id, text))
        .chain(
            findings
                .iter()
                .filter_map(|finding| surplus(findings, finding, expect)),
        )
        .collect();
    let worst = deviations.iter().map(|(verdict, _)| *verdict).max();
    let nothing = findings.is_empty();
    Outcome {
        verdict: worst.unwrap_or(if nothing {
            Verdict::Unknown
        } else {
            Verdict::Pass
        }),
        reasons: deviations.into_iter().map(|(_, reason)| reason).collect(),
        expected: expect
            .fail
            .keys()
            .filter(|id| is_red(findings, id))
            .cloned()
            .collect(),
    }
}

fn is_red(findings: &[Finding], id: &str) -> bool {
    findings
        .iter()
        .any(|finding| finding.id == id && finding.verdict == Verdict::Fail)
}

/// A finding that was to fail and did not, or not for the named reason.
fn missing(findings: &[Finding], id: &str, text: &str) -> Option<(Verdict, String)> {
    let same = || findings.iter().filter(|finding| finding.id == id);
    let red = || same().filter(|finding| finding.verdict == Verdict::Fail);
    if red().any(|finding| says(finding, text)) {
        return None;
    }
    let (verdict, why) = match (red().next(), same().next()) {
        (Some(red), _) => {
            let why = format!("failed, but not because of \"{text}\": {}", red.message);
            (Verdict::Fail, why)
        }
        (None, Some(open)) if open.verdict == Verdict::Unknown => {
            let why = format!("was to fail, can't be told: {}", open.message);
            (Verdict::Unknown, why)
        }
        (None, Some(green)) => {
            let why = format!("was to fail, but passed: {}", green.message);
            (Verdict::Fail, why)
        }
        (None, None) => (Verdict::Unknown, "was to fail, but was not judged".into()),
    };
    Some((verdict, format!("{id}: {why}")))
}

fn says(finding: &Finding, text: &str) -> bool {
    finding.message.contains(text) || finding.details.iter().any(|line| line.contains(text))
}

/// A finding that is not good and was not to be so.
fn surplus(findings: &[Finding], finding: &Finding, expect: &Expect) -> Option<(Verdict, String)> {
    let excused = match finding.verdict {
        Verdict::Pass => true,
        Verdict::Fail => expect.fail.contains_key(&finding.id),
        Verdict::Unknown => {
            // A finding that was to fail is told of by `missing`.
            expect.fail.contains_key(&finding.id) || follows(findings, finding, &expect.fail)
        }
    };
    let told = || match finding.follows_from.as_str() {
        "" => format!("{}: {}", finding.id, finding.message),
        cause => format!("{}: can't be told, follows from {cause}", finding.id),
    };
    (!excused).then(|| (finding.verdict, told()))
}

/// Whether a finding follows, over any number of others, from one that was to fail and did.
fn follows(findings: &[Finding], finding: &Finding, expected: &BTreeMap<String, String>) -> bool {
    let mut id = finding.follows_from.as_str();
    for _hop in 0..findings.len() {
        if expected.contains_key(id) && is_red(findings, id) {
            return true;
        }
        let Some(next) = findings.iter().find(|other| other.id == id) else {
            return false;
        };
        id = &next.follows_from;
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn a_failed_step_can_be_expected() {
        let mut fixture = salvage().failing_at(4, "recovery.conf is not supported");
        fixture
            .plan
            .expect
            .fail
            .insert("restore".into(), "recovery.conf".into());
        let judgement = fixture.judge();
        assert_eq!(judgement.outcome.reasons, Vec::<String>::new());
        assert_eq!(
            (judgement.verdict, judgement.outcome.verdict),
            (Verdict::Fail, Verdict::Pass)
        );
        fixture
            .plan
            .expect
            .fail
            .insert("restore".into(), "disk full".into());
        assert_eq!(fixture.judge().outcome.verdict, Verdict::Fail);
    }

    #[test]
    fn an_expected_failure_that_passes_is_red() {
        let mut fixture = salvage();
        fixture
            .plan
            .expect
            .fail
            .insert("rpo.oa".into(), String::new());
        let judgement = fixture.judge();
        assert_eq!(judgement.outcome.verdict, Verdict::Fail);
        assert!(judgement.outcome.reasons[0].contains("was to fail, but passed"));
    }
}
