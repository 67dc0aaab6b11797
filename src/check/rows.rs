//! `rows`: every table has the rows it had in the steady state (those that no workload
//! writes; the others are judged through the ledger). Tables that are new are the
//! catalog's business.

use std::collections::BTreeMap;

use super::{CheckResult, Context, Said, any, count};
use crate::{
    event::EventKind,
    measure::{drill_history::told, view::View},
    observation::TableState,
};

/// A table differs: its name, what it was, what it is (none: gone).
pub(super) type Change<'t> = (&'t str, &'t TableState, Option<&'t TableState>);

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.tables().zip(now.tables());
    let (was, is) = both.ok_or("the tables were not read both before and after")?;
    if was.is_empty() {
        return Err("there was no table in the steady state".into());
    }
    let changed = changes(context, now, was, is, |was, is| was.rows == is.rows);
    if changed.is_empty() {
        if let Some(why) = unread(was) {
            return Err(why);
        }
        let rows: u64 = was.values().map(|table| table.rows).sum();
        return CheckResult::pass(
            any(was.len(), "table", "missing or with another number of rows"),
            format!("{rows} rows in {}, as before", count(was.len(), "table")),
        );
    }
    let message = format!(
        "rows differ in {}: {}",
        count(changed.len(), "table"),
        names(&changed)
    );
    CheckResult::fail(message, told(&changed))
}

fn told(changed: &[Change<'_>]) -> Vec<String> {
    let before = |was: &TableState| format!("{} rows", was.rows);
    let after = |is: &TableState| match is.by_fault {
        0 => is.rows.to_string(),
        left => format!("{} of them and {left} that the fault left", is.rows),
    };
    let details = changed.iter().map(|one| detail(one, before, after));
    details.collect()
}

/// The tables that are not the same, leaving out those that may be empty after a restore. One
/// that can't be read now is not the same; of one that could not be read before ([`unread`])
/// nothing can be told, unless it is gone.
pub(super) fn changes<'t>(
    context: &Context<'_>,
    now: &View<'_>,
    was: &'t BTreeMap<String, TableState>,
    is: &'t BTreeMap<String, TableState>,
    same: impl Fn(&TableState, &TableState) -> bool,
) -> Vec<Change<'t>> {
    let restored =
        context.history.restore_of(now.server, now.at_us).is_some() || context.history.crashed();
    let may_be_empty = |name: &str, was: &TableState, is: &TableState| {
        (restored || created_by_salvage(context, name)) && is.rows == 0 && was.unlogged
    };
    was.iter()
        .map(|(name, was)| (name.as_str(), was, is.get(name)))
        .filter(|(name, was, is)| match is {
            Some(_) if was.error.is_some() => false,
            Some(is) if is.error.is_some() => true,
            _ if clients_write_all(context, name) => false,
            None => true,
            Some(is) => !same(was, is) && !may_be_empty(name, was, is),
        })
        .collect()
}

/// Whether clients, or transactions that may be theirs, write rows of a table that no key tells
/// from the others: all its rows are then judged by `client-rows`, also where that could not tell.
fn clients_write_all(context: &Context<'_>, name: &str) -> bool {
    let theirs = match &context.client_rows {
        Ok(judged) => {
            let sets = judged.as_ref().and_then(|tables| tables.get(name));
            sets.is_some_and(|sets| sets.seen + sets.others > 0)
        }
        Err(_untold) => true,
    };
    let whole = context.history.looks_at_rows().any(|(_, look)| {
        let mut tables = look.tables.iter();
        tables.any(|table| table.name == name && table.whole)
    });
    whole && theirs
}

/// What could not be read in the steady state, so that nothing can be told of it; none when
/// all could.
pub(super) fn unread(was: &BTreeMap<String, TableState>) -> Option<String> {
    let unread: Vec<String> = was
        .iter()
        .filter(|(_, was)| was.error.is_some())
        .map(|(name, was)| with_error(name, Some(was)))
        .collect();
    let tables = count(unread.len(), "table");
    let told = || {
        format!(
            "{tables} could not be read in the steady state: {}",
            first(&unread)
        )
    };
    (!unread.is_empty()).then(told)
}

/// What became of a table, in one line; `before` and `after` tell of it where it could be read.
pub(super) fn detail(
    (name, was, is): &Change<'_>,
    before: impl Fn(&TableState) -> String,
    after: impl Fn(&TableState) -> String,
) -> String {
    let before = match &was.error {
        None => before(was),
        Some(error) => format!("unreadable ({error})"),
    };
    let now = match is {
        None => "now the table is missing".to_owned(),
        Some(is) => match &is.error {
            None => format!("{} now", after(is)),
            Some(error) => format!("now unreadable: {error}"),
        },
    };
    format!("{name}: {before} before, {now}")
}

/// A scratch server has no rows of an unlogged table to bring home.
fn created_by_salvage(context: &Context<'_>, name: &str) -> bool {
    told!(context.history.events, EventKind::Salvaged { tables, .. } => tables)
        .flatten()
        .any(|table| table.created && table.table == name)
}

/// The first names, for a message of one line; with the error of what can't be read now.
pub(super) fn names(changed: &[Change<'_>]) -> String {
    let names = changed.iter().map(|(name, _, is)| with_error(name, *is));
    first(&names.collect::<Vec<_>>())
}

fn with_error(name: &str, state: Option<&TableState>) -> String {
    match state.and_then(|state| state.error.as_deref()) {
        None => name.to_owned(),
        Some(error) => format!("{name} (unreadable: {error})"),
    }
}

pub(super) fn first(names: &[String]) -> String {
    let more = if names.len() > 3 { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(3)].join(", "))
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, observation::TableState};

    const ERROR: &str = "could not open file \"base/5/16401\" (58P01)";

    /// What was seen of one table at these moments.
    fn seen(
        fixture: HistoryFixture,
        moments: &[Moment],
        table: &str,
        state: &TableState,
    ) -> HistoryFixture {
        moments.iter().fold(fixture, |fixture, moment| {
            fixture.bend(*moment, |seen| {
                if let Observation::Tables(tables) = seen {
                    tables.insert(table.into(), state.clone());
                }
            })
        })
    }

    fn unreadable() -> TableState {
        TableState {
            error: Some(ERROR.into()),
            ..TableState::default()
        }
    }

    const BEFORE: &[Moment] = &[Moment::Before];
    const SINCE: &[Moment] = &[Moment::Gate, Moment::After];
    const EVER: &[Moment] = &[Moment::Before, Moment::Gate, Moment::After];

    /// Not even an unlogged table, which may be empty after a restore.
    #[test]
    fn a_table_that_cannot_be_read_any_more_is_red() {
        for fixture in [salvage(), lost_server()] {
            let judgement = seen(fixture, SINCE, "app.cache", &unreadable()).judge();
            for id in ["rows", "digests"] {
                let found = finding(&judgement, id);
                assert_eq!(found.verdict, Verdict::Fail, "{id}");
                let told = format!("app.cache (unreadable: {ERROR})");
                assert!(found.message.contains(&told), "{}", found.message);
                let told = format!("before, now unreadable: {ERROR}");
                assert!(found.details[0].ends_with(&told), "{:?}", found.details);
            }
        }
    }

    #[test]
    fn what_could_not_be_read_before_is_open() {
        for moments in [BEFORE, EVER] {
            let judgement = seen(salvage(), moments, "app.cache", &unreadable()).judge();
            for id in ["rows", "digests", "steady-state"] {
                let found = finding(&judgement, id);
                assert_eq!(found.verdict, Verdict::Unknown, "{id}");
                let told = format!(
                    "1 table could not be read in the steady state: app.cache (unreadable: {ERROR})"
                );
                assert!(found.message.ends_with(&told), "{}", found.message);
            }
        }
    }

    #[test]
    fn what_could_not_be_read_before_hides_nothing() {
        let unread = seen(salvage(), BEFORE, "app.cache", &unreadable());
        let fewer = users(unread.clone(), |table| table.rows -= 1).judge();
        let gone = unread.bend(Moment::After, |seen| {
            if let Observation::Tables(tables) = seen {
                tables.remove("app.cache");
            }
        });
        for (judgement, told) in [
            (fewer, "app.users: 200 rows before, 199 now".to_owned()),
            (
                gone.judge(),
                format!("app.cache: unreadable ({ERROR}) before, now the table is missing"),
            ),
        ] {
            let rows = finding(&judgement, "rows");
            assert_eq!((rows.verdict, &rows.details), (Verdict::Fail, &vec![told]));
            assert_eq!(finding(&judgement, "digests").verdict, Verdict::Fail);
        }
    }

    #[test]
    fn a_view_without_data_stays_one() {
        let state = TableState {
            digest: TableState::NOT_POPULATED.into(),
            ..TableState::default()
        };
        let same = seen(salvage(), EVER, "app.summary", &state);
        expect(&same, "rows", Verdict::Pass, "as before");
        expect(&same, "digests", Verdict::Pass, "as before");
        let filled = TableState {
            digest: "0e".into(),
            ..TableState::default()
        };
        let other = seen(same, &[Moment::After], "app.summary", &filled);
        expect(&other, "digests", Verdict::Fail, "app.summary");
    }

    #[test]
    fn fewer_rows_are_red_and_unread_ones_open() {
        let fewer = users(salvage(), |table| table.rows -= 1).judge();
        let rows = finding(&fewer, "rows");
        assert_eq!(rows.verdict, Verdict::Fail);
        assert_eq!(rows.details, ["app.users: 200 rows before, 199 now"]);
        assert_eq!(finding(&fewer, "digests").verdict, Verdict::Fail);
        let blind = salvage().unseen(Moment::After, |seen| matches!(seen, Observation::Tables(_)));
        expect(&blind, "rows", Verdict::Unknown, "not read");
    }

    #[test]
    fn rows_that_the_fault_left_are_told() {
        let changed = users(salvage(), |table| {
            table.rows -= 30;
            table.by_fault = 30;
        });
        let judgement = changed.judge();
        let rows = finding(&judgement, "rows");
        let told = "app.users: 200 rows before, 170 of them and 30 that the fault left now";
        assert_eq!(rows.details, [told]);
        let entries = users(salvage(), |table| table.by_fault = 30);
        expect(&entries, "rows", Verdict::Pass, "as before");
    }

    #[test]
    fn a_missing_table_is_red() {
        let gone = salvage().bend(Moment::After, |seen| {
            if let Observation::Tables(tables) = seen {
                tables.remove("app.users");
            }
        });
        let judgement = gone.judge();
        assert!(finding(&judgement, "rows").details[0].contains("missing"));
    }

    #[test]
    fn an_unlogged_table_may_be_empty_after_a_restore_only() {
        let emptied = |fixture: HistoryFixture| {
            let bend = |seen: &mut Observation| {
                if let Observation::Tables(tables) = seen {
                    *tables.get_mut("app.cache").unwrap() = TableState::default();
                }
            };
            fixture.bend(Moment::After, bend).bend(Moment::Gate, bend)
        };
        expect(&emptied(lost_server()), "rows", Verdict::Pass, "as before");
        let judgement = emptied(salvage()).judge();
        assert_eq!(finding(&judgement, "rows").verdict, Verdict::Fail);
    }

    #[test]
    fn a_table_that_was_made_unlogged_meanwhile_may_not_be_empty() {
        let logged = TableState {
            rows: 5,
            ..TableState::default()
        };
        let emptied = TableState {
            unlogged: true,
            ..TableState::default()
        };
        let before = seen(lost_server(), BEFORE, "app.cache", &logged);
        let judgement = seen(before, SINCE, "app.cache", &emptied).judge();
        assert_eq!(finding(&judgement, "rows").verdict, Verdict::Fail);
    }
}
