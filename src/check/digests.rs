//! `digests`: every table and every large object holds the same content as in the steady
//! state, by order-independent digest.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CheckResult, Context, Said, any, count,
    rows::{Change, changes, detail, names, unread},
};
use crate::{
    measure::view::View,
    observation::{LargeObjectsState, TableState},
};

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.tables().zip(now.tables());
    let (was, is) = both.ok_or("the tables were not read both before and after")?;
    if was.is_empty() {
        return Err("there was no table in the steady state".into());
    }
    let changed = changes(context, now, was, is, |was, is| {
        was.rows == is.rows && was.digest == is.digest
    });
    let mut details = told(&changed);
    let (objects, differing) = match large_objects(before, now) {
        Err(why) if details.is_empty() => return Err(why),
        read => read.unwrap_or_default(),
    };
    details.extend(differing);
    if details.is_empty()
        && let Some(why) = unread(was)
    {
        return Err(why);
    }
    match (details.is_empty(), changed.is_empty()) {
        (true, _) => CheckResult::pass(
            any(was.len(), "table", "with other content"),
            format!(
                "content of {} and {objects} large objects as before",
                count(was.len(), "table")
            ),
        ),
        (false, true) => CheckResult::fail(format!("content differs: {}", details[0]), details),
        (false, false) => {
            let tables = count(changed.len(), "table");
            CheckResult::fail(
                format!("content differs in {tables}: {}", names(&changed)),
                details,
            )
        }
    }
}

fn told(changed: &[Change<'_>]) -> Vec<String> {
    let before = |was: &TableState| format!("digest {}", was.digest);
    let after = |is: &TableState| is.digest.clone();
    let details = changed.iter().map(|one| detail(one, before, after));
    details.collect()
}

/// How many there were, and those that are others now.
fn large_objects(before: &View<'_>, now: &View<'_>) -> Result<(u64, Vec<String>), String> {
    match (before.large_objects(), now.large_objects()) {
        (None, None) => Ok((0, Vec::new())),
        (Some(was), Some(is)) => {
            let count = was.values().map(|one| one.count).sum();
            Ok((count, differing(was, is)))
        }
        (Some(_), None) | (None, Some(_)) => {
            Err("large objects were not read both before and after".into())
        }
    }
}

type Databases = BTreeMap<String, LargeObjectsState>;

fn differing(was: &Databases, is: &Databases) -> Vec<String> {
    let side = |one: Option<&LargeObjectsState>| match one {
        Some(LargeObjectsState { count, digest }) => format!("{count} with digest {digest}"),
        None => "no database".to_owned(),
    };
    let all: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    all.into_iter()
        .map(|name| (name, was.get(name), is.get(name)))
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| format!("{name}: {} before, {} now", side(was), side(is)))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, observation::TableState};

    #[test]
    fn other_content_is_red_and_unread_content_open() {
        let other = users(salvage(), |table| table.digest = "ff".into());
        expect(&other, "digests", Verdict::Fail, "app.users");
        let blobs = salvage().bend(Moment::After, |seen| {
            if let Observation::LargeObjects(databases) = seen {
                databases.get_mut("large objects").unwrap().count = 7;
            }
        });
        expect(&blobs, "digests", Verdict::Fail, "large objects");
        let blind = salvage().unseen(Moment::After, |seen| matches!(seen, Observation::Tables(_)));
        expect(&blind, "digests", Verdict::Unknown, "not read");
    }

    #[test]
    fn a_table_that_clients_write_and_no_key_tells_is_judged_by_its_rows_alone() {
        let content = |whole: bool| {
            let mut fixture = salvage();
            for event in &mut fixture.events {
                if let EventKind::RowsImaged(look) = &mut event.kind {
                    look.tables[0].whole = whole;
                }
            }
            let seen = [
                (Moment::Before, "aa"),
                (Moment::Gate, "bb"),
                (Moment::After, "bb"),
            ];
            seen.into_iter().fold(fixture, |fixture, (moment, digest)| {
                fixture.bend(moment, |seen| {
                    if let Observation::Tables(tables) = seen {
                        let notes = TableState {
                            rows: 10,
                            digest: digest.into(),
                            ..TableState::default()
                        };
                        tables.insert("app.notes".into(), notes);
                    }
                })
            })
        };
        expect(&content(true), "digests", Verdict::Pass, "as before");
        expect(&content(false), "digests", Verdict::Fail, "app.notes");
    }
}
