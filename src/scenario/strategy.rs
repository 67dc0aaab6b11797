//! The shipped strategies, YAML under `fixtures/strategies/`, and the scripts of the drilled systems,
//! under `fixtures/scripts/`.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use super::{problem::Problem, select};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/strategies");

static SCRIPTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/scripts");

/// Names of the shipped strategies, sorted.
pub fn shipped_names() -> Vec<&'static str> {
    let stem = |file: &'static include_dir::File<'_>| file.path().file_stem()?.to_str();
    let mut names: Vec<&str> = SHIPPED.files().filter_map(stem).collect();
    names.sort_unstable();
    names
}

/// A strategy's scripts with their texts in place of where these are: a file beside the one that names
/// it where there is a `/` in it, a shipped one where there is none. `path`: that of the strategy.
///
/// # Errors
/// The first that is not there, with its name.
pub fn scripts(
    named: &BTreeMap<String, String>,
    path: &str,
) -> Result<BTreeMap<String, String>, (String, Problem)> {
    let text = |(name, place): (&String, &String)| match script(place, path) {
        Ok(text) => Ok((name.clone(), text)),
        Err(problem) => Err((name.clone(), problem)),
    };
    named.iter().map(text).collect()
}

fn script(place: &str, path: &str) -> Result<String, Problem> {
    if place.contains('/') {
        return Ok(select::read_beside(path, place)?.text);
    }
    let shipped = SCRIPTS
        .get_file(place)
        .and_then(include_dir::File::contents_utf8);
    let names = SCRIPTS.files().filter_map(|file| file.path().to_str());
    shipped
        .map(str::to_owned)
        .ok_or_else(|| Problem::unknown("script", place, names))
}

/// Text of a shipped strategy.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.get_file(format!("{name}.yaml"))?.contents_utf8()
}
