//! `catalog`: tables, columns, constraints, indexes, functions, triggers, policies,
//! extensions and settings are defined as in the steady state.

use std::collections::BTreeMap;

use super::{Context, Said, any, count};
use crate::measure::view::View;

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let (Some(was), Some(is)) = (before.catalog(), now.catalog()) else {
        return Said::Unknown("the catalog was not read both before and after".into());
    };
    if was.is_empty() {
        return Said::Unknown("the catalog was empty in the steady state".into());
    }
    let mut details = differences(was, is);
    let scratch = context
        .story
        .restore_of(now.server)
        .is_some_and(|restore| restore.scratch);
    if !scratch {
        let Some(settings) = settings(before, now) else {
            return Said::Unknown("the settings were not read both before and after".into());
        };
        details.extend(settings);
    }
    if details.is_empty() {
        return Said::pass(
            any(was.len(), "object", "missing or defined otherwise"),
            format!("{}, defined as before", count(was.len(), "object")),
        );
    }
    let first = details[0].clone();
    Said::Fail(
        format!(
            "{} in the catalog: {first}",
            count(details.len(), "difference")
        ),
        details,
    )
}

fn settings(before: &View<'_>, now: &View<'_>) -> Option<Vec<String>> {
    let (was, is) = (before.server_state()?, now.server_state()?);
    let found = differences(&was.settings, &is.settings);
    Some(
        found
            .into_iter()
            .map(|line| format!("setting {line}"))
            .collect(),
    )
}

fn differences(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<String> {
    let gone = was.iter().filter_map(|(name, was)| match is.get(name) {
        None => Some(format!("missing: {name}")),
        Some(is) if is == was => None,
        Some(is) => Some(format!("changed: {name}: was {was}, is {is}")),
    });
    let new = is.keys().filter(|name| !was.contains_key(*name));
    gone.chain(new.map(|name| format!("added: {name}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::check::testing::*;

    #[test]
    fn changed_objects_and_settings_are_red() {
        let bent = salvage().bend(Moment::After, |seen| {
            if let Observation::Catalog(objects) = seen {
                objects.insert("table app.users".into(), "owner postgres".into());
            }
        });
        expect(&bent, "catalog", Verdict::Fail, "changed: table app.users");
        let setting = salvage().bend(Moment::After, |seen| {
            if let Observation::Server(state) = seen {
                state.settings.clear();
            }
        });
        expect(
            &setting,
            "catalog",
            Verdict::Fail,
            "setting missing: wal_level",
        );
        let blind = salvage().unseen(Moment::After, |seen| {
            matches!(seen, Observation::Catalog(_))
        });
        expect(&blind, "catalog", Verdict::Unknown, "not read");
    }
}
