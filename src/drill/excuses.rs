//! Which errors in the servers' logs a drill provokes itself, on which server, for whom, and
//! how long: a freeze until the thaw, a fault until the last step that repairs it, a look at a
//! server while it lasts.
//!
//! Which lines an excuse covers is said in `probe::server_log`.

use crate::{
    probe::{self, business::Operation, server_log::Excuse},
    scenario::plan::Fault,
    units::wall_clock,
};

/// What provokes errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This workload's writes are revoked.
    Freeze(String),
    /// Faults; steps of the recovery don't say which one they repair.
    Fault,
    /// Probes try what must be refused.
    Look,
}

/// An error that is provoked: for a role or any, on a server or any.
pub struct Provoked {
    sqlstate: String,
    server: Option<String>,
    role: Option<String>,
}

/// Everything excused so far.
#[derive(Debug, Default)]
pub struct Excuses(Vec<(Cause, Excuse)>);

impl Excuses {
    /// From now on these errors are provoked.
    pub fn begin(&mut self, cause: &Cause, provoked: impl IntoIterator<Item = Provoked>) {
        let from = wall_clock();
        let excuse = |one: Provoked| Excuse {
            sqlstate: one.sqlstate,
            server: one.server,
            role: one.role,
            from,
            to: None,
        };
        let excuses = provoked.into_iter().map(excuse);
        self.0.extend(excuses.map(|one| (cause.clone(), one)));
    }

    /// The cause is gone. A fault may be repaired by one step after the other: the last counts.
    pub fn end(&mut self, cause: &Cause) {
        let now = wall_clock();
        let of_cause = self.0.iter_mut().filter(|(of, _)| of == cause);
        for (_, excuse) in of_cause {
            if excuse.to.is_none() || *cause == Cause::Fault {
                excuse.to = Some(now);
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Excuse> {
        self.0.iter().map(|(_, excuse)| excuse.clone()).collect()
    }
}

/// What a freeze makes a business's role run into, also on a server recovered meanwhile.
pub fn by_freeze(role: &str) -> [Provoked; 1] {
    [Provoked {
        sqlstate: "42501".into(),
        server: None,
        role: Some(role.into()),
    }]
}

/// What looking at a server makes its business checks run into.
pub fn by_look(server: &str, business: &[Operation]) -> Vec<Provoked> {
    let refused = |(role, sqlstate): (&str, &str)| Provoked {
        sqlstate: sqlstate.into(),
        server: Some(server.into()),
        role: Some(role.into()),
    };
    let provoked = probe::provoked(business);
    provoked.into_iter().map(refused).collect()
}

/// What a fault makes clients of its server run into.
pub fn by_fault(server: &str, fault: &Fault) -> impl Iterator<Item = Provoked> {
    let role = match fault {
        Fault::RevokeGrants { role, .. } => Some(role.clone()),
        _any => None,
    };
    let sqlstates = sqlstates(fault).iter();
    sqlstates.map(move |sqlstate| Provoked {
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
    fn a_cause_that_is_gone_excuses_nothing_more() {
        let (oa, agent) = (Cause::Freeze("oa".into()), Cause::Freeze("agent".into()));
        let mut excuses = Excuses::default();
        excuses.begin(&oa, by_freeze("oa_app_user"));
        excuses.begin(&agent, by_freeze("agent_app_user"));
        excuses.end(&oa);
        let first = excuses.all();
        assert!(first[0].to.is_some() && first[1].to.is_none());
        excuses.begin(&oa, by_freeze("oa_app_user"));
        excuses.end(&oa);
        let second = excuses.all();
        assert_eq!(second[..2], first[..]);
        assert!(second[2].from >= second[0].to.unwrap());
    }

    #[test]
    fn a_fault_is_repaired_by_the_last_step_that_does() {
        let fault = Fault::RevokeGrants {
            role: "oa_app_user".into(),
            schema: "internal_oa".into(),
        };
        let mut excuses = Excuses::default();
        excuses.begin(&Cause::Fault, by_fault("primary", &fault));
        excuses.end(&Cause::Fault);
        let first = excuses.all().remove(0);
        let whom = (first.role.as_deref(), first.server.as_deref());
        assert_eq!(whom, (Some("oa_app_user"), Some("primary")));
        excuses.end(&Cause::Fault);
        assert!(excuses.all().remove(0).to >= first.to);
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
            refused: refused.map(str::to_owned),
        };
        let provoked = by_look("primary", &[operation(None), operation(Some("42501"))]);
        let sqlstates: Vec<_> = provoked.iter().map(|one| one.sqlstate.as_str()).collect();
        assert_eq!(sqlstates, ["25006", "42501"]);
    }
}
