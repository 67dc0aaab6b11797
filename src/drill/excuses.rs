//! Which errors in the servers' logs a drill provokes itself, on which server, for whom, and
//! how long: a freeze until the thaw, a fault until the last step that repairs it, a look at a
//! server while it lasts.
//!
//! They are recorded as they begin and end; which lines of a log they explain is judged in
//! `check::server_log`.

use super::state::Drill;
use crate::{
    event::{Cause, EventKind, ExpectedError},
    probe::{self, access, business::Operation},
    scenario::plan::Fault,
};

impl Drill<'_> {
    /// From now on these errors are provoked.
    pub fn expect_errors(&self, cause: Cause, errors: impl IntoIterator<Item = ExpectedError>) {
        let errors = errors.into_iter().collect();
        self.recorder
            .record(EventKind::ErrorsExpected { cause, errors });
    }

    /// The cause is gone.
    pub fn errors_over(&self, cause: Cause) {
        self.recorder.record(EventKind::ErrorsOver { cause });
    }
}

/// What a freeze makes a business's role run into, also on a server recovered meanwhile.
pub fn by_freeze(role: &str) -> [ExpectedError; 1] {
    [ExpectedError {
        sqlstate: "42501".into(),
        server: None,
        role: Some(role.into()),
    }]
}

/// What clients run into whose server is restored in place: until recovery ends it is read-only.
pub fn by_restore(server: &str) -> [ExpectedError; 1] {
    [ExpectedError {
        sqlstate: "25006".into(),
        server: Some(server.into()),
        role: None,
    }]
}

/// What looking at a server provokes: what its business checks run into, and wrong passwords.
pub fn by_look(server: &str, business: &[Operation]) -> Vec<ExpectedError> {
    let login = access::REFUSED.map(|sqlstate| ExpectedError {
        sqlstate: sqlstate.into(),
        server: Some(server.into()),
        role: None,
    });
    let refused = |(role, sqlstate): (&str, &str)| ExpectedError {
        sqlstate: sqlstate.into(),
        server: Some(server.into()),
        role: Some(role.into()),
    };
    let provoked = probe::provoked(business);
    let refused = provoked.into_iter().map(refused);
    refused.chain(login).collect()
}

/// What a fault makes clients of its server run into.
pub fn by_fault(server: &str, fault: &Fault) -> impl Iterator<Item = ExpectedError> {
    let role = match fault {
        Fault::RevokeGrants { role, .. } => Some(role.clone()),
        _any => None,
    };
    let sqlstates = sqlstates(fault).iter();
    sqlstates.map(move |sqlstate| ExpectedError {
        sqlstate: (*sqlstate).into(),
        server: Some(server.into()),
        role: role.clone(),
    })
}

/// 40P01: a statement that locks many tables under live traffic may deadlock with a client,
/// which then gives way.
fn sqlstates(fault: &Fault) -> &'static [&'static str] {
    match fault {
        Fault::DropTable(_) | Fault::DropSchema(_) => DROPPED,
        Fault::DropDatabase(_) => &["3D000"],
        Fault::DeleteRows { .. } | Fault::Truncate(_) => ROWS_GONE,
        Fault::UpdateRows { .. } => ROWS_CHANGED,
        Fault::RevokeGrants { .. } => &["42501"],
        Fault::DamageIndex(_) | Fault::DamageTable(_) => &["XX001", "XX002", "40P01"],
        // The postmaster is killed with its processes; one that sees it die first says so.
        Fault::CrashServer | Fault::LoseServer => &["57P01"],
        Fault::StopArchiving => &[],
    }
}

const DROPPED: &[&str] = &[
    // The table, its schema, or with CASCADE a function, a type, a column.
    "42P01", "3F000", "42883", "42704", "42703",
    // "cache lookup failed" in a session whose object has just gone, and a plan that it was in.
    "XX000", "0A000",
    // No partition for a row; a default that is gone; a reference into a partition.
    "23514", "23502", "23503", "40P01",
];

/// A reference to a row, a value looked up in one, PL/pgSQL's `INTO STRICT`.
const ROWS_GONE: &[&str] = &["23503", "23502", "P0002", "40P01"];

/// The same of rows that are not found by their values any more, and new values that what
/// clients write collides with.
const ROWS_CHANGED: &[&str] = &[
    "23503", "23502", "23505", "23514", "23P01", "P0002", "40P01",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revoked_grants_are_missed_by_their_role_on_their_server() {
        let fault = Fault::RevokeGrants {
            role: "oa_app_user".into(),
            schema: "internal_oa".into(),
        };
        let expected: Vec<_> = by_fault("primary", &fault).collect();
        let missed = ExpectedError {
            sqlstate: "42501".into(),
            server: Some("primary".into()),
            role: Some("oa_app_user".into()),
        };
        assert_eq!(expected, [missed]);
    }

    #[test]
    fn a_row_without_a_partition_is_provoked_by_the_drop_of_it() {
        let dropped = Fault::DropTable("m.reads_2026".into());
        let provoked: Vec<_> = by_fault("primary", &dropped)
            .map(|one| one.sqlstate)
            .collect();
        assert!(provoked.contains(&"23514".to_owned()));
        // What no drop explains.
        assert!(!provoked.contains(&"22012".to_owned()) && !provoked.contains(&"53100".to_owned()));
    }

    #[test]
    fn a_look_tries_what_is_refused_and_what_writes() {
        let operation = |refused: Option<&str>| Operation {
            name: "an operation".into(),
            role: "oa_app_user".into(),
            tenants: None,
            sql: String::new(),
            writes: false,
            refused: refused.map(str::to_owned),
        };
        let provoked = by_look("primary", &[operation(None), operation(Some("42501"))]);
        let sqlstates: Vec<_> = provoked.iter().map(|one| one.sqlstate.as_str()).collect();
        assert_eq!(sqlstates, ["25006", "42501", "28P01", "28000"]);
    }
}
