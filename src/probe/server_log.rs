//! Lines of a server's log with severity ERROR or worse.
//!
//! Reads logs written with the `log_line_prefix` of drilled servers (`%m [%p] %q%u@%d %e `,
//! `postgres::configuration`). Which lines are ordinary on every server is said here once, and
//! what an [`Excuse`] covers; which excuses a drill has is known in `drill/excuses`, and what the
//! other lines mean is judged in `check/`.

use jiff::{SignedDuration, Timestamp};

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, by the clock of the server's host.
    pub at: Timestamp,
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The SQLSTATE; empty for lines of background processes.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// Role that was logged in; empty for background processes.
    pub role: String,
}

const SEVERITIES: [&str; 3] = ["ERROR", "FATAL", "PANIC"];

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
    // What background processes say when a postmaster dies or stops.
    ("", "terminating connection due to administrator command"),
    (
        "",
        "terminating walreceiver process due to administrator command",
    ),
    ("", "terminating background worker"),
    ("", "terminating logical replication worker"),
    ("", "the database system is"),
];

/// A line may be stamped so much before or after what provoked it: a client that was in the
/// middle of it is answered a little later.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// An error that something in the drill provokes while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excuse {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The server it is provoked on; none: on any.
    pub server: Option<String>,
    /// The role that runs into it; none: any.
    pub role: Option<String>,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; none: it lasts.
    pub to: Option<Timestamp>,
}

impl Excuse {
    fn covers(&self, server: &str, line: &LogLine) -> bool {
        let or_any =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|it| it == is);
        line.sqlstate == self.sqlstate
            && or_any(&self.server, server)
            && or_any(&self.role, &line.role)
            && line.at >= self.from - SLACK
            && self.to.is_none_or(|to| line.at <= to + SLACK)
    }
}

/// Every line with severity ERROR, FATAL or PANIC.
pub fn scan(log: &str) -> Vec<LogLine> {
    log.lines().filter_map(parse).collect()
}

/// The lines of a server's log that nothing explains: neither ordinary, nor excused.
pub fn unexplained(server: &str, lines: Vec<LogLine>, excuses: &[Excuse]) -> Vec<LogLine> {
    let excused = |line: &LogLine| excuses.iter().any(|excuse| excuse.covers(server, line));
    let explained = |line: &LogLine| line.severity != "PANIC" && (ordinary(line) || excused(line));
    lines.into_iter().filter(|line| !explained(line)).collect()
}

fn ordinary(line: &LogLine) -> bool {
    ORDINARY
        .iter()
        .any(|(sqlstate, text)| line.sqlstate == *sqlstate && line.message.contains(text))
}

/// `2026-11-21 02:38:24.123 UTC [77] role@database 42501 ERROR:  text`
fn parse(line: &str) -> Option<LogLine> {
    let (time, after) = line.split_once(" [")?;
    let at = stamp(time)?;
    let (process, rest) = after.split_once("] ")?;
    if !process.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (origin, message) = rest.split_once(":  ")?;
    let (origin, severity) = origin.rsplit_once(' ').unwrap_or(("", origin));
    if !SEVERITIES.contains(&severity) {
        return None;
    }
    let (session, sqlstate) = origin.rsplit_once(' ').unwrap_or(("", origin));
    let role = session.rsplit_once('@').map_or("", |(role, _)| role);
    Some(LogLine {
        at,
        severity: severity.into(),
        sqlstate: sqlstate.into(),
        message: message.into(),
        role: role.into(),
    })
}

/// `2026-11-21 02:38:24.123 UTC`: drilled servers log in UTC, which they call GMT until they have
/// read their settings.
fn stamp(text: &str) -> Option<Timestamp> {
    let (time, _zone) = text.rsplit_once(' ')?;
    format!("{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-21 02:38:24.123 UTC [77] LOG:  database system is ready to accept connections
2026-11-21 02:38:25.001 UTC [81] oa_app_user@postgres 42501 ERROR:  permission denied for table users
2026-11-21 02:38:25.001 UTC [81] oa_app_user@postgres 42501 STATEMENT:  select 'x ERROR:  no'
2026-11-21 02:38:26.000 UTC [78] FATAL:  archive command failed with exit code 127
2026-11-21 02:38:27.000 UTC [90] [unknown]@[unknown] 57P03 FATAL:  the database system is starting up
2026-11-21 02:38:28.000 UTC [91] postgres@postgres XX001 ERROR:  invalid page in block 1 of relation base/5/16384
\tERROR:  continued, not a line of its own
2026-11-21 02:38:29.000 UTC [77] PANIC:  could not write to file: terminating connection due to administrator command
";

    #[test]
    fn only_lines_of_error_or_worse_are_taken() {
        let lines = scan(LOG);
        let short: Vec<_> = lines
            .iter()
            .map(|line| {
                (
                    line.severity.as_str(),
                    line.sqlstate.as_str(),
                    line.role.as_str(),
                )
            })
            .collect();
        let expected = [
            ("ERROR", "42501", "oa_app_user"),
            ("FATAL", "", ""),
            ("FATAL", "57P03", "[unknown]"),
            ("ERROR", "XX001", "postgres"),
            ("PANIC", "", ""),
        ];
        assert_eq!(short, expected);
        assert_eq!(lines[0].message, "permission denied for table users");
    }

    fn at(time: &str) -> Timestamp {
        format!("2026-11-21 {time}Z").parse().unwrap()
    }

    /// The OA was frozen on any server for two seconds.
    fn frozen() -> Excuse {
        Excuse {
            sqlstate: "42501".into(),
            server: None,
            role: Some("oa_app_user".into()),
            from: at("02:38:24"),
            to: Some(at("02:38:26")),
        }
    }

    /// How many lines of a log, all errors that a client ran into, are left.
    fn left(lines: &[(&str, &str)], excuse: Excuse) -> usize {
        let line = |(time, error): &(&str, &str)| {
            format!("2026-11-21 {time} UTC [81] {error} ERROR:  permission denied\n")
        };
        let log: String = lines.iter().map(line).collect();
        let all = scan(&log);
        assert_eq!(all.len(), lines.len());
        unexplained("primary", all, &[excuse]).len()
    }

    #[test]
    fn what_nothing_explains_is_left_and_a_panic_always() {
        let left = unexplained("primary", scan(LOG), &[frozen()]);
        let severities: Vec<_> = left.iter().map(|line| line.severity.as_str()).collect();
        assert_eq!(severities, ["FATAL", "ERROR", "PANIC"]);
    }

    #[test]
    fn an_excuse_holds_while_its_cause_lasts_and_a_little_longer() {
        let denied = "oa_app_user@postgres 42501";
        let within = ["02:38:23.000", "02:38:25.001", "02:38:27.000"].map(|time| (time, denied));
        assert_eq!(left(&within, frozen()), 0);
        let beyond = ["02:38:22.999", "02:38:27.001"].map(|time| (time, denied));
        assert_eq!(left(&beyond, frozen()), 2);
        let lasting = Excuse {
            to: None,
            ..frozen()
        };
        assert_eq!(left(&beyond, lasting), 1);
    }

    #[test]
    fn an_excuse_holds_for_its_role_its_sqlstate_and_its_server() {
        let others = [
            ("02:38:25.000", "agent_app_user@postgres 42501"),
            ("02:38:25.000", "oa_app_user@postgres 42P01"),
        ];
        assert_eq!(left(&others, frozen()), 2);
        let denied = [("02:38:25.000", "oa_app_user@postgres 42501")];
        let on = |server: &str| Excuse {
            server: Some(server.into()),
            role: None,
            ..frozen()
        };
        assert_eq!(left(&denied, on("primary")), 0);
        assert_eq!(left(&denied, on("replacement")), 1);
    }
}
