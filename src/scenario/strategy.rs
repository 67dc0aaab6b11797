//! The shipped strategies: YAML under `fixtures/strategies/`.

use include_dir::{Dir, include_dir};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/strategies");

/// Names of the shipped strategies, sorted.
pub fn shipped_names() -> Vec<&'static str> {
    let stem = |file: &'static include_dir::File<'_>| file.path().file_stem()?.to_str();
    let mut names: Vec<&str> = SHIPPED.files().filter_map(stem).collect();
    names.sort_unstable();
    names
}

/// Text of a shipped strategy.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.get_file(format!("{name}.yaml"))?.contents_utf8()
}
