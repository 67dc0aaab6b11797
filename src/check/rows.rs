//! `rows`: every table has the rows it had in the steady state (those that no workload
//! writes; the others are judged through the ledger). Tables that are new are the
//! catalog's business.

use std::collections::BTreeMap;

use super::{Context, Said, count};
use crate::{event::EventKind, measure::view::View, observation::TableState};

/// A table differs: its name, what it was, what it is (none: gone).
pub(super) type Change<'t> = (&'t str, &'t TableState, Option<&'t TableState>);

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let (Some(was), Some(is)) = (before.tables(), now.tables()) else {
        return Said::Unknown("the tables were not read both before and after".into());
    };
    if was.is_empty() {
        return Said::Unknown("there was no table in the steady state".into());
    }
    let changed = changes(context, now, was, is, |was, is| was.rows == is.rows);
    if changed.is_empty() {
        let rows: u64 = was.values().map(|table| table.rows).sum();
        return Said::Pass(format!(
            "{rows} rows in {}, as before",
            count(was.len(), "table")
        ));
    }
    let details = changed.iter().map(|(name, was, is)| match is {
        None => format!("{name}: {} rows before, now the table is missing", was.rows),
        Some(is) => format!("{name}: {} rows before, {} now", was.rows, is.rows),
    });
    let message = format!(
        "rows differ in {}: {}",
        count(changed.len(), "table"),
        names(&changed)
    );
    Said::Fail(message, details.collect())
}

/// The tables that are not the same, leaving out those that may be empty after a restore.
pub(super) fn changes<'t>(
    context: &Context<'_>,
    now: &View<'_>,
    was: &'t BTreeMap<String, TableState>,
    is: &'t BTreeMap<String, TableState>,
    same: impl Fn(&TableState, &TableState) -> bool,
) -> Vec<Change<'t>> {
    let restored = context.story.restore_of(now.server).is_some() || crashed(context);
    let may_be_empty = |name: &str, is: &TableState| {
        (restored || created_by_salvage(context, name))
            && is.rows == 0
            && context.declared_empty.iter().any(|table| table == name)
    };
    was.iter()
        .map(|(name, was)| (name.as_str(), was, is.get(name)))
        .filter(|(name, was, is)| is.is_none_or(|is| !same(was, is) && !may_be_empty(name, is)))
        .collect()
}

/// A scratch server has no rows of an unlogged table to bring home.
fn created_by_salvage(context: &Context<'_>, name: &str) -> bool {
    context.story.events.iter().any(|event| {
        let EventKind::Salvaged { tables, .. } = &event.kind else {
            return false;
        };
        tables
            .iter()
            .any(|table| table.created && table.table == name)
    })
}

/// Unlogged tables are emptied by crash recovery too.
fn crashed(context: &Context<'_>) -> bool {
    context
        .story
        .faults()
        .any(|fault| fault.fault == "crash-server")
}

/// The first names, for a message of one line.
pub(super) fn names(changed: &[Change<'_>]) -> String {
    let first: Vec<&str> = changed.iter().take(3).map(|(name, ..)| *name).collect();
    let more = if changed.len() > 3 { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, observation::TableState};

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
        let emptied = |tale: Tale| {
            let bend = |seen: &mut Observation| {
                if let Observation::Tables(tables) = seen {
                    *tables.get_mut("app.cache").unwrap() = TableState::default();
                }
            };
            tale.bend(Moment::After, bend).bend(Moment::Gate, bend)
        };
        expect(&emptied(lost_server()), "rows", Verdict::Pass, "as before");
        let judgement = emptied(salvage()).judge();
        assert_eq!(finding(&judgement, "rows").verdict, Verdict::Fail);
    }
}
