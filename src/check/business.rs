//! `business`: every app role logs in, may do what it may, and is refused what it may not.
//!
//! At a gate a business may still be frozen: an operation of its role that writes, refused with
//! 42501 (insufficient privilege), is then not judged, the view after the last step judges it.
//! Where the role lost its writes on a table of the scenario's own, no operation is excused: the
//! data model's need none of that table.

use super::{CheckResult, Said, any, count};
use crate::{
    event::{Moment, Revoked},
    measure::view::{Frozen, View},
    observation::BusinessResult,
};

const INSUFFICIENT_PRIVILEGE: &str = "42501";

pub(super) fn check(now: &View<'_>) -> Said {
    let results = now.business().ok_or("no business operation was tried")?;
    if results.is_empty() {
        return Err("the data model declares no business operation".into());
    }
    let frozen = |one: &BusinessResult| {
        now.moment == Moment::Gate && now.frozen.values().any(|by| excuses(by, one))
    };
    let wrong = |one: &&BusinessResult| one.expected != one.got && !frozen(one);
    let wrong: Vec<&BusinessResult> = results.iter().filter(wrong).collect();
    if wrong.is_empty() {
        let operations = count(results.len(), "operation");
        return CheckResult::pass(
            any(
                results.len(),
                "operation",
                "that fails, or is permitted and must not be",
            ),
            format!("{operations} permitted or refused as they must be"),
        );
    }
    let line = |one: &&BusinessResult| {
        format!(
            "{} as {}: expected {}, got {}",
            one.name, one.role, one.expected, one.got
        )
    };
    let details: Vec<String> = wrong.iter().map(line).collect();
    let message = format!(
        "{} went wrong: {}",
        count(wrong.len(), "operation"),
        details[0]
    );
    CheckResult::fail(message, details)
}

/// Whether a freeze is why an operation was refused.
fn excuses(frozen: &Frozen<'_>, one: &BusinessResult) -> bool {
    let refused = one.got.starts_with(INSUFFICIENT_PRIVILEGE) && one.writes;
    let of_the_model = matches!(frozen.revoked, Revoked::Membership(_));
    refused && of_the_model && frozen.role == one.role
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn an_operation_that_is_refused_is_red() {
        let refused = salvage().bend(Moment::After, |seen| {
            if let Observation::Business(results) = seen {
                results[0].got = "42501".into();
            }
        });
        expect(
            &refused,
            "business",
            Verdict::Fail,
            "login as app_user: expected rows, got 42501",
        );
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Business(_))
        });
        expect(
            &blind,
            "business",
            Verdict::Unknown,
            "no business operation",
        );
    }
}
