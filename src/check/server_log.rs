//! `server-log`: no ERROR, FATAL or PANIC line in any server's log that neither a fault nor a
//! step explains at its time.

mod expected;

use self::expected::Expected;
use super::{CheckResult, Context, Said, any, count};
use crate::{
    event::{EventKind, LogLines},
    measure::{drill_history::told, view::View},
};

pub(super) fn check(context: &Context<'_>, now: &View<'_>) -> Said {
    let expected = Expected::of(context);
    let expected = expected.ok_or("the history does not tell when the drill began")?;
    let unexpected = errors(context).filter(|lines| !expected.explains(lines));
    let unexpected: Vec<&LogLines> = unexpected.collect();
    if let Some(first) = unexpected.first() {
        let lines: u64 = unexpected.iter().map(|lines| lines.count).sum();
        let lines = count(lines as usize, "line");
        let message = format!("{lines} nobody declared: {}", told(first));
        return CheckResult::fail(message, unexpected.into_iter().map(told).collect());
    }
    read(context, now)
}

fn errors<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a LogLines> + use<'a> {
    told!(context.history.events, EventKind::ServerLog(lines) => lines)
}

/// Whether all logs were read: of the serving server, and of each that was looked at before it.
fn read(context: &Context<'_>, now: &View<'_>) -> Said {
    let read = told!(context.history.events, EventKind::ServerLogRead { server, lines, unread }
        => (server, lines, unread));
    let read: Vec<_> = read.collect();
    let mut looked_at = context.views.iter().chain([now]).map(|view| view.server);
    if let Some(unread) = looked_at.find(|server| read.iter().all(|(read, ..)| read != server)) {
        return Err(format!("the log of `{unread}` was not read"));
    }
    if let Some((server, _, why)) = read.iter().find(|(.., unread)| !unread.is_empty()) {
        return Err(format!("the log of `{server}` was not read whole: {why}"));
    }
    if let Some(hidden) = context.views.iter().find_map(hides_errors) {
        return Err(hidden);
    }
    if context.views.iter().all(|view| view.settings().is_none()) {
        return Err("whether the logs tell errors was not read".into());
    }
    let total: u64 = read.iter().map(|(_, lines, _)| **lines).sum();
    CheckResult::pass(
        any(total as usize, "line", "an error that no step declared"),
        format!(
            "{total} lines of {}, none unexpected",
            count(read.len(), "log")
        ),
    )
}

/// Why a server does not write every error into its log: the levels above `error` leave them out,
/// of every session, or of a role or a database.
fn hides_errors(view: &View<'_>) -> Option<String> {
    let settings = view.settings()?;
    let above = |level: &str| {
        let all = ["log", "fatal", "panic"];
        all.iter().any(|one| level.eq_ignore_ascii_case(one))
    };
    let general = settings.in_force.get("log_min_messages");
    let general = general.map(|setting| setting.value.as_str());
    let of_one = settings.of_roles.iter().find_map(|line| {
        let (whose, level) = line.split_once(" log_min_messages=")?;
        above(level).then(|| format!("{level} for {whose}"))
    });
    let general = general.filter(|level| above(level));
    let level = general.map(str::to_owned).or(of_one)?;
    let server = view.server;
    Some(format!(
        "the log of `{server}` leaves errors out: log_min_messages = {level}"
    ))
}

fn told(lines: &LogLines) -> String {
    let words = [&lines.severity, &lines.sqlstate, &lines.role].map(String::as_str);
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let times = match lines.count {
        1 => String::new(),
        more => format!(" ({more} times)"),
    };
    let (server, message) = (&lines.server, &lines.message);
    format!("{server}: {}: {message}{times}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, event::LogLines, observation::SettingsState};

    #[test]
    fn unexpected_errors_are_red() {
        let at = "2026-03-01T02:00:20Z".parse().unwrap();
        let line = EventKind::ServerLog(LogLines {
            server: "primary".into(),
            severity: "PANIC".into(),
            sqlstate: "57P03".into(),
            role: "agent_app_user".into(),
            message: "could not locate a valid checkpoint record".into(),
            count: 2,
            first: at,
            last: at,
        });
        expect(
            &salvage().with(27 * SECOND, line),
            "server-log",
            Verdict::Fail,
            "2 lines nobody declared: primary: PANIC 57P03 agent_app_user: could not locate",
        );
    }

    #[test]
    fn a_log_that_leaves_errors_out_is_open() {
        let level = |bend: fn(&mut SettingsState)| {
            let bend = move |seen: &mut Observation| {
                if let Observation::Settings(state) = seen {
                    bend(state);
                }
            };
            let moments = [Moment::Before, Moment::Gate, Moment::After];
            moments
                .into_iter()
                .fold(salvage(), |fixture, moment| fixture.bend(moment, bend))
        };
        let hidden = level(|state| {
            let setting = state.in_force.get_mut("log_min_messages").unwrap();
            setting.value = "fatal".into();
        });
        let why = "leaves errors out: log_min_messages = fatal";
        expect(&hidden, "server-log", Verdict::Unknown, why);
        let of_role = level(|state| {
            let line = "app_user every database log_min_messages=PANIC";
            state.of_roles.push(line.into());
        });
        let why = "log_min_messages = PANIC for app_user every database";
        expect(&of_role, "server-log", Verdict::Unknown, why);
        let blind = salvage().without(|kind| {
            matches!(
                kind,
                EventKind::Observed {
                    observation: Observation::Settings(_),
                    ..
                }
            )
        });
        let why = "whether the logs tell errors was not read";
        expect(&blind, "server-log", Verdict::Unknown, why);
    }

    #[test]
    fn a_log_that_was_not_read_or_in_part_is_open() {
        let unread = salvage().without(|kind| matches!(kind, EventKind::ServerLogRead { .. }));
        expect(&unread, "server-log", Verdict::Unknown, "not read");
        let part = EventKind::ServerLogRead {
            server: "scratch".into(),
            lines: 9,
            unread: "larger than 64 MB".into(),
        };
        let part = salvage().with(27 * SECOND, part);
        expect(
            &part,
            "server-log",
            Verdict::Unknown,
            "not read whole: larger",
        );
    }

    #[test]
    fn a_lost_server_whose_log_is_gone_or_cannot_be_read_is_open() {
        let mut gone = lost_server();
        gone.events.retain(|event| {
            !matches!(&event.kind, EventKind::ServerLogRead { server, .. } if server == "primary")
        });
        let why = "the log of `primary` was not read";
        expect(&gone, "server-log", Verdict::Unknown, why);
        let unread = EventKind::ServerLogRead {
            server: "primary".into(),
            lines: 0,
            unread: "the node is gone".into(),
        };
        let why = "the log of `primary` was not read whole: the node is gone";
        let lost = lost_server().with(12 * SECOND, unread);
        expect(&lost, "server-log", Verdict::Unknown, why);
    }
}
