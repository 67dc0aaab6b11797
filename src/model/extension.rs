//! Which Debian package has an extension that a server lacks.

/// Extensions whose package is not named as they are.
const NAMED_OTHERWISE: [(&str, &str); 13] = [
    ("vector", "pgvector"),
    ("postgis", "postgis-3"),
    ("postgis_topology", "postgis-3"),
    ("postgis_raster", "postgis-3"),
    ("postgis_tiger_geocoder", "postgis-3"),
    ("address_standardizer", "postgis-3"),
    ("pg_cron", "cron"),
    ("pg_dirtyread", "dirtyread"),
    ("pg_partman", "partman"),
    ("pg_repack", "repack"),
    ("pg_similarity", "similarity"),
    ("pgq", "pgq3"),
    ("pg_sphere", "pgsphere"),
];
/// Languages: `postgresql-plpython3-17`.
const LANGUAGES: [(&str, &str); 4] = [
    ("plpython3u", "plpython3"),
    ("plperl", "plperl"),
    ("plperlu", "plperl"),
    ("pltcl", "pltcl"),
];

/// What to do about an extension that the server said it lacks; none where it said something else.
pub fn missing(said: &str, postgres: u32) -> Option<String> {
    let name = lacked(said)?;
    let package = package(name, postgres);
    Some(format!(
        "the extension `{name}` is in the Debian package {package}: add `packages: [{package}]` to the \
         data model, or with `--runtime local` install it on this machine"
    ))
}

fn lacked(said: &str) -> Option<&str> {
    let named = said.split("extension \"").nth(1);
    let named = named
        .and_then(|rest| rest.split_once('"'))
        .filter(|(_, rest)| rest.starts_with(" is not available"));
    // Before PostgreSQL 18, which names the extension, too.
    let file = || {
        let path = said
            .split("could not open extension control file \"")
            .nth(1)?;
        let (path, _) = path.split_once('"')?;
        path.rsplit('/').next()?.strip_suffix(".control")
    };
    named.map(|(name, _)| name).or_else(file)
}

fn package(extension: &str, postgres: u32) -> String {
    let of = |list: &[(&'static str, &'static str)]| {
        list.iter()
            .find(|(name, _)| *name == extension)
            .map(|(_, package)| *package)
    };
    if let Some(language) = of(&LANGUAGES) {
        return format!("postgresql-{language}-{postgres}");
    }
    let guess = || extension.replace('_', "-");
    let package = of(&NAMED_OTHERWISE).map_or_else(guess, str::to_owned);
    format!("postgresql-{postgres}-{package}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_an_extension_is_told() {
        let old = "psql:schema.sql:1: ERROR:  could not open extension control file \
                   \"/usr/share/postgresql/15/extension/vector.control\": No such file or directory";
        assert!(missing(old, 15).unwrap().contains("postgresql-15-pgvector"));
        let new = "ERROR:  extension \"postgis\" is not available\nDETAIL:  Could not open …";
        assert!(
            missing(new, 17)
                .unwrap()
                .contains("postgresql-17-postgis-3")
        );
        assert_eq!(package("pg_cron", 18), "postgresql-18-cron");
        assert_eq!(package("plpython3u", 17), "postgresql-plpython3-17");
        assert_eq!(
            missing("ERROR:  syntax error at or near \"extension\"", 17),
            None
        );
    }
}
