//! Passwords as PostgreSQL's clients find them: `PGPASSWORD`, else the password file.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::secret::Secret;

/// What a password is for, as the password file names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The password of the environment; none: there is none.
///
/// # Errors
/// When others may read the password file: PostgreSQL's clients would not look into it either.
pub(super) fn password(login: Login<'_>) -> Result<Option<Secret>, String> {
    if let Ok(password) = env::var("PGPASSWORD") {
        return Ok(Some(Secret::new(password)));
    }
    place().map_or(Ok(None), |file| in_file(&file, login))
}

fn place() -> Option<PathBuf> {
    let stated = env::var_os("PGPASSFILE").map(PathBuf::from);
    stated.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pgpass")))
}

fn in_file(file: &Path, login: Login<'_>) -> Result<Option<Secret>, String> {
    let Ok(meta) = fs::metadata(file) else {
        return Ok(None);
    };
    let name = file.display();
    if meta.mode() & 0o077 != 0 {
        return Err(format!(
            "the password file `{name}` may be read by others\n  hint: chmod 0600 {name}"
        ));
    }
    let text = fs::read_to_string(file);
    let text = text.map_err(|cause| format!("cannot read the password file `{name}`: {cause}"))?;
    Ok(text
        .lines()
        .find_map(|line| of_line(line, login))
        .map(Secret::new))
}

/// The password of a line that matches.
fn of_line(line: &str, login: Login<'_>) -> Option<String> {
    let Login {
        host,
        port,
        database,
        user,
    } = login;
    let fields = fields(line);
    let [first, second, third, fourth, password] = fields.as_slice() else {
        return None;
    };
    let port = port.to_string();
    let stated = [
        (first, host),
        (second, &port),
        (third, database),
        (fourth, user),
    ];
    let matches = |(field, value): (&String, &str)| field == "*" || field == value;
    let comment = line.starts_with('#');
    (!comment && stated.into_iter().all(matches)).then(|| password.clone())
}

/// The fields of a line, between colons that no backslash escapes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => last(&mut fields).extend(characters.next()),
            other => last(&mut fields).push(other),
        }
    }
    fields
}

fn last(fields: &mut [String]) -> &mut String {
    fields.last_mut().expect("there is one at least")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const LOGIN: Login<'_> = Login {
        host: "db.example",
        port: 5432,
        database: "ops",
        user: "drill",
    };

    #[test]
    fn the_first_line_that_matches_has_the_password() {
        let found = |line| of_line(line, LOGIN);
        for line in [
            "db.example:5432:ops:drill:p",
            "*:*:*:*:p",
            "db.example:*:ops:*:p",
        ] {
            assert_eq!(found(line).as_deref(), Some("p"), "{line}");
        }
        assert_eq!(found(r"*:*:*:*:a\:b\\c:d").as_deref(), Some(r"a:b\c:d"));
        for line in [
            "#*:*:*:*:p",
            "db.example:5433:ops:drill:p",
            "db:5432:ops:drill:p",
            "*:*:ops:other:p",
            "*:*:*:p",
            "",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_and_none_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".pgpass");
        assert_eq!(in_file(&file, LOGIN), Ok(None));
        fs::write(&file, "# of drills\nother:*:*:*:no\n*:*:*:drill:yes\n").unwrap();
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o640);
        let refused = in_file(&file, LOGIN).unwrap_err();
        assert!(refused.contains("may be read by others"), "{refused}");
        mode(0o600);
        assert_eq!(in_file(&file, LOGIN).unwrap().unwrap().reveal(), "yes");
    }
}
