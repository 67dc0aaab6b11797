//! Whether a strategy makes sense by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::place_in;
use crate::{
    backup::{Abilities, WalArchive},
    postgres::configuration::OVERRIDDEN,
    scenario::{
        format, of,
        plan::{BackupPlan, RetentionRule, StrategyPlan, Wal},
        problem::{Problem, Source},
        yaml::Node,
    },
    store::{LOCAL, named},
};

const PLACEHOLDERS: [&str; 5] = ["store", "archive", "data", "bin", "run"];

/// Settings that a strategy states elsewhere than under `settings`.
const STATED_ELSEWHERE: [(&str, &str); 3] = [
    ("archive_command", "wal"),
    ("restore_command", "recovery.restore_command"),
    ("archive_library", "wal"),
];

/// Everything that does not make sense in a strategy. `node`: where it stands.
pub fn check(file: &StrategyPlan, node: &Node, source: &Arc<Source>) -> Vec<Problem> {
    let mut check = Check {
        file,
        node,
        problems: Vec::new(),
    };
    check.commands();
    check.settings();
    check.demanded_settings();
    for (name, backup) in &file.backups {
        check.backup(name, backup);
    }
    check.stores();
    check.archived_into_directories();
    check.archived_by();
    check.configured_once();
    let found = check.problems.into_iter();
    found.map(|problem| of(source, problem)).collect()
}

struct Check<'a> {
    file: &'a StrategyPlan,
    node: &'a Node,
    problems: Vec<Problem>,
}

impl Check<'_> {
    /// A problem with the value that the path leads to.
    fn wrong(&mut self, path: &[&str], problem: impl Into<Problem>) {
        let place = place_in(self.node, path);
        self.problems.push(problem.into().placed(place));
    }

    /// A problem with a name that stands in a section.
    fn wrong_name(&mut self, section: &str, name: &str, problem: impl Into<Problem>) {
        let entry = self.node.get(section).and_then(|node| node.entry(name));
        let place = entry.map_or(self.node.place, |(key, _)| key.place);
        self.problems.push(problem.into().placed(place));
    }

    fn commands(&mut self) {
        let file = self.file;
        let known = self.known(&[]);
        if let Wal::Command(command) = &file.wal {
            self.placeholders(&known, command, &["wal", "command"]);
            self.needs(
                command,
                &["%p"],
                "an `archive_command`",
                &["wal", "command"],
            );
        }
        if let RetentionRule::Command(command) = &file.retention.rule {
            self.placeholders(&known, command, &["retention", "rule", "command"]);
        }
        if let Some(restore) = &file.recovery.restore_command {
            let path = ["recovery", "restore_command"];
            self.placeholders(&known, restore, &path);
            if file.wal != Wal::None {
                self.needs(restore, &["%f", "%p"], "a `restore_command`", &path);
            }
        }
        for (name, value) in &file.settings {
            self.placeholders(&known, value, &["settings", name]);
        }
    }

    fn needs(&mut self, command: &str, parts: &[&str], what: &str, path: &[&str]) {
        for part in parts.iter().filter(|part| !command.contains(**part)) {
            let meaning = match *part {
                "%p" => "the path of the file",
                _ => "the name of the file wanted",
            };
            self.wrong(path, format!("{what} without `{part}`, {meaning}"));
        }
    }

    /// Every placeholder of a strategy's text: those of each store, and `further` ones.
    fn known(&self, further: &[&str]) -> Vec<String> {
        let own = PLACEHOLDERS.iter().chain(further);
        let own = own.map(|&one| one.to_owned());
        let stores = self.file.stores.keys();
        let of_stores =
            stores.flat_map(|name| [format!("store.{name}"), format!("archive.{name}")]);
        own.chain(of_stores).collect()
    }

    /// `{name}` that nothing fills in; `${name}` and `{}` are the shell's.
    fn placeholders(&mut self, known: &[String], command: &str, path: &[&str]) {
        let letter = |c: char| c.is_ascii_lowercase() || c == '_';
        let of_store = |c: char| letter(c) || c.is_ascii_digit() || c == '-';
        for (index, _) in command.match_indices('{') {
            let Some((inner, _)) = command[index + 1..].split_once('}') else {
                continue;
            };
            let (word, store) = inner.split_once('.').unwrap_or((inner, ""));
            let name = !word.is_empty() && word.chars().all(letter) && store.chars().all(of_store);
            let shells = command[..index].ends_with('$');
            if name && !shells && !known.iter().any(|one| one == inner) {
                let problem = Problem::nowhere(format!("unknown placeholder `{{{inner}}}`"));
                self.wrong(path, problem.known(inner, known));
            }
        }
    }

    fn settings(&mut self) {
        let file = self.file;
        for (setting, elsewhere) in STATED_ELSEWHERE {
            if file.settings.contains_key(setting) {
                let message = format!("`{setting}` cannot stand among the settings");
                let help = format!("a strategy states it under `{elsewhere}`");
                self.wrong(&["settings", setting], Problem::nowhere(message).help(help));
            }
        }
        for name in file.settings.keys() {
            if let Some(problem) = overridden(name) {
                self.wrong(&["settings", name], problem);
            }
        }
        let mode = file.settings.get("archive_mode").map(String::as_str);
        let archives = matches!(mode, Some("on" | "always" | "true" | "yes" | "1"));
        let path: &[&str] = match mode {
            Some(_) => &["settings", "archive_mode"],
            None => &["wal"],
        };
        let (message, help) = match (file.wal != Wal::None, archives) {
            (false, true) => (
                "`archive_mode` is on and nothing archives: WAL would pile up",
                "take it out, or say what archives",
            ),
            (true, false) => (
                "nothing is archived while `archive_mode` is off",
                "set `archive_mode: on`, or say `wal: none`",
            ),
            (false, false) | (true, true) => return,
        };
        self.wrong(path, Problem::nowhere(message).help(help));
    }

    /// Settings without which a tool would be refused by the server.
    fn demanded_settings(&mut self) {
        let file = self.file;
        for (name, backup) in &file.backups {
            let Abilities { tool, demands, .. } = backup.tool.abilities();
            let stated = |setting: &str| file.settings.get(setting).map(String::as_str);
            for (setting, value) in demands.iter().filter(|(name, it)| stated(name) != Some(it)) {
                let problem = match stated(setting) {
                    Some(other) => {
                        format!("{tool} needs `{setting} = {value}`, and it is `{other}`")
                    }
                    None => format!("{tool} needs `{setting} = {value}`, which is not stated"),
                };
                let help = format!("state it: `settings: {{ {setting}: {value} }}`");
                let problem = Problem::nowhere(problem).help(help);
                match stated(setting) {
                    Some(_) => self.wrong(&["settings", setting], problem),
                    None => self.wrong(&["backups", name, tool], problem),
                }
            }
        }
    }

    /// A backup's name, the options of its tool, and the stores that it goes to.
    fn backup(&mut self, name: &str, backup: &BackupPlan) {
        if let Err(message) = format::check("name", name) {
            self.wrong_name("backups", name, message);
        }
        let word = backup.tool.abilities().tool;
        for (option, message) in backup.tool.wrong_options() {
            self.wrong(&["backups", name, word, option], message);
        }
        for text in backup.tool.texts() {
            let known = self.known(text.further);
            self.placeholders(&known, text.text, &["backups", name, word, text.option]);
        }
        let file = self.file;
        let stores = file.stores.keys().map(String::as_str);
        let known: BTreeSet<&str> = stores.chain([LOCAL]).collect();
        self.each(&backup.to, &["backups", name, "to"], |store| {
            let problem = Problem::nowhere(format!("there is no store `{store}`"));
            if !known.contains(store) {
                return Some(problem.known(store, &known));
            }
            let speaks_s3 = backup.tool.abilities().speaks_s3;
            let out_of_reach = named(&file.stores, store).is_object_storage() && !speaks_s3;
            out_of_reach.then(|| no_s3(word, store))
        });
        self.each(
            backup.tool.tables(),
            &["backups", name, word, "tables"],
            |table| {
                let named = format::check("qualified-name", table);
                named.err().map(Problem::nowhere)
            },
        );
    }

    /// Items of a list: what is wrong with each, or that it stands there twice.
    fn each(&mut self, items: &[String], path: &[&str], wrong: impl Fn(&str) -> Option<Problem>) {
        for (index, item) in items.iter().enumerate() {
            let twice = items[..index].contains(item);
            let twice = twice.then(|| Problem::nowhere(format!("`{item}` stands twice")));
            if let Some(problem) = wrong(item).or(twice) {
                self.wrong(&[path, &[index.to_string().as_str()]].concat(), problem);
            }
        }
    }

    /// Each store's name, and whether anything goes there.
    fn stores(&mut self) {
        let file = self.file;
        let archives = file.archive();
        let archived: Vec<&str> = archives.iter().flat_map(|one| one.stores()).collect();
        for (name, store) in &file.stores {
            let used = file.backups.values().any(|backup| backup.to.contains(name));
            if let Some((option, error)) = store.wrong() {
                let problem = Problem::nowhere(error.cause).help(error.help);
                self.wrong(&["stores", name, store.word(), option], problem);
            }
            if name == LOCAL && store.size().0 == 0 {
                let problem = Problem::nowhere("the store `local` is there without being stated");
                let help = "take it out, call it otherwise, or give it a `size`";
                self.wrong_name("stores", name, problem.help(help));
            } else if let Err(message) = format::check("name", name) {
                self.wrong_name("stores", name, message);
            } else if name != LOCAL && !used && !archived.contains(&name.as_str()) {
                let problem = Problem::nowhere(format!("nothing goes to the store `{name}`"));
                let help = format!("a backup says so: `to: [local, {name}]`");
                self.wrong_name("stores", name, problem.help(help));
            }
        }
    }

    /// pgdrill's own script, and a command, archive into directories alone.
    fn archived_into_directories(&mut self) {
        let file = self.file;
        let (Wal::Safe | Wal::Command(_)) = file.wal else {
            return;
        };
        let archive = file.archive();
        let mut stores = archive.iter().flat_map(WalArchive::stores);
        let objects = |store: &&str| named(&file.stores, store).is_object_storage();
        if let Some(store) = stores.find(objects) {
            let word = match &file.wal {
                Wal::Safe => "pgdrill's script",
                _command => "a command",
            };
            self.wrong(&["wal"], no_s3(word, store));
        }
    }

    /// The backup whose tool is to archive WAL, if one is.
    fn archived_by(&mut self) {
        let Wal::By(name) = &self.file.wal else {
            return;
        };
        let backups = &self.file.backups;
        let problem = match backups.get(name).map(|backup| backup.tool.abilities()) {
            None => Problem::nowhere(format!("the strategy has no backup `{name}`"))
                .known(name, backups.keys()),
            Some(abilities) if !abilities.archives => {
                let problem = Problem::nowhere(format!("{} archives no WAL", abilities.tool));
                problem.help("`wal: safe` archives it beside the backups")
            }
            Some(_) => return,
        };
        self.wrong(&["wal", "by"], problem);
    }

    /// A tool that archives a server's WAL has one configuration there, a single backup's.
    fn configured_once(&mut self) {
        let mut first = BTreeMap::new();
        for (name, backup) in &self.file.backups {
            let Abilities { tool, archives, .. } = backup.tool.abilities();
            if archives && let Some(other) = first.insert(tool, name) {
                let message = format!("`{other}` and `{name}` are both taken by {tool}");
                let help = "one backup may go to several stores, and be taken in several kinds";
                self.wrong_name("backups", name, Problem::nowhere(message).help(help));
            }
        }
    }
}

/// What cannot go to a store that is object storage.
fn no_s3(what: &str, store: &str) -> Problem {
    let message = format!("`{store}` is object storage, and {what} does not speak S3");
    let help = "a tool that speaks S3 takes backups into it, and archives WAL there by \
                `wal: { by: … }`: docs/tools.md says which do";
    Problem::nowhere(message).help(help)
}

/// A setting that no scenario can state.
pub(super) fn overridden(name: &str) -> Option<Problem> {
    let own = OVERRIDDEN.iter().any(|own| own.eq_ignore_ascii_case(name));
    let problem = || Problem::nowhere(format!("`{name}` cannot be stated"));
    let help = "pgdrill gives it to every server: by it the server is reached, or its log read";
    own.then(|| problem().help(help))
}
