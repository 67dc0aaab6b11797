//! Grants, as the scratch server has them.
//!
//! In whole schemas, what its roles may do and production's may not any more is granted
//! again. From objects that were created anew, what default privileges added is revoked.
//! Nothing else is taken away from anybody.

use std::collections::BTreeSet;

use super::{SalvageError, SalvageRequest, Work, session::Session};
use crate::probe::privileges::{self, Privilege};

/// Kind and name of objects that have an owner.
pub(super) type Objects = BTreeSet<(String, String)>;

/// What is there now: what is not, and is there later, was created in between.
pub(super) async fn objects(home: &Session<'_>) -> Result<Objects, SalvageError> {
    let all = privileges::all(&home.client).await?;
    let owned = all
        .into_iter()
        .filter(|privilege| privilege.right == "OWNER");
    Ok(owned
        .map(|privilege| (privilege.kind, privilege.object))
        .collect())
}

impl Work<'_> {
    /// Makes the grants what they have to be. `older`: objects that were not created anew.
    pub(super) async fn settle_grants(&self, older: &Objects) -> Result<(), SalvageError> {
        let before = privileges::all(&self.scratch.client).await?;
        let after = privileges::all(&self.home.client).await?;
        let wanted = wanted(&before, self.request);
        let missing = wanted
            .into_iter()
            .filter(|privilege| !after.contains(privilege));
        let grants = missing.filter_map(|privilege| statement(privilege, Verb::Grant));
        let added = after.iter().filter(|privilege| !before.contains(privilege));
        let added = added.filter(|privilege| {
            let object = (privilege.kind.clone(), privilege.object.clone());
            privilege.right != "OWNER" && !older.contains(&object)
        });
        let revokes = added
            .filter(|privilege| OBJECTS.contains(&privilege.kind.as_str()))
            .filter_map(|privilege| statement(privilege, Verb::Revoke));
        for sql in revokes.chain(grants) {
            self.home.run(&sql).await?;
        }
        Ok(())
    }
}

/// Kinds that default privileges concern.
const OBJECTS: [&str; 6] = [
    "table",
    "view",
    "materialized-view",
    "sequence",
    "function",
    "type",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Grant,
    Revoke,
}

/// Privileges in the schemas, owners first, then memberships of the roles that have any.
fn wanted<'a>(all: &'a [Privilege], request: &SalvageRequest) -> Vec<&'a Privilege> {
    let inside = |privilege: &&Privilege| {
        request
            .schemas
            .iter()
            .any(|schema| concerns(privilege, schema))
    };
    let mut wanted: Vec<&Privilege> = all.iter().filter(inside).collect();
    wanted.sort_by_key(|privilege| privilege.right != "OWNER");
    let member = |privilege: &&Privilege| {
        privilege.kind == "role"
            && privilege.right.starts_with("MEMBER")
            && !request.frozen.contains(&privilege.object)
    };
    let roles: Vec<&str> = wanted
        .iter()
        .map(|privilege| privilege.role.as_str())
        .collect();
    let named = |privilege: &&Privilege| {
        roles.contains(&privilege.role.as_str()) || roles.contains(&privilege.object.as_str())
    };
    let memberships: Vec<&Privilege> = all.iter().filter(member).filter(named).collect();
    wanted.extend(memberships);
    wanted
}

fn concerns(privilege: &Privilege, schema: &str) -> bool {
    match privilege.kind.as_str() {
        "schema" => privilege.object == schema,
        "table" | "view" | "materialized-view" | "sequence" | "column" | "function" | "type" => {
            privilege
                .object
                .strip_prefix(schema)
                .is_some_and(|rest| rest.starts_with('.'))
        }
        kind if kind.starts_with("default-") => privilege
            .object
            .rsplit_once('@')
            .is_some_and(|(_, inside)| inside == schema),
        _ => false,
    }
}

/// The statement that grants or revokes it; none for what is no grant.
fn statement(privilege: &Privilege, verb: Verb) -> Option<String> {
    let (right, grantable) = match privilege.right.strip_suffix('*') {
        Some(right) => (right, true),
        None => (privilege.right.as_str(), false),
    };
    let (role, object) = (&privilege.role, &privilege.object);
    if right == "OWNER" {
        return owner(privilege);
    }
    let what = match privilege.kind.as_str() {
        "role" => object.clone(),
        "column" => {
            let (table, column) = split_last(object)?;
            format!("{right} ({column}) ON {table}")
        }
        "function" => format!("{right} ON ROUTINE {object}"),
        "materialized-view" | "view" | "table" => format!("{right} ON TABLE {object}"),
        "sequence" | "type" | "schema" => {
            format!("{right} ON {} {object}", privilege.kind.to_uppercase())
        }
        kind => format!(
            "{right} ON {}",
            kind.strip_prefix("default-")?.to_uppercase()
        ),
    };
    let option = match (grantable, privilege.kind.as_str()) {
        (false, _) => "",
        (true, "role") => " WITH ADMIN OPTION",
        (true, _) => " WITH GRANT OPTION",
    };
    let sql = match verb {
        Verb::Grant => format!("GRANT {what} TO {role}{option}"),
        Verb::Revoke => format!("REVOKE {what} FROM {role}"),
    };
    Some(match privilege.kind.strip_prefix("default-") {
        None => sql,
        Some(_) => {
            let (owner, schema) = object.rsplit_once('@')?;
            format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} {sql}")
        }
    })
}

fn owner(privilege: &Privilege) -> Option<String> {
    let Privilege { role, object, .. } = privilege;
    let keyword = match privilege.kind.as_str() {
        "function" => "ROUTINE".to_owned(),
        kind if OBJECTS.contains(&kind) || kind == "schema" => {
            kind.replace('-', " ").to_uppercase()
        }
        _ => return None,
    };
    Some(format!("ALTER {keyword} {object} OWNER TO {role}"))
}

/// `a."b.c".d` → `a."b.c"`, `d`
fn split_last(name: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut last = None;
    for (at, letter) in name.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => last = Some(at),
            _ => {}
        }
    }
    last.map(|at| (&name[..at], &name[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privilege(role: &str, kind: &str, object: &str, right: &str) -> Privilege {
        let [role, kind, object, right] = [role, kind, object, right].map(str::to_owned);
        Privilege {
            role,
            kind,
            object,
            right,
        }
    }

    #[test]
    fn each_kind_has_its_statement() {
        let cases = [
            (
                "app",
                "table",
                "s.t",
                "SELECT*",
                "GRANT SELECT ON TABLE s.t TO app WITH GRANT OPTION",
            ),
            (
                "app",
                "column",
                "s.\"t.u\".c",
                "UPDATE",
                "GRANT UPDATE (c) ON s.\"t.u\" TO app",
            ),
            (
                "PUBLIC",
                "function",
                "s.f(a integer)",
                "EXECUTE",
                "GRANT EXECUTE ON ROUTINE s.f(a integer) TO PUBLIC",
            ),
            (
                "app",
                "role",
                "writers",
                "MEMBER*",
                "GRANT writers TO app WITH ADMIN OPTION",
            ),
            (
                "own",
                "materialized-view",
                "s.m",
                "OWNER",
                "ALTER MATERIALIZED VIEW s.m OWNER TO own",
            ),
            (
                "app",
                "default-tables",
                "own@s",
                "SELECT",
                "ALTER DEFAULT PRIVILEGES FOR ROLE own IN SCHEMA s GRANT SELECT ON TABLES TO app",
            ),
        ];
        for (role, kind, object, right, expected) in cases {
            assert_eq!(
                statement(&privilege(role, kind, object, right), Verb::Grant).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn memberships_come_back_but_those_of_the_frozen() {
        let all = [
            privilege("oa_writers", "table", "oa.t", "INSERT"),
            privilege("oa", "role", "oa_writers", "MEMBER"),
            privilege("other", "role", "elsewhere", "MEMBER"),
            privilege("agent", "table", "oa_more.t", "INSERT"),
        ];
        let mut request = SalvageRequest {
            schemas: vec!["oa".into()],
            ..SalvageRequest::default()
        };
        assert_eq!(wanted(&all, &request), [&all[0], &all[1]]);
        request.frozen = vec!["oa_writers".into()];
        assert_eq!(wanted(&all, &request), [&all[0]]);
    }
}
