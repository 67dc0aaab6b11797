//! Whether a strategy makes sense by itself.

use std::sync::Arc;

use super::place_in;
use crate::scenario::{
    plan::{Archive, FullBackup, OVERRIDDEN, RetentionRule},
    problem::{Problem, Source},
    strategy::StrategyFile,
    yaml::{Node, Place},
};

const PLACEHOLDERS: [&str; 5] = ["store", "archive", "data", "bin", "run"];

/// Those of a command that takes a full backup.
const OF_BACKUPS: [&str; 6] = ["store", "archive", "data", "bin", "run", "tablespaces"];

/// Settings that a strategy states elsewhere than under `settings`.
const STATED_ELSEWHERE: [(&str, &str); 3] = [
    ("archive_command", "archive"),
    ("restore_command", "recovery.restore_command"),
    ("archive_library", "archive"),
];

/// Everything that does not make sense in a strategy. `node`: where it stands.
pub fn check(file: &StrategyFile, node: &Node, source: &Arc<Source>) -> Vec<Problem> {
    let mut problems = Vec::new();
    commands(file, node, &mut problems);
    settings(file, node, &mut problems);
    tables(file, node, &mut problems);
    for problem in &mut problems {
        problem.source = Some(Arc::clone(source));
    }
    problems
}

fn commands(file: &StrategyFile, node: &Node, problems: &mut Vec<Problem>) {
    let at = |path: &[&str]| place_in(node, path);
    if let Archive::Command(command) = &file.archive {
        placeholders(command, at(&["archive", "command"]), problems);
        needs(
            command,
            &["%p"],
            "an `archive_command`",
            at(&["archive", "command"]),
            problems,
        );
    }
    if let FullBackup::Command(command) = &file.full {
        of_these(&OF_BACKUPS, command, at(&["full", "command"]), problems);
    }
    if let RetentionRule::Command(command) = &file.retention.rule {
        placeholders(command, at(&["retention", "rule", "command"]), problems);
    }
    let restore = &file.recovery.restore_command;
    let place = at(&["recovery", "restore_command"]);
    placeholders(restore, place, problems);
    if file.archive != Archive::None {
        needs(
            restore,
            &["%f", "%p"],
            "a `restore_command`",
            place,
            problems,
        );
    }
    for (name, value) in &file.settings {
        placeholders(&value.0, at(&["settings", name]), problems);
    }
}

fn needs(command: &str, parts: &[&str], what: &str, place: Place, problems: &mut Vec<Problem>) {
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

fn placeholders(command: &str, place: Place, problems: &mut Vec<Problem>) {
    of_these(&PLACEHOLDERS, command, place, problems);
}

/// `{name}` that nothing fills in; `${name}` and `{}` are the shell's.
fn of_these(known: &[&'static str], command: &str, place: Place, problems: &mut Vec<Problem>) {
    let mut before = ' ';
    for (index, c) in command.char_indices() {
        let inner = command[index + c.len_utf8()..]
            .split('}')
            .next()
            .unwrap_or_default();
        let name = !inner.is_empty() && inner.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let closed = command[index + c.len_utf8()..].contains('}');
        if c == '{' && before != '$' && name && closed && !known.contains(&inner) {
            let message = format!("unknown placeholder `{{{inner}}}`");
            problems.push(Problem::at(place, message).known(inner, known.iter().copied()));
        }
        before = c;
    }
}

fn settings(file: &StrategyFile, node: &Node, problems: &mut Vec<Problem>) {
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
        .map_or("off", |v| v.0.as_str());
    let archives = matches!(mode, "on" | "always" | "true" | "yes" | "1");
    let place = match file.settings.contains_key("archive_mode") {
        true => place_in(node, &["settings", "archive_mode"]),
        false => place_in(node, &["archive"]),
    };
    match (&file.archive, archives) {
        (Archive::None, true) => {
            let message = "`archive_mode` is on and nothing archives: WAL would pile up";
            problems.push(Problem::at(place, message).help("take it out, or say what archives"));
        }
        (Archive::Safe | Archive::Command(_), false) => {
            let message = "nothing is archived while `archive_mode` is off";
            let help = "set `archive_mode: on`, or say `archive: none`";
            problems.push(Problem::at(place, message).help(help));
        }
        (Archive::None, false) | (Archive::Safe | Archive::Command(_), true) => {}
    }
}

/// A setting that no scenario can state.
pub(super) fn overridden(name: &str, place: Place) -> Option<Problem> {
    let own = OVERRIDDEN.iter().any(|own| own.eq_ignore_ascii_case(name));
    own.then(|| {
        let message = format!("`{name}` cannot be stated");
        let help = "pgdrill gives it to every server: by it the server is reached, or its log read";
        Problem::at(place, message).help(help)
    })
}

fn tables(file: &StrategyFile, node: &Node, problems: &mut Vec<Problem>) {
    for (index, table) in file.tables.iter().enumerate() {
        let place = place_in(node, &["tables", &index.to_string()]);
        if let Err(message) = crate::scenario::format::check("qualified-name", table) {
            problems.push(Problem::at(place, message));
        } else if file.tables[..index].contains(table) {
            problems.push(Problem::at(place, format!("`{table}` stands twice")));
        }
    }
}
