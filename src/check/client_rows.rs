//! `client-rows`: every row that clients left, in every table, is there once and as they left
//! it; whole rows count, of further tables and audit trails as well.
//!
//! What is lost within an objective, and rows that the ledger names by their keys, are judged
//! through the ledger.

use std::collections::BTreeMap;

use super::{CheckResult, Context, Said, any, count, counted, rows};
use crate::measure::row_images::Sets;

pub(super) fn check(context: &Context<'_>) -> Said {
    match &context.client_rows {
        Err(why) => Err(why.clone()),
        Ok(None) => CheckResult::not_applicable("no step could have harmed rows of clients"),
        Ok(Some(tables)) => said(tables),
    }
}

fn said(tables: &BTreeMap<String, Sets>) -> Said {
    let details: Vec<String> = tables.iter().map(|(name, sets)| line(name, sets)).collect();
    let wrong: Vec<_> = tables.iter().filter(|(_, sets)| !sets.is_right()).collect();
    if !wrong.is_empty() {
        let wrong: Vec<String> = wrong.iter().map(|(name, sets)| line(name, sets)).collect();
        return CheckResult::fail(rows::first(&wrong), details);
    }
    if let Some((name, sets)) = tables.iter().find(|(_, sets)| !sets.error.is_empty()) {
        return Err(format!("{name} could not be read: {}", sets.error));
    }
    let seen: u64 = tables.values().map(|sets| sets.seen).sum();
    let at_stake = any(seen as usize, "row", "gone, doubled or not as it was left");
    let tables = count(tables.len(), "table");
    let message = format!("{seen} rows of clients in {tables} as they left them");
    CheckResult::pass_with(at_stake, message, details)
}

fn line(name: &str, sets: &Sets) -> String {
    let wrong = counted([
        (sets.missing, "missing"),
        (sets.changed, "changed"),
        (sets.doubled, "there more than once"),
        (sets.unexpected, "that no client wrote"),
    ]);
    match wrong.as_slice() {
        [] if sets.others > 0 => format!(
            "{name}: {} rows as clients left them, {} of transactions that are not in the ledger",
            sets.seen, sets.others
        ),
        [] => format!("{name}: {} rows as clients left them", sets.seen),
        _ => format!(
            "{name}: of {} rows of clients {}",
            sets.seen,
            wrong.join(" and ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        event::ImageRecord,
        fault::Fault,
        row_images::Image,
        scenario::plan::{Action, PRIMARY},
    };

    fn imaged(bend: impl Fn(&mut Vec<Image>)) -> HistoryFixture {
        let mut fixture = salvage();
        bend(&mut fixture.images.last_mut().unwrap().1);
        fixture
    }

    #[test]
    fn a_row_that_is_not_as_its_client_left_it_is_red() {
        expect(
            &imaged(|_as_it_was| ()),
            "client-rows",
            Verdict::Pass,
            "rows of clients in 2 tables",
        );
        let changed = imaged(|rows| rows[0].content ^= 1);
        expect(&changed, "client-rows", Verdict::Fail, "app.notes: of");
        expect(&changed, "client-rows", Verdict::Fail, "1 changed");
        let gone = imaged(|rows| {
            rows.remove(0);
        });
        expect(&gone, "client-rows", Verdict::Fail, "1 missing");
        let twice = imaged(|rows| rows.push(rows[0]));
        expect(
            &twice,
            "client-rows",
            Verdict::Fail,
            "1 there more than once",
        );
    }

    /// A look before the salvage that failed, after this fault.
    fn missed(fault: Option<Fault>) -> HistoryFixture {
        let mut fixture = salvage();
        for event in &mut fixture.events {
            if let (EventKind::FaultInjected(told), Some(fault)) = (&mut event.kind, &fault) {
                told.fault = fault.clone();
            }
        }
        let look = ImageRecord {
            server: PRIMARY.into(),
            error: "connection refused".into(),
            ..ImageRecord::default()
        };
        fixture.with(18 * SECOND, EventKind::RowsImaged(look))
    }

    #[test]
    fn a_look_that_failed_leaves_it_open_unless_a_fault_had_the_server_down() {
        let verdict = |fixture: &HistoryFixture| finding(&fixture.judge(), "client-rows").verdict;
        let why = "before a step on `primary`: connection refused";
        expect(&missed(None), "client-rows", Verdict::Unknown, why);
        let mut down = missed(Some(Fault::CrashServer));
        assert_eq!(verdict(&down), Verdict::Pass);
        down.plan.steps[3].action = Action::Start(PRIMARY.into());
        assert_eq!(verdict(&down), Verdict::Unknown);
    }

    #[test]
    fn a_table_that_could_not_be_looked_at_is_open_unless_a_fault_had_hit_it() {
        let missed = |target: &str| {
            let mut fixture = salvage();
            for event in &mut fixture.events {
                if let EventKind::FaultInjected(fault) = &mut event.kind {
                    fault.target = target.into();
                }
            }
            fixture.image(18 * SECOND, Moment::Before, PRIMARY);
            let Some(EventKind::RowsImaged(look)) =
                fixture.events.last_mut().map(|event| &mut event.kind)
            else {
                panic!("no look")
            };
            look.tables[0].error = "invalid page".into();
            let (_, rows) = fixture.images.last_mut().unwrap();
            rows.retain(|row| row.table != 0);
            fixture.in_order()
        };
        let why = "app.notes could not be read: invalid page";
        expect(&missed("app.users"), "client-rows", Verdict::Unknown, why);
        let hit = missed("app.notes");
        expect(&hit, "client-rows", Verdict::Pass, "rows of clients");
    }

    #[test]
    fn rows_that_nobody_looked_at_are_open() {
        let after = |kind: &EventKind| matches!(kind, EventKind::RowsImaged(record) if record.moment == Moment::After);
        let blind = salvage().without(after);
        expect(
            &blind,
            "client-rows",
            Verdict::Unknown,
            "were not looked at after the last step",
        );
        let before = |kind: &EventKind| matches!(kind, EventKind::RowsImaged(record) if record.moment == Moment::Before);
        let blind = salvage().without(before);
        expect(
            &blind,
            "client-rows",
            Verdict::Unknown,
            "were not looked at before",
        );
    }
}
