//! The shipped strategies, YAML under `fixtures/strategies/`, and the scripts of the drilled systems,
//! under `fixtures/scripts/`.

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

/// Text of a script: of a file beside the one that names it where there is a `/` in `place`, of a shipped
/// one where there is none. `path`: that of the strategy.
///
/// # Errors
/// When there is none.
pub fn script(place: &str, path: &str) -> Result<String, Problem> {
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
