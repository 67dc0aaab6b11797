//! `server-log`: no ERROR, FATAL or PANIC line that no step declared, in any server's log.

use super::{Context, Said, any, count};
use crate::{event::EventKind, measure::view::View};

pub(super) fn check(context: &Context<'_>, now: &View<'_>) -> Said {
    let lines: Vec<String> = context.story.events.iter().filter_map(line).collect();
    if let Some(first) = lines.first() {
        let message = format!("{} nobody declared: {first}", count(lines.len(), "line"));
        return Said::Fail(message, lines);
    }
    let read = context.story.events.iter().filter_map(|event| {
        let EventKind::ServerLogRead { server, lines } = &event.kind else {
            return None;
        };
        Some((server, lines))
    });
    let read: Vec<_> = read.collect();
    if !read.iter().any(|(server, _)| *server == now.server) {
        return Said::Unknown(format!("the log of `{}` was not read", now.server));
    }
    let total: u64 = read.iter().map(|(_, lines)| **lines).sum();
    Said::pass(
        any(total as usize, "line", "an error that no step declared"),
        format!(
            "{total} lines of {}, none unexpected",
            count(read.len(), "log")
        ),
    )
}

fn line(event: &crate::event::Event) -> Option<String> {
    let EventKind::ServerLog {
        server,
        severity,
        sqlstate,
        role,
        message,
    } = &event.kind
    else {
        return None;
    };
    let words = [severity, sqlstate, role].map(String::as_str);
    let told: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    Some(format!("{server}: {}: {message}", told.join(" ")))
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn unexpected_errors_are_red() {
        let line = EventKind::ServerLog {
            server: "primary".into(),
            severity: "PANIC".into(),
            sqlstate: "XX000".into(),
            role: "agent_app_user".into(),
            message: "could not locate a valid checkpoint record".into(),
        };
        expect(
            &salvage().with(27 * SECOND, line),
            "server-log",
            Verdict::Fail,
            "nobody declared: primary: PANIC XX000 agent_app_user: could not locate",
        );
        let unread = salvage().without(|kind| matches!(kind, EventKind::ServerLogRead { .. }));
        expect(&unread, "server-log", Verdict::Unknown, "not read");
    }
}
