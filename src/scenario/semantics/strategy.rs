//! Whether a strategy makes sense by itself.

use std::{collections::BTreeSet, sync::Arc};

use super::place_in;
use crate::{
    scenario::{
        format,
        plan::{BackupPlan, OVERRIDDEN, RetentionRule, StrategyPlan, Wal},
        problem::{Problem, Source},
        yaml::{Node, Position},
    },
    store::LOCAL,
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
    let mut problems = Vec::new();
    commands(file, node, &mut problems);
    settings(file, node, &mut problems);
    backups(file, node, &mut problems);
    stores(file, node, &mut problems);
    archived_by(file, node, &mut problems);
    for problem in &mut problems {
        problem.source = Some(Arc::clone(source));
    }
    problems
}

fn commands(file: &StrategyPlan, node: &Node, problems: &mut Vec<Problem>) {
    let at = |path: &[&str]| place_in(node, path);
    let known = known(file, &[]);
    let placeholders = |command: &str, place: Position, problems: &mut Vec<Problem>| {
        placeholders(&known, command, place, problems);
    };
    if let Wal::Command(command) = &file.wal {
        placeholders(command, at(&["wal", "command"]), problems);
        needs(
            command,
            &["%p"],
            "an `archive_command`",
            at(&["wal", "command"]),
            problems,
        );
    }
    if let RetentionRule::Command(command) = &file.retention.rule {
        placeholders(command, at(&["retention", "rule", "command"]), problems);
    }
    if let Some(restore) = &file.recovery.restore_command {
        let place = at(&["recovery", "restore_command"]);
        placeholders(restore, place, problems);
        if file.wal != Wal::None {
            needs(
                restore,
                &["%f", "%p"],
                "a `restore_command`",
                place,
                problems,
            );
        }
    }
    for (name, value) in &file.settings {
        placeholders(value, at(&["settings", name]), problems);
    }
}

fn needs(command: &str, parts: &[&str], what: &str, place: Position, problems: &mut Vec<Problem>) {
    for part in parts.iter().filter(|p| !command.contains(**p)) {
        let meaning = match *part {
            "%p" => "the path of the file",
            _ => "the name of the file wanted",
        };
        problems.push(Problem::at(
            place,
            format!("{what} without `{part}`, {meaning}"),
        ));
    }
}

/// Every placeholder of a strategy's text: those of each store, and `further` ones.
fn known(file: &StrategyPlan, further: &[&str]) -> Vec<String> {
    let stores = file.stores.keys();
    let of_stores = stores.flat_map(|name| [format!("store.{name}"), format!("archive.{name}")]);
    let own = PLACEHOLDERS
        .iter()
        .chain(further)
        .map(|&one| one.to_owned());
    own.chain(of_stores).collect()
}

/// `{name}` that nothing fills in; `${name}` and `{}` are the shell's.
fn placeholders(known: &[String], command: &str, place: Position, problems: &mut Vec<Problem>) {
    let mut before = ' ';
    for (index, c) in command.char_indices() {
        let inner = command[index + c.len_utf8()..]
            .split('}')
            .next()
            .unwrap_or_default();
        let letter = |c: char| c.is_ascii_lowercase() || c == '_';
        let of_store = |c: char| letter(c) || c.is_ascii_digit() || c == '-';
        let (word, store) = inner.split_once('.').unwrap_or((inner, ""));
        let name = !word.is_empty() && word.chars().all(letter) && store.chars().all(of_store);
        let closed = command[index + c.len_utf8()..].contains('}');
        if c == '{' && before != '$' && name && closed && !known.iter().any(|one| one == inner) {
            let message = format!("unknown placeholder `{{{inner}}}`");
            problems
                .push(Problem::at(place, message).known(inner, known.iter().map(String::as_str)));
        }
        before = c;
    }
}

fn settings(file: &StrategyPlan, node: &Node, problems: &mut Vec<Problem>) {
    for (setting, elsewhere) in STATED_ELSEWHERE {
        if file.settings.contains_key(setting) {
            let place = place_in(node, &["settings", setting]);
            let help = format!("a strategy states it under `{elsewhere}`");
            let message = format!("`{setting}` cannot stand among the settings");
            problems.push(Problem::at(place, message).help(help));
        }
    }
    let settings = file.settings.keys();
    problems
        .extend(settings.filter_map(|name| overridden(name, place_in(node, &["settings", name]))));
    let mode = file
        .settings
        .get("archive_mode")
        .map_or("off", String::as_str);
    let archives = matches!(mode, "on" | "always" | "true" | "yes" | "1");
    let place = match file.settings.contains_key("archive_mode") {
        true => place_in(node, &["settings", "archive_mode"]),
        false => place_in(node, &["wal"]),
    };
    match (file.wal != Wal::None, archives) {
        (false, true) => {
            let message = "`archive_mode` is on and nothing archives: WAL would pile up";
            problems.push(Problem::at(place, message).help("take it out, or say what archives"));
        }
        (true, false) => {
            let message = "nothing is archived while `archive_mode` is off";
            let help = "set `archive_mode: on`, or say `wal: none`";
            problems.push(Problem::at(place, message).help(help));
        }
        (false, false) | (true, true) => {}
    }
}

/// A setting that no scenario can state.
pub(super) fn overridden(name: &str, place: Position) -> Option<Problem> {
    let own = OVERRIDDEN.iter().any(|own| own.eq_ignore_ascii_case(name));
    own.then(|| {
        let message = format!("`{name}` cannot be stated");
        let help = "pgdrill gives it to every server: by it the server is reached, or its log read";
        Problem::at(place, message).help(help)
    })
}

/// Each backup's name, and the options of its tool.
fn backups(file: &StrategyPlan, node: &Node, problems: &mut Vec<Problem>) {
    for (name, backup) in &file.backups {
        let at = |path: &[&str]| place_in(node, &[&["backups", name.as_str()], path].concat());
        if let Err(message) = format::check("name", name) {
            problems.push(Problem::at(key_of(node, "backups", name), message));
        }
        let word = backup.tool.abilities().tool;
        for (option, message) in backup.tool.wrong_options() {
            problems.push(Problem::at(at(&[word, option]), message));
        }
        for text in backup.tool.texts() {
            let known = known(file, text.further);
            placeholders(&known, text.text, at(&[word, text.option]), problems);
        }
        to(file, backup, |index| at(&["to", index]), problems);
        tables(
            backup.tool.tables(),
            |index| at(&[word, "tables", index]),
            problems,
        );
    }
}

/// The stores that a backup goes to.
fn to(
    file: &StrategyPlan,
    backup: &BackupPlan,
    at: impl Fn(&str) -> Position,
    problems: &mut Vec<Problem>,
) {
    let stores = file.stores.keys().map(String::as_str);
    let known: BTreeSet<&str> = stores.chain([LOCAL]).collect();
    for (index, store) in backup.to.iter().enumerate() {
        let place = at(&index.to_string());
        if !known.contains(store.as_str()) {
            let problem = Problem::at(place, format!("there is no store `{store}`"));
            problems.push(problem.known(store, known.iter().copied()));
        } else if backup.to[..index].contains(store) {
            problems.push(Problem::at(place, format!("`{store}` stands twice")));
        }
    }
}

/// Each store's name, and whether anything goes there.
fn stores(file: &StrategyPlan, node: &Node, problems: &mut Vec<Problem>) {
    let archives = file.archive();
    let archived: Vec<&str> = archives.iter().flat_map(|one| one.stores()).collect();
    for name in file.stores.keys() {
        let place = key_of(node, "stores", name);
        let used = file.backups.values().any(|backup| backup.to.contains(name));
        if name == LOCAL {
            let message = "the store `local` is there without being stated";
            problems.push(Problem::at(place, message).help("take it out, or call it otherwise"));
        } else if let Err(message) = format::check("name", name) {
            problems.push(Problem::at(place, message));
        } else if !used && !archived.contains(&name.as_str()) {
            let problem = Problem::at(place, format!("nothing goes to the store `{name}`"));
            let help = format!("a backup says so: `to: [local, {name}]`");
            problems.push(problem.help(help));
        }
    }
}

fn key_of(node: &Node, section: &str, name: &str) -> Position {
    let entry = node.get(section).and_then(|section| section.entry(name));
    entry.map_or(node.place, |(key, _)| key.place)
}

/// The backup whose tool is to archive WAL, if one is.
fn archived_by(file: &StrategyPlan, node: &Node, problems: &mut Vec<Problem>) {
    let Wal::By(name) = &file.wal else {
        return;
    };
    let place = place_in(node, &["wal", "by"]);
    let Some(backup) = file.backups.get(name) else {
        let problem = Problem::at(place, format!("the strategy has no backup `{name}`"));
        return problems.push(problem.known(name, file.backups.keys().map(String::as_str)));
    };
    let abilities = backup.tool.abilities();
    if !abilities.archives {
        let message = format!("{} archives no WAL", abilities.tool);
        problems
            .push(Problem::at(place, message).help("`wal: safe` archives it beside the backups"));
    }
}

fn tables(tables: &[String], at: impl Fn(&str) -> Position, problems: &mut Vec<Problem>) {
    for (index, table) in tables.iter().enumerate() {
        let place = at(&index.to_string());
        if let Err(message) = format::check("qualified-name", table) {
            problems.push(Problem::at(place, message));
        } else if tables[..index].contains(table) {
            problems.push(Problem::at(place, format!("`{table}` stands twice")));
        }
    }
}
