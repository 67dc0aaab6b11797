//! `catalog`: every object of every database and of the cluster is defined as in the steady
//! state, as `pg_dump` and `pg_dumpall` write it and as the system catalogs have it. Who may do
//! what is the business of `permissions`.

use std::collections::BTreeMap;

use super::{
    CheckResult, Said, any, count,
    differences::{differences, head},
};
use crate::{measure::view::View, observation::ACL};

pub(super) fn check(before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.catalog().zip(now.catalog());
    let (was, is) = both.ok_or("the catalog was not read both before and after")?;
    let both = before.definitions().zip(now.definitions());
    let (dumped, dumps) = both.ok_or("the definitions were not dumped both before and after")?;
    if was.is_empty() || dumped.is_empty() {
        return Err("the catalog was empty in the steady state".into());
    }
    let mut details = differences(&without_acl(dumped), &without_acl(dumps));
    details.extend(differences(was, is));
    if details.is_empty() {
        return CheckResult::pass(
            any(was.len(), "object", "missing or defined otherwise"),
            format!("{}, defined as before", count(was.len(), "object")),
        );
    }
    let message = format!(
        "{} in the catalog: {}",
        count(details.len(), "difference"),
        head(&details[0])
    );
    CheckResult::fail(message, details)
}

fn without_acl(dumped: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut objects = dumped.clone();
    objects.retain(|name, _| !name.starts_with(ACL));
    objects
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn changed_objects_are_red() {
        let bent = salvage().bend(Moment::After, |seen| {
            if let Observation::Catalog(objects) = seen {
                objects.insert("table app.users".into(), "owner postgres".into());
            }
        });
        let why = "1 difference in the catalog: table app.users differs";
        expect(&bent, "catalog", Verdict::Fail, why);
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Catalog(_))
        });
        expect(&blind, "catalog", Verdict::Unknown, "not read");
    }

    #[test]
    fn what_pg_dump_tells_otherwise_is_red() {
        let bent = salvage().bend(Moment::After, |seen| {
            if let Observation::Definitions(objects) = seen {
                objects.insert("cast (app.pair AS text)".into(), "CREATE CAST".into());
                objects.remove("table app.users");
            }
        });
        let why = "2 differences in the catalog: table app.users is missing";
        expect(&bent, "catalog", Verdict::Fail, why);
        let blind = salvage().unseen(Moment::Before, |seen| {
            matches!(seen, Observation::Definitions(_))
        });
        expect(&blind, "catalog", Verdict::Unknown, "not dumped");
    }
}
