//! `amcheck`: `pg_amcheck` finds no corruption in heaps and B-trees of any database, and every
//! other index answers as its table does.
//!
//! What could not be looked at in the steady state either, for a function that is found by a
//! `search_path` of its own, say, speaks of no damage and is told.

use std::collections::BTreeMap;

use super::{CheckResult, Said, count};
use crate::{finding::AtStake, measure::view::View, observation::Structure};

/// `pg_amcheck` exits so when it found corruption.
const CORRUPTION: i32 = 2;

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let seen = now.structure().ok_or("`pg_amcheck` was not run")?;
    if ![0, CORRUPTION].contains(&seen.exit) {
        let first = seen.messages.first();
        let first = first.map_or("it printed nothing", String::as_str);
        let exit = seen.exit;
        return Err(format!("`pg_amcheck` ended with exit code {exit}: {first}"));
    }
    let damage = damage(seen);
    if let Some(first) = damage.first() {
        let lines = count(damage.len(), "line");
        return CheckResult::fail(format!("corruption ({lines}): {first}"), damage);
    }
    let open = unseen(seen);
    let was = before.structure().map(unseen).unwrap_or_default();
    let told = |(object, why): (&String, &String)| format!("{object}: {why}");
    match open.iter().find(|(object, _)| !was.contains_key(*object)) {
        Some(one) => {
            let one = told(one);
            Err(format!("it could be looked at before, and now not: {one}"))
        }
        None => CheckResult::pass_with(
            AtStake::always(
                "any heap, or index that is corrupt or answers otherwise than its table",
            ),
            summary(seen, open.len()),
            open.iter().map(told).collect(),
        ),
    }
}

fn damage(seen: &Structure) -> Vec<String> {
    let mut all = match seen.exit {
        CORRUPTION => seen.messages.clone(),
        _ => Vec::new(),
    };
    all.extend(seen.different.iter().cloned());
    let refused = seen.refused.iter().filter(|(_, why)| why.is_damage());
    all.extend(refused.map(|(index, why)| format!("{index}: {}", why.message)));
    all
}

/// What was not looked at, and why, for want of something else than the object.
fn unseen(seen: &Structure) -> BTreeMap<String, String> {
    let unchecked = seen.unchecked.iter();
    let unchecked = unchecked.map(|name| {
        let why = "it has no extension `amcheck`".to_owned();
        (format!("database `{name}`"), why)
    });
    let refused = seen.refused.iter().filter(|(_, why)| !why.is_damage());
    let refused = refused.map(|(index, why)| (index.clone(), why.message.clone()));
    unchecked.chain(refused).collect()
}

fn summary(seen: &Structure, open: usize) -> String {
    let mut text = format!(
        "`pg_amcheck` found no corruption in {}, {} beside B-trees answered as their tables",
        count(seen.databases.len(), "database"),
        count(seen.read.len(), "index"),
    );
    if !seen.sampled.is_empty() {
        let sampled = count(seen.sampled.len(), "index");
        text.push_str(&format!(
            "; through {sampled} only a sample of rows was found"
        ));
    }
    if open > 0 {
        text.push_str(&format!(
            "; {} not looked at, as before the fault",
            count(open, "object")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        observation::{Refused, Structure},
    };

    fn seen(moment: Moment, bend: impl Fn(&mut Structure)) -> HistoryFixture {
        bent(salvage(), moment, bend)
    }

    fn bent(
        fixture: HistoryFixture,
        moment: Moment,
        bend: impl Fn(&mut Structure),
    ) -> HistoryFixture {
        fixture.bend(moment, |seen| {
            if let Observation::Amcheck(structure) = seen {
                bend(structure);
            }
        })
    }

    fn refused(sqlstate: &str) -> impl Fn(&mut Structure) {
        let why = Refused {
            sqlstate: sqlstate.into(),
            message: format!("ERROR: no ({sqlstate})"),
        };
        move |seen| {
            seen.refused
                .insert("app: app.users_norm".into(), why.clone());
        }
    }

    #[test]
    fn what_amcheck_finds_is_red_and_its_own_failure_open() {
        let exit = |code: i32| {
            seen(Moment::After, move |seen| {
                seen.exit = code;
                seen.messages = vec!["heap table app.users, block 3: line pointer".into()];
            })
        };
        expect(&exit(2), "amcheck", Verdict::Fail, "block 3");
        expect(&exit(1), "amcheck", Verdict::Unknown, "exit code 1");
    }

    #[test]
    fn an_index_that_answers_otherwise_than_its_table_is_red() {
        let different = seen(Moment::After, |seen| {
            seen.different
                .push("app: app.users_tags: 3 rows through it, 5 rows in the table".into());
        });
        expect(&different, "amcheck", Verdict::Fail, "users_tags: 3 rows");
        expect(
            &seen(Moment::After, refused("XX002")),
            "amcheck",
            Verdict::Fail,
            "XX002",
        );
    }

    #[test]
    fn an_index_of_which_a_sample_was_read_is_told_as_that() {
        let sampled = seen(Moment::After, |seen| {
            seen.sampled.push("app: app.users_shape".into());
        });
        let why = "through 1 index only a sample of rows was found";
        expect(&sampled, "amcheck", Verdict::Pass, why);
    }

    #[test]
    fn what_could_not_be_looked_at_before_either_is_told() {
        let later = seen(Moment::After, refused("42883"));
        expect(
            &later,
            "amcheck",
            Verdict::Unknown,
            "could be looked at before",
        );
        let both = bent(later, Moment::Before, refused("42883"));
        expect(&both, "steady-state", Verdict::Pass, "in order");
        expect(&both, "amcheck", Verdict::Pass, "1 object not looked at");
        let judgement = both.judge();
        let details = &finding(&judgement, "amcheck").details;
        assert_eq!(details[..], ["app: app.users_norm: ERROR: no (42883)"]);
    }

    #[test]
    fn a_database_that_is_skipped_is_told() {
        let skipped = |seen: &mut Structure| seen.unchecked.push("app".into());
        let later = seen(Moment::After, skipped);
        expect(
            &later,
            "amcheck",
            Verdict::Unknown,
            "database `app`: it has no extension",
        );
        let both = bent(later, Moment::Before, skipped);
        expect(&both, "amcheck", Verdict::Pass, "1 object not looked at");
    }
}
