//! `permissions`: the whole matrix role × object × privilege is the same as in the steady
//! state; what is missing and what is new both fail. So are the access lists of every
//! database and of the cluster as `pg_dump` and `pg_dumpall` write them.
//!
//! At a gate a business may still be frozen: then missing write privileges of its role, and
//! memberships that bring them, are not judged, nor are the lines of access lists as written that
//! name it, which tell several privileges at once; the view after the last step judges them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Said, any, count,
    differences::{differences, head},
};
use crate::{event::Moment, measure::view::View, observation::ACL};

const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"];

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let (Some(was), Some(is)) = (before.privileges(), now.privileges()) else {
        return Said::Unknown("the privileges were not read both before and after".into());
    };
    let (Some(dumped), Some(dumps)) = (before.definitions(), now.definitions()) else {
        return Said::Unknown("the access lists were not dumped both before and after".into());
    };
    if was.is_empty() {
        return Said::Unknown("no privilege was seen in the steady state".into());
    }
    let (was, is): (BTreeSet<&String>, BTreeSet<&String>) =
        (was.iter().collect(), is.iter().collect());
    let frozen: Vec<&str> = match now.moment {
        Moment::Gate => now.frozen.values().copied().collect(),
        Moment::Before | Moment::After => Vec::new(),
    };
    let missing: Vec<_> = was
        .difference(&is)
        .filter(|line| !frozen.iter().any(|role| may_be_frozen(line, role)))
        .collect();
    let added: Vec<_> = is.difference(&was).collect();
    let lists = differences(&acl(dumped, &frozen), &acl(dumps, &frozen));
    if missing.is_empty() && added.is_empty() && lists.is_empty() {
        return Said::pass(
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
    Said::Fail(message, details.collect())
}

/// The access lists, without the lines that name a frozen role.
fn acl(dumped: &BTreeMap<String, String>, frozen: &[&str]) -> BTreeMap<String, String> {
    let lists = dumped.iter().filter(|(name, _)| name.starts_with(ACL));
    let judged = lists.map(|(name, text)| (name.clone(), without(text, frozen)));
    judged
        .filter(|(_, text)| frozen.is_empty() || !text.is_empty())
        .collect()
}

fn without(list: &str, frozen: &[&str]) -> String {
    let names = |line: &&str| {
        let mut words = line.split([' ', ',', ';', '"']);
        words.any(|word| frozen.iter().any(|role| word == role.trim_matches('"')))
    };
    let judged: Vec<&str> = list.lines().filter(|line| !names(line)).collect();
    judged.join("\n")
}

/// A line says role, kind and name of the object, privilege.
fn may_be_frozen(line: &str, role: &str) -> bool {
    let quoted = format!("\"{role}\"");
    let named = line
        .strip_prefix(role)
        .or_else(|| line.strip_prefix(&quoted));
    let Some(of_it) = named.and_then(|rest| rest.strip_prefix(' ')) else {
        return false;
    };
    let privilege = of_it
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .trim_end_matches('*');
    WRITES.contains(&privilege) || of_it.starts_with("role ")
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

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
