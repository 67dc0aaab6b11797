//! `audit`: every change that is there was audited once, as it was, and nothing else.
//!
//! An entry may tell of a change that is not there when a client did make it: a table
//! brought back to an earlier moment beside a trail that was not. That the change is lost
//! is for the ledger and the RPO to judge.

use super::{CheckResult, Context, Said, any, count};
use crate::{
    ledger::Key,
    measure::view::View,
    observation::{AuditState, Change},
};

pub(super) fn check(context: &Context<'_>, now: &View<'_>) -> Said {
    let audit = now.audit().ok_or("the audit trail was not read")?;
    let made = |change: &&Change| {
        let key = change.key.map(|key| (Key(key), change.version));
        key.is_some_and(|key| context.made.contains(&key))
    };
    let (lost, forged): (Vec<&Change>, Vec<&Change>) = audit.unfounded.first.iter().partition(made);
    let wrong = wrong(audit, forged.len() as u64);
    if !wrong.is_empty() {
        return CheckResult::fail(wrong.join(", "), details(audit, &forged));
    }
    let untold = audit.unfounded.count - lost.len() as u64;
    if untold > 0 {
        let what = "entries of changes that are not there were too many to be looked up";
        return Err(format!("{untold} {what}"));
    }
    let also = match lost.len() {
        0 => String::new(),
        lost => format!(", and {lost} that clients made and that are lost (see ledger)"),
    };
    match audit.right {
        0 if lost.is_empty() => CheckResult::not_applicable("no client changed an audited table"),
        right => CheckResult::pass(
            any(
                right as usize + lost.len(),
                "change",
                "without its entry, or an entry that tells it otherwise",
            ),
            format!("{} audited{also}", count(right as usize, "change")),
        ),
    }
}

fn wrong(audit: &AuditState, forged: u64) -> Vec<String> {
    let sets = [
        (audit.missing.count, "changes without an entry"),
        (forged, "entries of changes that nobody made"),
        (audit.repeated.count, "changes with more than one entry"),
        (
            audit.different.count,
            "entries that tell another row than there is",
        ),
    ];
    let bad = sets.into_iter().filter(|(count, _)| *count > 0);
    bad.map(|(count, what)| format!("{what}: {count}"))
        .collect()
}

fn details(audit: &AuditState, forged: &[&Change]) -> Vec<String> {
    let sets: [(&str, Vec<&Change>); 4] = [
        ("missing", audit.missing.first.iter().collect()),
        ("nobody's", forged.to_vec()),
        ("repeated", audit.repeated.first.iter().collect()),
        ("different", audit.different.first.iter().collect()),
    ];
    let line = |what: &str, one: &Change| {
        let (table, key, version) = (&one.table, &one.request_id, one.version);
        format!("{what}: {table} {key}, version {version}")
    };
    sets.iter()
        .flat_map(|(what, changes)| changes.iter().map(|change| line(what, change)))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        observation::{AuditState, Change, Changes},
    };

    fn bent(bend: impl Fn(&mut AuditState)) -> HistoryFixture {
        salvage().bend(Moment::After, |seen| {
            if let Observation::Audit(audit) = seen {
                bend(audit);
            }
        })
    }

    fn changes(key: Option<u64>) -> Changes {
        let change = Change {
            table: "app.orders".into(),
            request_id: "4711".into(),
            version: 0,
            key,
        };
        Changes {
            count: 1,
            first: vec![change],
        }
    }

    #[test]
    fn a_trail_that_is_not_the_changes_is_red() {
        let missing = bent(|audit| audit.missing = changes(None));
        let why = "changes without an entry: 1";
        expect(&missing, "audit", Verdict::Fail, why);
        let forged = bent(|audit| audit.unfounded = changes(Some(4711)));
        let why = "entries of changes that nobody made: 1";
        expect(&forged, "audit", Verdict::Fail, why);
        let repeated = bent(|audit| audit.repeated = changes(None));
        expect(&repeated, "audit", Verdict::Fail, "more than one entry");
        let different = bent(|audit| audit.different = changes(None));
        expect(&different, "audit", Verdict::Fail, "tell another row");
    }

    #[test]
    fn an_entry_of_a_lost_change_is_no_forgery() {
        let key = salvage().ledger[0].key.0;
        let lost = bent(|audit| audit.unfounded = changes(Some(key)));
        expect(&lost, "audit", Verdict::Pass, "and 1 that clients made");
        let many = bent(|audit| {
            audit.unfounded = Changes {
                count: 9,
                ..changes(Some(key))
            }
        });
        expect(&many, "audit", Verdict::Unknown, "8 entries");
    }

    #[test]
    fn a_trail_nobody_read_is_unknown() {
        let blind = salvage().unseen(Moment::After, |seen| matches!(seen, Observation::Audit(_)));
        expect(&blind, "audit", Verdict::Unknown, "not read");
    }
}
