//! `collations`: every database and collation has the version that its provider has. With another
//! one text is in another order than its indexes were made by: rows are not found, or twice.

use super::{CheckResult, Said, any, count};
use crate::{measure::view::View, observation::Collation};

pub(super) fn check(now: &View<'_>) -> Said {
    let seen = now
        .collations()
        .ok_or("the collation versions were not read")?;
    let (looked_at, different) = (seen.looked_at as usize, &seen.different);
    if different.is_empty() {
        let at_stake = any(looked_at, "version", "not its provider's");
        let looked = count(looked_at, "collation version");
        return CheckResult::pass(at_stake, format!("{looked} as the providers have them"));
    }
    let lines: Vec<String> = different.iter().map(line).collect();
    let message = format!(
        "{} not its provider's: {} (hint: REINDEX, then REFRESH VERSION)",
        count(lines.len(), "collation version"),
        lines[0]
    );
    CheckResult::fail(message, lines)
}

fn line(one: &Collation) -> String {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".into());
    let (recorded, actual) = (version(&one.recorded), version(&one.actual));
    format!(
        "{} has version {recorded}, its provider {actual}",
        one.object
    )
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, observation::Collation};

    fn differing(moment: Moment) -> HistoryFixture {
        salvage().bend(moment, |seen| {
            if let Observation::Collations(seen) = seen {
                seen.different.push(Collation {
                    object: "database `app`".into(),
                    recorded: None,
                    actual: Some("2.36".into()),
                });
            }
        })
    }

    #[test]
    fn a_version_that_is_not_the_providers_is_red() {
        let why = "database `app` has version none, its provider 2.36";
        expect(&differing(Moment::After), "collations", Verdict::Fail, why);
        let unread = |seen: &Observation| matches!(seen, Observation::Collations(_));
        let blind = salvage().unseen(Moment::After, unread);
        expect(&blind, "collations", Verdict::Unknown, "not read");
    }

    #[test]
    fn one_that_was_wrong_before_is_no_fault_of_the_backup() {
        let fixture = differing(Moment::Before);
        expect(
            &fixture,
            "steady-state",
            Verdict::Unknown,
            "its provider 2.36",
        );
    }
}
