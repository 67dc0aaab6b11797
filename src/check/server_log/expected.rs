//! What explains an error in a server's log: what drills do to every server, and what this one
//! expected for a while.

use jiff::{SignedDuration, Timestamp};

use super::super::Context;
use crate::event::{Cause, Event, EventKind, ExpectedError, LogLines};

/// Lines that belong to what drills do to every server.
const ORDINARY: &[(&str, &str)] = &[
    // Sessions ended by a stop, and logins while the server starts or stops.
    (
        "57P01",
        "terminating connection due to administrator command",
    ),
    ("57P03", ""),
    // The harness's own clients that went away in the middle.
    ("57014", "canceling statement due to user request"),
    // Clients that waited too long: refused transactions, counted as outage and latency.
    ("57014", "canceling statement due to statement timeout"),
    ("57014", "canceling authentication due to timeout"),
    ("08006", ""),
    ("08P01", "unexpected EOF"),
    // What background processes say when a postmaster dies or stops, or a standby is promoted.
    (
        "57P01",
        "terminating walreceiver process due to administrator command",
    ),
    ("57P01", "terminating background worker"),
    ("57P01", "terminating logical replication worker"),
];

/// A line may be stamped so much before or after what caused it: a client that was in the
/// middle of it is answered a little later.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// Every error that a drill expected, and while when.
pub(super) struct Expected<'a>(Vec<Lasting<'a>>);

struct Lasting<'a> {
    cause: &'a Cause,
    error: &'a ExpectedError,
    from: Timestamp,
    /// When it was over; none: it lasts.
    to: Option<Timestamp>,
}

impl<'a> Expected<'a> {
    /// Those of a drill; none when its history does not tell the time at which it began.
    pub fn of(context: &Context<'a>) -> Option<Self> {
        let events = context.history.events;
        let began = events.iter().find_map(|event| match &event.kind {
            EventKind::DrillStarted { wall, .. } => wall.parse::<Timestamp>().ok(),
            _other => None,
        })?;
        let mut all = Vec::new();
        for event in events {
            take(&mut all, event, wall_at(began, event.at_us));
        }
        Some(Self(all))
    }

    /// Whether all of these lines are as they must be. A server that gives up never is.
    pub fn explains(&self, lines: &LogLines) -> bool {
        lines.severity != "PANIC" && (is_ordinary(lines) || self.covers(lines))
    }

    /// Whether they were expected at each instant from the first line to the last one.
    fn covers(&self, lines: &LogLines) -> bool {
        let of_them = self.0.iter().filter(|one| one.is_of(lines));
        let mut spans: Vec<_> = of_them.map(Lasting::span).collect();
        spans.sort_unstable();
        let mut covered = lines.first;
        for (from, to) in spans {
            match to {
                _ if from > covered => {}
                None => return true,
                Some(to) if to >= lines.last => return true,
                Some(to) => covered = covered.max(to),
            }
        }
        false
    }
}

/// What a fault causes is over with the last step that heals it.
fn take<'a>(all: &mut Vec<Lasting<'a>>, event: &'a Event, at: Timestamp) {
    match &event.kind {
        EventKind::ErrorsExpected { cause, errors } => {
            let lasting = |error| Lasting {
                cause,
                error,
                from: at,
                to: None,
            };
            all.extend(errors.iter().map(lasting));
        }
        EventKind::ErrorsOver { cause } => {
            let again = matches!(cause, Cause::Fault(_));
            for one in all.iter_mut().filter(|one| one.cause == cause) {
                if one.to.is_none() || again {
                    one.to = Some(at);
                }
            }
        }
        _other => {}
    }
}

fn wall_at(began: Timestamp, at_us: u64) -> Timestamp {
    let since = SignedDuration::from_micros(at_us.try_into().unwrap_or(i64::MAX));
    began.saturating_add(since).unwrap_or(Timestamp::MAX)
}

impl Lasting<'_> {
    fn is_of(&self, lines: &LogLines) -> bool {
        let or_any =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|it| it == is);
        lines.sqlstate == self.error.sqlstate
            && or_any(&self.error.server, &lines.server)
            && or_any(&self.error.role, &lines.role)
    }

    fn span(&self) -> (Timestamp, Option<Timestamp>) {
        let from = self.from.saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
        let to = |to: Timestamp| to.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
        (from, self.to.map(to))
    }
}

fn is_ordinary(lines: &LogLines) -> bool {
    ORDINARY
        .iter()
        .any(|(sqlstate, text)| lines.sqlstate == *sqlstate && lines.message.contains(text))
}

#[cfg(test)]
mod tests {
    use crate::{
        check::testing::*,
        event::{Cause, ExpectedError, LogLines},
    };

    const FREEZE: u64 = 12 * SECOND;
    const THAW: u64 = 22 * SECOND;

    /// Refusals of a role on the primary, from and to these milliseconds of the drill.
    fn refused(role: &str, sqlstate: &str, (from, to): (i64, i64)) -> EventKind {
        let began: jiff::Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        let at = |ms| began + jiff::SignedDuration::from_millis(ms);
        EventKind::ServerLog(LogLines {
            server: "primary".into(),
            severity: "ERROR".into(),
            sqlstate: sqlstate.into(),
            role: role.into(),
            message: "permission denied for table users".into(),
            count: 7,
            first: at(from),
            last: at(to),
        })
    }

    fn expected(at_us: u64, cause: Cause, server: Option<&str>) -> HistoryFixture {
        expected_in(salvage(), at_us, cause, server)
    }

    fn expected_in(
        fixture: HistoryFixture,
        at_us: u64,
        cause: Cause,
        server: Option<&str>,
    ) -> HistoryFixture {
        let error = ExpectedError {
            sqlstate: "42501".into(),
            server: server.map(str::to_owned),
            role: Some("oa_app_user".into()),
        };
        let errors = vec![error];
        fixture.with(at_us, EventKind::ErrorsExpected { cause, errors })
    }

    fn frozen() -> HistoryFixture {
        let cause = Cause::Freeze("oa".into());
        expected(FREEZE, cause.clone(), None).with(THAW, EventKind::ErrorsOver { cause })
    }

    #[track_caller]
    fn judged(fixture: HistoryFixture, line: EventKind, verdict: Verdict) {
        let fixture = fixture.with(27 * SECOND, line);
        expect(&fixture, "server-log", verdict, "");
    }

    fn denied(times: (i64, i64)) -> EventKind {
        refused("oa_app_user", "42501", times)
    }

    #[test]
    fn an_error_is_expected_while_its_cause_lasts_and_a_little_longer() {
        for times in [(11_000, 11_900), (15_000, 15_000), (22_100, 23_000)] {
            judged(frozen(), denied(times), Verdict::Pass);
        }
        for times in [(10_999, 11_500), (22_500, 23_001)] {
            judged(frozen(), denied(times), Verdict::Fail);
        }
        let lasting = expected(FREEZE, Cause::Freeze("oa".into()), None);
        judged(lasting, denied((26_000, 26_900)), Verdict::Pass);
    }

    #[test]
    fn an_error_is_expected_of_its_role_its_sqlstate_and_on_its_server() {
        let within = (15_000, 15_000);
        let others = [("agent_app_user", "42501"), ("oa_app_user", "42P01")];
        for (role, sqlstate) in others {
            judged(frozen(), refused(role, sqlstate, within), Verdict::Fail);
        }
        let on = |server| expected(FREEZE, Cause::Look, Some(server));
        judged(on("primary"), denied(within), Verdict::Pass);
        judged(on("replacement"), denied(within), Verdict::Fail);
    }

    #[test]
    fn lines_that_last_longer_than_their_cause_are_not_explained() {
        let cause = Cause::Look;
        let looked = |fixture: HistoryFixture, from: u64, to: u64| {
            let error = ExpectedError {
                sqlstate: "42501".into(),
                server: None,
                role: None,
            };
            let (errors, cause) = (vec![error], cause.clone());
            let began = EventKind::ErrorsExpected {
                cause: cause.clone(),
                errors,
            };
            fixture
                .with(from, began)
                .with(to, EventKind::ErrorsOver { cause })
        };
        // Covered up to 15 s and from 15.2 s on.
        let gap = looked(salvage(), 13_500_000, 14_000_000);
        let gap = looked(gap, 16_200_000, 17_000_000);
        judged(gap.clone(), denied((14_900, 15_300)), Verdict::Fail);
        let closed = looked(gap, 16_000_000, 16_100_000);
        judged(closed, denied((14_900, 15_300)), Verdict::Pass);
    }

    fn users() -> Cause {
        Cause::Fault("users".into())
    }

    #[test]
    fn a_fault_is_healed_by_the_last_step_that_does() {
        let over = || EventKind::ErrorsOver { cause: users() };
        let once = expected(FREEZE, users(), None).with(15 * SECOND, over());
        judged(once.clone(), denied((18_000, 18_000)), Verdict::Fail);
        let twice = once.with(20 * SECOND, over());
        judged(twice, denied((18_000, 18_000)), Verdict::Pass);
    }

    #[test]
    fn what_heals_one_fault_heals_no_other() {
        let cause = Cause::Fault("roles".into());
        let other =
            expected(FREEZE, users(), None).with(15 * SECOND, EventKind::ErrorsOver { cause });
        judged(other, denied((18_000, 18_000)), Verdict::Pass);
    }

    #[test]
    fn a_later_fault_that_is_healed_excuses_nothing_before_it() {
        let lost = |fixture: HistoryFixture, name: &str, from, to| {
            let cause = Cause::Fault(name.to_owned());
            let fixture = expected_in(fixture, from, cause.clone(), None);
            fixture.with(to, EventKind::ErrorsOver { cause })
        };
        // Servers are lost at 12 s and at 20 s.
        let first = lost(lost_twice(), "first", 11_900_000, 15 * SECOND);
        let second = lost(first, "second", 19_900_000, 23 * SECOND);
        for at in [14_000, 21_000] {
            judged(second.clone(), denied((at, at)), Verdict::Pass);
        }
        judged(second, denied((18_000, 18_000)), Verdict::Fail);
    }
}
