//! `settings`: every setting is as in the steady state and as the scenario states it: in force,
//! in the configuration files (which bite at the next reload or restart), of roles and databases;
//! and no file makes the next start another than it was.
//!
//! Paths are compared by what they are on their node. What must differ is listed, with why.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{CheckResult, Context, Said, any, count};
use crate::{
    event::RestoreRecord, measure::view::View, observation::SettingsState, scenario::plan::Apply,
};

/// Where a setting comes from that the harness gives a server at its start.
const COMMAND_LINE: &str = "command line";

/// Settings that differ on a server that is as it must be. Each only while its value comes from
/// the command line: in a configuration file it is as wrong as any other.
const MUST_DIFFER: [(&str, When, &str); 4] = [
    ("port", When::Always, "each server of a machine has its own"),
    ("archive_mode", When::Clone, "a clone archives nothing"),
    (
        "restore_command",
        When::Restored,
        "recovery's own, until the next start",
    ),
    (
        "recovery_target",
        When::Restored,
        "recovery's own, and those that begin with it",
    ),
];

/// On which servers.
#[derive(Clone, Copy)]
enum When {
    Always,
    Restored,
    Clone,
}

fn must_differ(name: &str, restore: Option<&RestoreRecord>) -> bool {
    let fits = |when: When| match when {
        When::Always => true,
        When::Restored => restore.is_some(),
        When::Clone => restore.is_some_and(|restore| restore.scratch),
    };
    MUST_DIFFER.iter().any(|(listed, when, _why)| {
        let same = name == *listed || (*listed == "recovery_target" && name.starts_with(listed));
        same && fits(*when)
    })
}

pub(super) fn check(context: &Context<'_>, before: &View<'_>, now: &View<'_>) -> Said {
    let both = before.settings().zip(now.settings());
    let (was, is) = both.ok_or("the settings were not read both before and after")?;
    if was.in_force.is_empty() {
        return Err("no setting was seen in the steady state".into());
    }
    let compared = Compared {
        context,
        restore: context.history.restore_of(now.server, now.at_us),
        was,
        is,
    };
    let mut details = compared.in_force();
    details.extend(compared.in_files());
    details.extend(compared.of_roles());
    details.extend(compared.at_start());
    details.extend(undeclared(context, now.server, is));
    let Some(first) = details.first() else {
        let seen = (was.in_force.len(), was.files.len());
        return CheckResult::pass(
            any(seen.0, "setting", "changed"),
            format!(
                "{} and {} in files, as before",
                count(seen.0, "setting"),
                seen.1
            ),
        );
    };
    let message = format!(
        "{} in the settings: {first}",
        count(details.len(), "difference")
    );
    CheckResult::fail(message, details)
}

/// What the steady state says by itself: what the scenario states is there.
pub(super) fn steady(context: &Context<'_>, before: &View<'_>) -> Said {
    let is = before.settings().ok_or("the settings were not read")?;
    // A strategy that is applied by a reload is as wrong as it is: that is what is drilled.
    let wrong = match context.history.plan.strategy.apply {
        Apply::Reload => Vec::new(),
        Apply::Restart => undeclared(context, before.server, is),
    };
    match wrong.first() {
        Some(first) => CheckResult::fail(first.clone(), wrong),
        None => CheckResult::pass(
            any(is.files.len(), "setting", "not as stated"),
            "settings as stated",
        ),
    }
}

/// Settings that the scenario states for a server, or the one that it was restored from, and that
/// are not there, or not in force.
fn undeclared(context: &Context<'_>, server: &str, is: &SettingsState) -> Vec<String> {
    let plan = context.history.plan;
    let origin = context.history.origin(server);
    let first = context.history.first_server();
    let Some(own) = plan.servers.get(origin).or(plan.servers.get(first)) else {
        return Vec::new();
    };
    let stated = plan.settings(own).into_iter();
    let wrong = stated.filter_map(|(name, value)| {
        let stated = portable(is, &filled_in(is, &value), context);
        let name = name.to_lowercase();
        let there = is.files.get(&name);
        let value = there.map(|it| portable(is, &it.value, context));
        let overridden = by_command_line(is, &name);
        match (there, value) {
            (None, _) | (_, None) => Some(format!(
                "not in the files: {name} = {stated}, as the scenario states it"
            )),
            (Some(_), Some(value)) if value != stated => Some(format!(
                "in the files: {name} = {value}, the scenario states {stated}"
            )),
            (Some(it), _) if !it.applied && !overridden => Some(format!(
                "not in force: {name} = {stated}, as the scenario states it ({})",
                it.error
            )),
            (Some(_), Some(_)) => None,
        }
    });
    wrong.collect()
}

fn by_command_line(of: &SettingsState, name: &str) -> bool {
    of.in_force
        .get(name)
        .is_some_and(|it| it.source == COMMAND_LINE)
}

struct Compared<'c, 'a> {
    context: &'c Context<'a>,
    restore: Option<&'a RestoreRecord>,
    was: &'c SettingsState,
    is: &'c SettingsState,
}

impl Compared<'_, '_> {
    fn portable(&self, of: &SettingsState, value: &str) -> String {
        portable(of, value, self.context)
    }

    /// Which values of these settings are others, but those that a restore's tool wrote: by name,
    /// and told.
    fn changed<T>(
        &self,
        of: impl Fn(&SettingsState) -> &BTreeMap<String, T>,
        value: impl Fn(&T) -> &str,
    ) -> impl Iterator<Item = (String, String)> {
        let values = |state: &SettingsState| -> BTreeMap<String, String> {
            let all = of(state).iter();
            let all = all.map(|(name, it)| (name.clone(), self.portable(state, value(it))));
            all.collect()
        };
        let changed = differences(&values(self.was), &values(self.is)).into_iter();
        changed.filter(|(name, _)| !self.configured(name))
    }

    fn in_force(&self) -> Vec<String> {
        let changed = self.changed(|of| &of.in_force, |it| &it.value);
        let changed = changed.filter(|(name, _)| {
            !(by_command_line(self.is, name) && must_differ(name, self.restore))
        });
        let mut told: Vec<String> = changed.map(|(_, told)| told).collect();
        let waits = |of: &SettingsState, name: &str| {
            of.in_force.get(name).is_some_and(|it| it.pending_restart)
        };
        let waiting = self.is.in_force.keys();
        let waiting = waiting.filter(|name| waits(self.is, name) && !waits(self.was, name));
        told.extend(waiting.map(|name| format!("{name} waits for a restart to change")));
        told
    }

    /// What the tool of a restore wrote for recovery, where it writes such: without a file that
    /// asks for recovery no later start heeds it.
    fn configured(&self, name: &str) -> bool {
        let by_tool = self.restore.is_some_and(|restore| restore.configured);
        let file = self.is.files.get(name).map(|it| it.file.as_str());
        by_tool
            && file.is_some_and(|file| file.ends_with("/postgresql.auto.conf"))
            && (name == "restore_command" || name.starts_with("recovery_target"))
    }

    fn in_files(&self) -> Vec<String> {
        let changed = self.changed(|of| &of.files, |it| &it.value);
        let told = changed.map(|(_, told)| format!("in the files: {told}"));
        let good = |of: &SettingsState, name: &str| of.files.get(name).is_none_or(|it| it.applied);
        let refused = self.is.files.iter().filter(|(name, it)| {
            !it.applied && good(self.was, name) && !by_command_line(self.is, name)
        });
        let refused = refused.map(|(name, it)| {
            let file = self.portable(self.is, &it.file);
            format!("in the files: {name} = {}: {} ({file})", it.value, it.error)
        });
        told.chain(refused).collect()
    }

    fn of_roles(&self) -> Vec<String> {
        let (was, is) = (&self.was.of_roles, &self.is.of_roles);
        let missing = was.iter().filter(|line| !is.contains(line));
        let added = is.iter().filter(|line| !was.contains(line));
        let missing = missing.map(|line| format!("missing: of {line}"));
        missing
            .chain(added.map(|line| format!("added: of {line}")))
            .collect()
    }

    fn at_start(&self) -> Vec<String> {
        let new = self.is.at_start.iter();
        let new = new.filter(|file| !self.was.at_start.contains(file));
        new.map(|file| format!("the next start finds {file} in the data directory"))
            .collect()
    }
}

/// A value with the places of its own node filled in.
fn filled_in(of: &SettingsState, value: &str) -> String {
    let places = of.places.iter();
    places.fold(value.to_owned(), |text, (name, path)| {
        text.replace(name, path)
    })
}

/// A value in which paths are by what they are on their node: its own, and those of the nodes
/// that its files came from.
fn portable(of: &SettingsState, value: &str, context: &Context<'_>) -> String {
    let others = context.views.iter().filter_map(|view| view.settings());
    let all = [of].into_iter().chain(others);
    let mut places: Vec<(&String, &String)> = all.flat_map(|of| &of.places).collect();
    places.retain(|(_, path)| !path.is_empty());
    places.sort_by_key(|(_, path)| std::cmp::Reverse(path.len()));
    let shown = places.into_iter();
    shown.fold(value.to_owned(), |text, (name, path)| {
        text.replace(path.as_str(), name)
    })
}

/// What differs: by name, and told.
fn differences(
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let gone = was.iter().filter_map(|(name, was)| match is.get(name) {
        None => Some((name.clone(), format!("missing: {name} = {was}"))),
        Some(is) if is == was => None,
        Some(is) => Some((name.clone(), format!("{name} was `{was}`, is `{is}`"))),
    });
    let new = is.iter().filter(|(name, _)| !was.contains_key(*name));
    let new = new.map(|(name, is)| (name.clone(), format!("added: {name} = {is}")));
    gone.chain(new).collect()
}
