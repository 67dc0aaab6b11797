//! What is told of a run: what it came to, and what is wrong.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{
    finding::Verdict,
    report::{RunSummary, brief},
    text::on_one_line,
};

/// Why a run is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// One that fails or is unknown
    Miss,
    /// One that passes after one that did not
    Recovery,
    /// Every other one that passes
    Pass,
}

impl Event {
    /// Of a run, by its outcome and that of the run before it.
    pub fn of(outcome: Verdict, before: Option<Verdict>) -> Self {
        match (outcome, before) {
            (Verdict::Fail | Verdict::Unknown, _) => Self::Miss,
            (Verdict::Pass, Some(Verdict::Fail | Verdict::Unknown)) => Self::Recovery,
            (Verdict::Pass, Some(Verdict::Pass) | None) => Self::Pass,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Recovery => "recovery",
            Self::Pass => "pass",
        }
    }
}

/// A message about a run.
#[derive(Clone, Debug)]
pub struct Message {
    head: String,
    lines: Vec<String>,
    json: Value,
}

impl Message {
    /// About a run, the worst drills first.
    pub fn of(run: &RunSummary, event: Event) -> Self {
        let (mut lines, mut wrong) = (Vec::new(), Vec::new());
        for drill in brief::wrong(&brief::worst_first(run)) {
            for finding in brief::told(drill) {
                let (word, message) = (finding.verdict.word(), on_one_line(&finding.message));
                lines.push(format!("{word} {}: {}: {message}", drill.drill, finding.id));
                wrong.push(json!({
                    "drill": drill.drill, "finding": finding.id, "verdict": word, "message": message,
                }));
            }
            for reason in brief::other_reasons(drill) {
                lines.push(format!("{}: {}", drill.drill, on_one_line(reason)));
                wrong.push(json!({
                    "drill": drill.drill, "finding": null, "verdict": "fail", "message": on_one_line(reason),
                }));
            }
        }
        let again = if event == Event::Recovery {
            " again"
        } else {
            ""
        };
        let totals = brief::totals(run);
        let head = format!(
            "pgdrill: {}{again}\n{totals}, run {}",
            brief::mark(run.outcome),
            run.run
        );
        let json = json!({
            "event": event.word(), "outcome": run.outcome.word(), "run": run.run, "began": run.began,
            "totals": totals, "wrong": wrong, "pgdrill": run.pgdrill,
        });
        Self { head, lines, json }
    }

    /// About a run that came to no report, with why.
    pub fn of_failure(why: &str) -> Self {
        let outcome = Verdict::Unknown;
        let json = json!({
            "event": Event::Miss.word(), "outcome": outcome.word(), "run": null, "began": null,
            "totals": why, "wrong": [], "pgdrill": env!("CARGO_PKG_VERSION"),
        });
        Self {
            head: format!("pgdrill: {}\n{why}", brief::mark(outcome)),
            lines: Vec::new(),
            json,
        }
    }

    /// In words, of no more than so many bytes.
    pub(super) fn text(&self, limit: usize) -> String {
        let mut text = self.head.clone();
        for (at, line) in self.lines.iter().enumerate() {
            let more = format!("\n… and {} more", self.lines.len() - at);
            let fits = text.len() + 1 + line.len() + more.len() <= limit;
            text.push_str(&if fits { format!("\n{line}") } else { more });
            if !fits {
                break;
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        self.json.clone()
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;
    use crate::{
        finding::Finding,
        report::{DrillReport, run::Judged},
    };

    fn drill(name: &str, outcome: Verdict, findings: Vec<Finding>) -> DrillReport {
        DrillReport {
            drill: name.into(),
            judged: Judged {
                verdict: outcome,
                outcome,
                ..Judged::default()
            },
            findings,
            ..DrillReport::default()
        }
    }

    /// Of a run with one drill that passed, one that is open and one that failed.
    pub fn message() -> Message {
        let lost = Finding::fail("rpo.oa", "lost 6m <of> 5m & more");
        let open = Finding::unknown("restore", "nothing was restored");
        let mut run = RunSummary::new(
            "20260301T020000Z-a",
            vec![
                drill("server-lost-pg17", Verdict::Pass, Vec::new()),
                drill("stores-lost-pg17", Verdict::Unknown, vec![open]),
                drill("oa-lost-pg17", Verdict::Fail, vec![lost]),
            ],
        );
        run.pgdrill = "0.0.0".into();
        Message::of(&run, Event::of(run.outcome, Some(Verdict::Pass)))
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::message, *};

    #[test]
    fn a_run_is_missed_until_it_recovers() {
        let of = |outcome, before| Event::of(outcome, before).word();
        assert_eq!(of(Verdict::Fail, None), "miss");
        assert_eq!(of(Verdict::Unknown, Some(Verdict::Pass)), "miss");
        assert_eq!(of(Verdict::Pass, Some(Verdict::Unknown)), "recovery");
        assert_eq!(of(Verdict::Pass, Some(Verdict::Pass)), "pass");
        assert_eq!(of(Verdict::Pass, None), "pass");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let message = message();
        let whole = message.text(10_000);
        assert!(
            whole.contains("\nfail oa-lost-pg17: rpo.oa: lost 6m"),
            "{whole}"
        );
        assert_eq!(whole.lines().count(), 4);
        let shortest = message.text(0);
        assert!(shortest.ends_with("\n… and 2 more"), "{shortest}");
        let limit = whole.len() - 1;
        assert!(message.text(limit).len() <= limit);
    }
}
