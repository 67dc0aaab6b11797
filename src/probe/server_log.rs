//! Lines of a server's log with severity ERROR or worse.
//!
//! Reads logs written with the `log_line_prefix` of drilled servers (`%m [%p] %q%u@%d %e `,
//! `postgres::server`). Which faults and steps excuse which lines is said here once;
//! what the others mean is judged in `check/`.

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
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

/// What a scenario's own steps excuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// Any message with this SQLSTATE.
    Sqlstate(String),
    /// Any message that contains this text.
    Message(String),
    /// This SQLSTATE for this role, e.g. 42501 for the app role of a frozen business.
    Role {
        /// The role.
        role: String,
        /// The SQLSTATE.
        sqlstate: String,
    },
}

impl Excuse {
    fn covers(&self, line: &LogLine) -> bool {
        match self {
            Self::Sqlstate(sqlstate) => line.sqlstate == *sqlstate,
            Self::Message(text) => line.message.contains(text.as_str()),
            Self::Role { role, sqlstate } => line.role == *role && line.sqlstate == *sqlstate,
        }
    }
}

/// Every line with severity ERROR, FATAL or PANIC.
pub fn scan(log: &str) -> Vec<LogLine> {
    log.lines().filter_map(parse).collect()
}

/// The lines that nothing explains: neither ordinary, nor excused.
pub fn unexplained(lines: Vec<LogLine>, excuses: &[Excuse]) -> Vec<LogLine> {
    let explained = |line: &LogLine| {
        line.severity != "PANIC"
            && (ordinary(line) || excuses.iter().any(|excuse| excuse.covers(line)))
    };
    lines.into_iter().filter(|line| !explained(line)).collect()
}

fn ordinary(line: &LogLine) -> bool {
    ORDINARY
        .iter()
        .any(|(sqlstate, text)| line.sqlstate == *sqlstate && line.message.contains(text))
}

/// `2026-11-21 02:38:24.123 UTC [77] role@database 42501 ERROR:  text`
fn parse(line: &str) -> Option<LogLine> {
    let time = line.as_bytes().get(..5)?;
    if !time[..4].iter().all(u8::is_ascii_digit) || time[4] != b'-' {
        return None;
    }
    let (before, after) = line.split_once(" [")?;
    let (process, rest) = after.split_once("] ")?;
    if before.len() > 40 || !process.bytes().all(|b| b.is_ascii_digit()) {
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
        severity: severity.into(),
        sqlstate: sqlstate.into(),
        message: message.into(),
        role: role.into(),
    })
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

    #[test]
    fn what_nothing_explains_is_left_and_a_panic_always() {
        let frozen = Excuse::Role {
            role: "oa_app_user".into(),
            sqlstate: "42501".into(),
        };
        let left = unexplained(scan(LOG), &[frozen]);
        let severities: Vec<_> = left.iter().map(|line| line.severity.as_str()).collect();
        assert_eq!(severities, ["FATAL", "ERROR", "PANIC"]);
    }
}
