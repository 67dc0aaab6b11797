//! Lines of a server's log with severity ERROR or worse, as they were written.
//!
//! Reads logs written with the `log_line_prefix` of drilled servers (`%m [%p] %e %q%u@%d `,
//! `postgres::configuration`), in English: a drilled server finds no translations
//! (`runtime::exec::UNTRANSLATED`), whatever its `lc_messages`. What explains a line is judged in
//! `check::server_log`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::event::LogLines;

const SEVERITIES: [&str; 3] = ["ERROR", "FATAL", "PANIC"];

/// What else stands where a severity does: less than an error, or more of the line before.
const OTHERS: &str = "LOG WARNING NOTICE INFO DEBUG DEBUG1 DEBUG2 DEBUG3 DEBUG4 DEBUG5 DETAIL \
     HINT QUERY CONTEXT LOCATION STATEMENT BACKTRACE ???";

/// Lines that differ in their time alone are told together while they follow each other within
/// `CLOSE`, for `LONGEST` at most.
const CLOSE: SignedDuration = SignedDuration::from_millis(100);
const LONGEST: SignedDuration = SignedDuration::from_secs(1);

/// So many are told of one log; a drill's history is read by people, too.
const MOST: usize = 10_000;

/// Of a message so many characters are told.
const MESSAGE: usize = 1_000;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Lines of severity ERROR and worse.
    pub lines: Vec<LogLines>,
    pub read: u64,
    /// What could not be told of it, and why; empty when nothing.
    pub unread: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Line<'l> {
    at: Timestamp,
    severity: &'l str,
    sqlstate: &'l str,
    role: &'l str,
    message: &'l str,
}

pub fn read(server: &str, log: &str) -> Log {
    let mut told = Log::default();
    let mut newest: HashMap<(&str, &str, &str, &str), usize> = HashMap::new();
    for text in log.lines() {
        told.read += 1;
        let Some(line) = parse(text) else { continue };
        if OTHERS.split(' ').any(|other| other == line.severity) {
            continue;
        }
        if !SEVERITIES.contains(&line.severity) {
            let severity = line.severity;
            told.unread = format!("line {} has the unknown severity `{severity}`", told.read);
            continue;
        }
        let same = (line.severity, line.sqlstate, line.role, line.message);
        let before = newest.get(&same).and_then(|&at| told.lines.get_mut(at));
        if before.is_some_and(|before| continues(before, &line)) {
            continue;
        }
        if told.lines.len() == MOST {
            told.unread = format!("more than {MOST} different errors");
            break;
        }
        newest.insert(same, told.lines.len());
        told.lines.push(line.told_of(server));
    }
    told
}

/// Whether a line only repeats those told last, which then count it.
fn continues(before: &mut LogLines, line: &Line<'_>) -> bool {
    let close = (SignedDuration::ZERO..=CLOSE).contains(&line.at.duration_since(before.last));
    let short = line.at.duration_since(before.first) <= LONGEST;
    if close && short {
        before.last = line.at;
        before.count += 1;
    }
    close && short
}

impl Line<'_> {
    fn told_of(&self, server: &str) -> LogLines {
        LogLines {
            server: server.to_owned(),
            severity: self.severity.to_owned(),
            sqlstate: self.sqlstate.to_owned(),
            role: self.role.to_owned(),
            message: self.message.chars().take(MESSAGE).collect(),
            count: 1,
            first: self.at,
            last: self.at,
        }
    }
}

/// `2026-11-21 02:38:24.123 UTC [77] 42501 role@database ERROR:  text`; a background process has no
/// session, and what is logged before the settings are read has neither.
fn parse(line: &str) -> Option<Line<'_>> {
    let (time, after) = line.split_once(" [")?;
    let at = stamp(time)?;
    let (process, rest) = after.split_once("] ")?;
    if !process.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (origin, message) = rest.split_once(":  ")?;
    let (origin, severity) = origin.rsplit_once(' ').unwrap_or(("", origin));
    let (sqlstate, session) = origin.split_once(' ').unwrap_or((origin, ""));
    let role = session.rsplit_once('@').map_or("", |(role, _)| role);
    Some(Line {
        at,
        severity,
        sqlstate,
        message,
        role,
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
2026-11-21 02:38:24.123 UTC [77] 00000 LOG:  database system is ready to accept connections
2026-11-21 02:38:25.001 UTC [81] 42501 oa_app_user@postgres ERROR:  permission denied for table users
2026-11-21 02:38:25.001 UTC [81] 42501 oa_app_user@postgres STATEMENT:  select 'x ERROR:  no'
2026-11-21 02:38:26.000 UTC [78] XX000 FATAL:  archive command failed with exit code 127
2026-11-21 02:38:27.000 UTC [90] 57P03 [unknown]@[unknown] FATAL:  the database system is starting up
2026-11-21 02:38:28.000 UTC [91] XX001 postgres@postgres ERROR:  invalid page in block 1 of relation base/5/16384
\tERROR:  continued, not a line of its own
2026-11-21 02:38:29.000 UTC [77] PANIC:  could not write to file: terminating connection due to administrator command
";

    #[test]
    fn every_line_of_error_or_worse_is_told() {
        let log = read("primary", LOG);
        let short = |one: &LogLines| {
            let words = [&one.severity, &one.sqlstate, &one.role];
            words.map(|word| word.clone())
        };
        let short: Vec<_> = log.lines.iter().map(short).collect();
        let expected = [
            ["ERROR", "42501", "oa_app_user"],
            ["FATAL", "XX000", ""],
            ["FATAL", "57P03", "[unknown]"],
            ["ERROR", "XX001", "postgres"],
            ["PANIC", "", ""],
        ];
        assert_eq!(short, expected);
        assert_eq!(log.lines[0].message, "permission denied for table users");
        assert_eq!((log.read, log.unread.as_str()), (8, ""));
    }

    /// A log of the same error at these milliseconds.
    fn at(millis: &[u32]) -> Vec<LogLines> {
        let line = |ms: &u32| {
            let (s, ms) = (ms / 1000, ms % 1000);
            format!("2026-11-21 02:38:{s:02}.{ms:03} UTC [81] 42501 oa@postgres ERROR:  no\n")
        };
        read("primary", &millis.iter().map(line).collect::<String>()).lines
    }

    #[test]
    fn lines_that_repeat_are_told_together_for_a_second_at_most() {
        let counts = |millis: &[u32]| at(millis).iter().map(|one| one.count).collect::<Vec<_>>();
        assert_eq!(counts(&[0, 50, 150, 251]), [3, 1]);
        let lasting: Vec<u32> = (0..15).map(|n| n * 100).collect();
        assert_eq!(counts(&lasting), [11, 4]);
        let told = at(&[0, 50]).remove(0);
        let lasted = told.last.duration_since(told.first);
        assert_eq!(lasted, SignedDuration::from_millis(50));
    }

    #[test]
    fn a_severity_that_is_not_known_is_no_silence() {
        let german = "2026-11-21 02:38:25.001 UTC [81] 42501 oa@postgres FEHLER:  keine\n";
        let log = read("primary", german);
        assert!(
            log.unread
                .contains("line 1 has the unknown severity `FEHLER`")
        );
    }

    #[test]
    fn a_log_of_endless_errors_is_told_in_part_and_says_so() {
        let line =
            |n: usize| format!("2026-11-21 02:38:25.001 UTC [81] 23505 oa@postgres ERROR:  {n}\n");
        let log = read("primary", &(0..=MOST).map(line).collect::<String>());
        assert_eq!(log.lines.len(), MOST);
        assert!(log.unread.contains("more than 10000"));
    }
}
