//! Which errors belong in the servers' logs for a while, on which server and for whom: by a freeze
//! until the thaw, by a fault until the last step that heals it, by a look at a server while it
//! lasts.
//!
//! They are recorded as they begin and end; which lines of a log they explain is judged in
//! `check::server_log`. Those of a fault are among its facts.

use std::collections::BTreeMap;

use super::state::Drill;
use crate::{
    event::{Cause, EventKind, ExpectedError},
    postgres::server::SUPERUSER,
    probe::{self, access, business::Operation},
};

impl Drill {
    /// From now on these errors are expected.
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

/// What the WAL summarizer of a server in recovery runs into, which reads segments while recovery
/// replaces them by those of the archive. A background process has no role.
pub fn by_recovery(server: &str, settings: &BTreeMap<String, String>) -> Option<ExpectedError> {
    let summarizes = settings.get("summarize_wal")? == "on";
    summarizes.then(|| ExpectedError {
        sqlstate: "58P01".into(),
        server: Some(server.into()),
        role: Some(String::new()),
    })
}

/// What standbys and their primary run into once that is restored in place: no backup brings back
/// their replication slots.
pub fn by_lost_slots<'s>(
    primary: &'s str,
    standbys: impl Iterator<Item = &'s str>,
) -> impl Iterator<Item = ExpectedError> {
    standbys.flat_map(move |standby| {
        let both = [
            ("08P01", standby, None),
            ("42704", primary, Some(SUPERUSER)),
        ];
        both.map(|(sqlstate, server, role)| ExpectedError {
            sqlstate: sqlstate.into(),
            server: Some(server.into()),
            role: role.map(str::to_owned),
        })
    })
}

/// What a standby runs into whose primary is gone: it tries again and again to stream.
pub fn by_lost_primary<'s>(
    standbys: impl Iterator<Item = &'s str>,
) -> impl Iterator<Item = ExpectedError> {
    standbys.flat_map(|standby| {
        // The end of the stream, and connections that fail.
        ["08P01", "08006"].map(|sqlstate| ExpectedError {
            sqlstate: sqlstate.into(),
            server: Some(standby.into()),
            role: None,
        })
    })
}

/// What looking at a server comes to: what its business checks run into, and wrong passwords.
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
    let refused = probe::expected_errors(business).into_iter().map(refused);
    refused.chain(login).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_tries_what_is_refused_and_what_writes() {
        let operation = |refused: Option<&str>| Operation {
            name: "an operation".into(),
            database: "postgres".into(),
            role: "oa_app_user".into(),
            tenants: None,
            sql: String::new(),
            writes: false,
            refused: refused.map(str::to_owned),
        };
        let expected = by_look("primary", &[operation(None), operation(Some("42501"))]);
        let sqlstates: Vec<_> = expected.iter().map(|one| one.sqlstate.as_str()).collect();
        assert_eq!(sqlstates, ["25006", "42501", "28P01", "28000"]);
    }
}
