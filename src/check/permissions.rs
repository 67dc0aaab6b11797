//! `permissions`: the whole matrix role × object × privilege is the same as in the steady
//! state; what is missing and what is new both fail. So are the access lists of every
//! database and of the cluster as `pg_dump` and `pg_dumpall` write them.
//!
//! At a gate a business may still be frozen: then missing write privileges, and memberships
//! that bring them, are not judged, nor are access lists as written, whose lines tell several
//! privileges at once; the view after the last step judges them.

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
    let frozen = now.moment == Moment::Gate && !now.frozen.is_empty();
    let missing: Vec<_> = was
        .difference(&is)
        .filter(|line| !(frozen && may_be_frozen(line)))
        .collect();
    let added: Vec<_> = is.difference(&was).collect();
    let lists = match frozen {
        true => Vec::new(),
        false => differences(&acl(dumped), &acl(dumps)),
    };
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

fn acl(dumped: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut lists = dumped.clone();
    lists.retain(|name, _| name.starts_with(ACL));
    lists
}

/// A line says role, kind and name of the object, privilege.
fn may_be_frozen(line: &str) -> bool {
    let privilege = line
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .trim_end_matches('*');
    WRITES.contains(&privilege) || line.split(' ').nth(1) == Some("role")
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
