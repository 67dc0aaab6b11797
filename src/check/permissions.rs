//! `permissions`: the whole matrix role × object × privilege is the same as in the steady
//! state; what is missing and what is new both fail. So are the access lists of every
//! database and of the cluster as `pg_dump` and `pg_dumpall` write them.
//!
//! At a gate a business may still be frozen: then what was revoked of its role, the membership in
//! its group of writers or the writes on its table, is not judged, nor are the lines of access
//! lists as written that name both, which tell several privileges at once; the view after the
//! last step judges them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CheckResult, Said, any, count,
    differences::{differences, head},
};
use crate::{
    event::{Moment, Revoked},
    measure::view::{Frozen, View},
    observation::ACL,
    scenario::plan::untold,
};

const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"];

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.privileges().zip(now.privileges());
    let (was, is) = both.ok_or("the privileges were not read both before and after")?;
    let both = before.definitions().zip(now.definitions());
    let (dumped, dumps) = both.ok_or("the access lists were not dumped both before and after")?;
    if was.is_empty() {
        return Err("no privilege was seen in the steady state".into());
    }
    let (was, is): (BTreeSet<&String>, BTreeSet<&String>) =
        (was.iter().collect(), is.iter().collect());
    let frozen: Vec<Frozen<'_>> = match now.moment {
        Moment::Gate => now.frozen.values().copied().collect(),
        Moment::Before | Moment::After => Vec::new(),
    };
    let missing: Vec<_> = was
        .difference(&is)
        .filter(|line| !frozen.iter().any(|frozen| excuses(frozen, line)))
        .collect();
    let added: Vec<_> = is.difference(&was).collect();
    let lists = differences(&acl(dumped, &frozen), &acl(dumps, &frozen));
    if missing.is_empty() && added.is_empty() && lists.is_empty() {
        return CheckResult::pass(
            any(was.len(), "privilege", "missing, or one too many"),
            format!("{}, as before", count(was.len(), "privilege")),
        );
    }
    let details = missing.iter().map(|line| format!("missing: {line}"));
    let details = details
        .chain(added.iter().map(|line| format!("added: {line}")))
        .chain(lists.iter().cloned());
    let mut message = format!(
        "privileges differ: {} missing, {} added",
        missing.len(),
        added.len()
    );
    if missing.is_empty() && added.is_empty() {
        message = format!("privileges differ: {}", head(&lists[0]));
    }
    CheckResult::fail(message, details.collect())
}

/// The access lists, without the lines that tell what a frozen role lost.
fn acl(dumped: &BTreeMap<String, String>, frozen: &[Frozen<'_>]) -> BTreeMap<String, String> {
    let lists = dumped.iter().filter(|(name, _)| name.starts_with(ACL));
    let judged = lists.map(|(name, text)| (name.clone(), without(text, frozen)));
    judged
        .filter(|(_, text)| frozen.is_empty() || !text.is_empty())
        .collect()
}

fn without(list: &str, frozen: &[Frozen<'_>]) -> String {
    let excused = |line: &str| frozen.iter().any(|frozen| tells(line, frozen));
    let judged: Vec<&str> = list.lines().filter(|line| !excused(line)).collect();
    judged.join("\n")
}

/// Whether a line of an access list as written names the role and what it lost.
fn tells(line: &str, frozen: &Frozen<'_>) -> bool {
    let there = words(line);
    let (Revoked::Membership(of) | Revoked::Writes(of)) = frozen.revoked;
    let mut wanted = words(frozen.role).into_iter().chain(words(of));
    wanted.all(|word| there.contains(&word))
}

/// The names, and parts of names, in SQL, each as it reads without quotes.
fn words(sql: &str) -> Vec<String> {
    let words = sql.split([' ', ',', ';', '"', '.', '(', ')']);
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether a freeze took a privilege away. A line says role, kind and name of the object,
/// privilege.
fn excuses(frozen: &Frozen<'_>, line: &str) -> bool {
    let role = frozen.role;
    let quoted = format!("\"{role}\"");
    let named = line
        .strip_prefix(role)
        .or_else(|| line.strip_prefix(&quoted));
    let of_it = named.and_then(|rest| rest.strip_prefix(' '));
    let Some((object, privilege)) = of_it.and_then(|rest| rest.rsplit_once(' ')) else {
        return false;
    };
    let Some((kind, name)) = object.split_once(' ') else {
        return false;
    };
    match frozen.revoked {
        Revoked::Membership(group) => kind == "role" && words(name) == words(group),
        Revoked::Writes(tables) => {
            let writes = WRITES.contains(&privilege.trim_end_matches('*'));
            writes && tables.split(", ").any(|table| is_of(kind, name, table))
        }
    }
}

/// Whether an object is a table or a column of it.
fn is_of(kind: &str, name: &str, table: &str) -> bool {
    let (name, table) = (words(untold(name)), words(table));
    match kind {
        "table" => name == table,
        "column" => name.len() > table.len() && name.starts_with(&table),
        _other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Frozen, Revoked, excuses, tells};
    use crate::check::testing::*;

    /// What a role lost, and what it may miss and an access list need not tell while it is frozen.
    #[test]
    fn a_freeze_excuses_exactly_what_it_revoked() {
        let group = Revoked::Membership("app_writers".into());
        let table = Revoked::Writes("app.Notes".into());
        let role = "app_user";
        let revoked = [&group, &table];
        let lines = [
            ("app_user role app_writers MEMBER", [true, false]),
            ("app_user role app_writers SET_OPTION=true", [true, false]),
            ("app_user role auditors MEMBER", [false, false]),
            ("app_user table app.notes INSERT", [false, true]),
            ("app_user column app.notes.body UPDATE*", [false, true]),
            ("app_user table app.notes SELECT", [false, false]),
            ("app_user table app.users INSERT", [false, false]),
            ("other role app_writers MEMBER", [false, false]),
        ];
        for (line, excused) in lines {
            let by = revoked.map(|revoked| excuses(&Frozen { role, revoked }, line));
            assert_eq!(by, excused, "{line}");
        }
        let lists = [
            (
                "GRANT app_writers TO app_user WITH INHERIT TRUE;",
                [true, false],
            ),
            (
                "GRANT SELECT,INSERT ON TABLE app.notes TO app_user;",
                [false, true],
            ),
            (
                "GRANT SELECT ON TABLE app.users TO app_user;",
                [false, false],
            ),
            ("GRANT app_writers TO other;", [false, false]),
        ];
        for (line, excused) in lists {
            let by = revoked.map(|revoked| tells(line, &Frozen { role, revoked }));
            assert_eq!(by, excused, "{line}");
        }
    }

    #[test]
    fn missing_and_added_privileges_are_red() {
        let bent = |add: bool| {
            salvage().bend(Moment::After, move |seen| {
                if let Observation::Privileges(lines) = seen {
                    if add {
                        lines.push("auditor table app.users DELETE".into());
                    } else {
                        lines.pop();
                    }
                }
            })
        };
        expect(
            &bent(false),
            "permissions",
            Verdict::Fail,
            "1 missing, 0 added",
        );
        expect(
            &bent(true),
            "permissions",
            Verdict::Fail,
            "0 missing, 1 added",
        );
        let lists = salvage().bend(Moment::After, |seen| {
            if let Observation::Definitions(objects) = seen {
                objects.insert("acl table t in database other".into(), "GRANT".into());
            }
        });
        let why = "privileges differ: acl table t in database other is new";
        expect(&lists, "permissions", Verdict::Fail, why);
        let catalog = finding(&lists.judge(), "catalog").verdict;
        assert_eq!(catalog, Verdict::Pass);
        let blind = salvage().unseen(Moment::Before, |seen| {
            matches!(seen, Observation::Privileges(_))
        });
        expect(&blind, "permissions", Verdict::Unknown, "not read");
    }
}
