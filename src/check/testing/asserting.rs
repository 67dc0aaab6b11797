//! What tests say of a judgement.

use pgdrill::{
    check::Judgement,
    event::Moment,
    finding::{Finding, Verdict},
    observation::{Observation, TableState},
};

use super::HistoryFixture;

#[track_caller]
pub fn finding<'j>(judgement: &'j Judgement, id: &str) -> &'j Finding {
    let found = judgement.findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("no finding `{id}`"))
}

/// The verdict of one finding, and that nothing else is red.
#[track_caller]
pub fn expect(fixture: &HistoryFixture, id: &str, verdict: Verdict, text: &str) {
    let judgement = fixture.judge();
    let found = finding(&judgement, id);
    assert_eq!(found.verdict, verdict, "{id}: {}", found.message);
    assert!(found.message.contains(text), "{id}: {}", found.message);
    let others = judgement.findings.iter().filter(|one| one.id != id);
    let red: Vec<_> = others.filter(|one| one.verdict == Verdict::Fail).collect();
    assert!(red.is_empty(), "{red:#?}");
}

/// Bends what was seen of `app.users` after the last step.
pub fn users(fixture: HistoryFixture, bend: impl Fn(&mut TableState)) -> HistoryFixture {
    fixture.bend(Moment::After, |seen| {
        if let Observation::Tables(tables) = seen {
            bend(tables.get_mut("app.users").unwrap());
        }
    })
}
