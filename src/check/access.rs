//! `access`: who may log in, and how, is as in the steady state, and no wrong password lets
//! anybody in.

use super::{CheckResult, Said, any, count, differences::without};
use crate::{measure::view::View, observation::AccessState};

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.access().zip(now.access());
    let (was, is) = both.ok_or("the access rules were not read both before and after")?;
    tried(was)?;
    tried(is)?;
    let mut details = let_in(is);
    details.extend(lines("pg_hba.conf", &was.rules, &is.rules));
    details.extend(lines("pg_ident.conf", &was.mappings, &is.mappings));
    details.extend(answers(was, is));
    let Some(first) = details.first() else {
        let (rules, roles) = (was.rules.len(), is.wrong_password.len());
        let (rules, refused) = (count(rules, "rule"), count(roles, "role"));
        return CheckResult::pass(
            any(roles, "role", "let in with a wrong password"),
            format!("{rules} as before, a wrong password refused for {refused}"),
        );
    };
    let message = format!(
        "{} in who may log in: {first}",
        count(details.len(), "difference")
    );
    CheckResult::fail(message, details)
}

/// What the steady state says by itself.
pub(super) fn steady(before: &View<'_>) -> Said {
    let is = before.access().ok_or("the access rules were not read")?;
    tried(is)?;
    let (wrong, roles) = (let_in(is), is.wrong_password.len());
    match wrong.first() {
        Some(first) => CheckResult::fail(first.clone(), wrong),
        None => CheckResult::pass(
            any(roles, "role", "let in with a wrong password"),
            "no wrong password lets anybody in",
        ),
    }
}

/// An error says why it can't be told whether a wrong password is refused.
fn tried(is: &AccessState) -> Result<(), String> {
    if is.wrong_password.is_empty() {
        return Err("no role logs in".into());
    }
    let answered = |got: &str| got == AccessState::LET_IN || got.starts_with("28");
    let odd = is.wrong_password.iter().find(|(_, got)| !answered(got));
    odd.map_or(Ok(()), |(role, got)| {
        Err(format!(
            "a wrong password could not be tried as `{role}`: SQLSTATE {got}"
        ))
    })
}

fn let_in(is: &AccessState) -> Vec<String> {
    let wrong = is.wrong_password.iter();
    let wrong = wrong.filter(|(_, got)| *got == AccessState::LET_IN);
    wrong
        .map(|(role, _)| format!("a wrong password lets `{role}` in"))
        .collect()
}

/// The rule that decides is the first that fits: their order counts.
fn lines(file: &str, was: &[String], is: &[String]) -> Vec<String> {
    if was == is {
        return Vec::new();
    }
    let missing = without(was, is)
        .into_iter()
        .map(|line| format!("missing from {file}: {line}"));
    let added = without(is, was)
        .into_iter()
        .map(|line| format!("added to {file}: {line}"));
    let told: Vec<String> = missing.chain(added).collect();
    match told.is_empty() {
        true => vec![format!("the lines of {file} stand in another order")],
        false => told,
    }
}

/// How each role was refused before and is now: a rule that rejects it is no wrong password.
/// A role that is new or gone is told by `permissions`.
fn answers(was: &AccessState, is: &AccessState) -> Vec<String> {
    let both = was.wrong_password.iter().filter_map(|(role, was)| {
        let is = is.wrong_password.get(role)?;
        let refused = |got: &str| got != AccessState::LET_IN;
        (is != was && refused(is) && refused(was))
            .then(|| format!("`{role}` was refused with {was}, is refused with {is}"))
    });
    both.collect()
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, observation::AccessState};

    fn bent(bend: fn(&mut AccessState)) -> HistoryFixture {
        salvage().bend(Moment::After, move |seen| {
            if let Observation::Access(state) = seen {
                bend(state);
            }
        })
    }

    fn red(why: &str, bend: fn(&mut AccessState)) {
        expect(&bent(bend), "access", Verdict::Fail, why);
    }

    #[test]
    fn a_rule_that_is_new_gone_or_elsewhere_is_red() {
        red("added to pg_hba.conf: host all all all trust", |state| {
            state.rules.insert(0, "host all all all trust".into());
        });
        red("missing from pg_hba.conf: local all all peer", |state| {
            state.rules.remove(0);
        });
        red("another order", |state| state.rules.reverse());
        red("added to pg_hba.conf: local all all peer", |state| {
            state.rules.push(state.rules[0].clone());
        });
        red("added to pg_ident.conf: drill root postgres", |state| {
            state.mappings.push("drill root postgres".into());
        });
    }

    #[test]
    fn a_wrong_password_that_is_not_refused_as_before_is_red() {
        red("a wrong password lets `auditor` in", |state| {
            state
                .wrong_password
                .insert("auditor".into(), AccessState::LET_IN.into());
        });
        red(
            "`auditor` was refused with 28P01, is refused with 28000",
            |state| {
                state
                    .wrong_password
                    .insert("auditor".into(), "28000".into());
            },
        );
    }

    #[test]
    fn what_was_not_tried_is_open() {
        let busy = bent(|state| {
            state
                .wrong_password
                .insert("auditor".into(), "53300".into());
        });
        expect(
            &busy,
            "access",
            Verdict::Unknown,
            "could not be tried as `auditor`",
        );
        let blind = salvage().unseen(Moment::After, |seen| matches!(seen, Observation::Access(_)));
        expect(&blind, "access", Verdict::Unknown, "not read");
    }

    #[test]
    fn a_server_that_let_everybody_in_before_was_not_in_order() {
        let open = salvage().bend(Moment::Before, |seen| {
            if let Observation::Access(state) = seen {
                state
                    .wrong_password
                    .insert("auditor".into(), AccessState::LET_IN.into());
            }
        });
        expect(&open, "steady-state", Verdict::Unknown, "lets `auditor` in");
    }
}
