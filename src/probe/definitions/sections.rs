//! A dump's text cut into one section an object. Nothing of it is left out but what no two
//! dumps have in common: tokens, versions, a tablespace's place, secrets.

use std::collections::BTreeMap;

use crate::observation::ACL;

/// Kinds of objects whose options may be secrets.
const SECRET: [&str; 4] = [
    "foreign data wrapper ",
    "server ",
    "subscription ",
    "user mapping ",
];

/// What stands before the first object.
const SETTINGS: &str = "settings of the dump";

/// Sections by name, under construction.
#[derive(Default)]
struct Sections {
    name: String,
    all: BTreeMap<String, Vec<String>>,
}

impl Sections {
    fn line(&mut self, line: &str) {
        if !self.all.contains_key(&self.name) {
            self.all.insert(self.name.clone(), Vec::new());
        }
        if let Some(lines) = self.all.get_mut(&self.name) {
            lines.push(line.to_owned());
        }
    }

    /// Joins the lines. Grants stand in the order in which they were made, which means nothing.
    fn texts(self) -> impl Iterator<Item = (String, String)> {
        self.all.into_iter().map(|(name, mut lines)| {
            if name.starts_with(ACL) {
                lines.sort();
            }
            (name, lines.join("\n").trim_matches(['\n', '-']).to_owned())
        })
    }
}

/// The sections of `pg_dump`: `function sales.f(integer)` and its text. `digest` stands in for
/// what may be a secret.
pub fn of_schema(dump: &str, digest: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let mut sections = Sections {
        name: SETTINGS.into(),
        ..Sections::default()
    };
    for line in dump.split('\n').filter(|line| !is_volatile(line)) {
        if let Some(name) = object(line) {
            sections.name = name;
        } else if line.starts_with("\\connect ") {
            sections.name = SETTINGS.into();
        } else {
            sections.line(line);
        }
    }
    let hidden = |(name, text): (String, String)| {
        let secret = SECRET.iter().any(|kind| name.starts_with(kind));
        let text = if secret {
            without_literals(&text, &digest)
        } else {
            text
        };
        (name, text)
    };
    sections.texts().map(hidden).collect()
}

fn is_volatile(line: &str) -> bool {
    [
        "\\restrict ",
        "\\unrestrict ",
        "-- Dumped ",
        "-- PostgreSQL database dump",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// The object that a header of `pg_dump` announces:
/// `-- Name: f(integer); Type: FUNCTION; Schema: sales; Owner: postgres`.
fn object(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("-- Name: ")?.rsplit_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let (schema, _owner) = rest.split_once("; Owner: ")?;
    let schema = match schema {
        "-" => String::new(),
        schema => format!("{schema}."),
    };
    // Some are named after their kind, or after the object they belong to: `TABLE orders`.
    let name = name.strip_prefix(&format!("{kind} ")).unwrap_or(name);
    let (kind, name) = match (kind, of_kind(name)) {
        ("DEFAULT ACL", _) => (ACL.trim_end().to_owned(), name),
        ("ACL" | "COMMENT" | "SECURITY LABEL", Some((of, name))) => (format!("{kind} {of}"), name),
        _ => (kind.to_owned(), name),
    };
    Some(format!("{} {schema}{name}", kind.to_lowercase()))
}

/// `TEXT SEARCH PARSER p` as kind and name.
fn of_kind(name: &str) -> Option<(&str, &str)> {
    let is_kind = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    let spaces = name.match_indices(' ').map(|(at, _)| at);
    let end = spaces
        .take_while(|at| name[..*at].split(' ').all(is_kind))
        .last()?;
    Some((&name[..end], &name[end + 1..]))
}

/// Every literal in its digest's place.
fn without_literals(text: &str, digest: impl Fn(&str) -> String) -> String {
    let part = |(at, part): (usize, &str)| match at % 2 {
        0 => part.to_owned(),
        _ => format!("'digest {}'", digest(part)),
    };
    text.split('\'').enumerate().map(part).collect()
}

/// The sections of `pg_dumpall --globals-only`: `role app`, `tablespace fast`, and who may do
/// what with them.
pub fn of_globals(dump: &str) -> BTreeMap<String, String> {
    let mut sections = Sections {
        name: "globals".into(),
        ..Sections::default()
    };
    let lines = dump.lines().filter(|line| !is_volatile(line));
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("--")) {
        if let Some(name) = global(line) {
            sections.name = name;
        }
        sections.line(placeless(line));
    }
    sections.texts().collect()
}

/// What a statement is about; none when the line goes on with the one before.
fn global(line: &str) -> Option<String> {
    for kind in ["ROLE", "TABLESPACE"] {
        for verb in ["CREATE", "ALTER", "COMMENT ON", "SECURITY LABEL ON"] {
            if let Some(rest) = line.strip_prefix(&format!("{verb} {kind} ")) {
                return Some(format!("{} {}", kind.to_lowercase(), identifier(rest)));
            }
        }
    }
    let rest = ["GRANT ", "REVOKE "]
        .iter()
        .find_map(|verb| line.strip_prefix(verb))?;
    let on = |kind: &str| {
        rest.split_once(&format!(" ON {kind} "))
            .map(|(_, rest)| identifier(rest))
    };
    if let Some(space) = on("TABLESPACE") {
        return Some(format!("{ACL}tablespace {space}"));
    }
    if let Some(parameter) = on("PARAMETER") {
        return Some(format!("{ACL}parameter {parameter}"));
    }
    Some(format!("{ACL}role {}", identifier(rest)))
}

/// The identifier with which a text begins, as it is written.
fn identifier(text: &str) -> &str {
    let end = match text.strip_prefix('"') {
        Some(quoted) => quoted.find('"').map(|at| at + 2),
        None => text.find([' ', ';']),
    };
    &text[..end.unwrap_or(text.len())]
}

/// A tablespace lies elsewhere on each server.
fn placeless(line: &str) -> &str {
    let place = line
        .strip_prefix("CREATE TABLESPACE ")
        .and(line.find(" LOCATION '"));
    place.map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "--
-- PostgreSQL database dump
--

\\restrict hQ7
-- Dumped from database version 15.18
SET statement_timeout = 0;
--
-- Name: f(integer); Type: FUNCTION; Schema: sales; Owner: postgres
--

CREATE FUNCTION sales.f(integer) RETURNS integer
    AS $$ select 1 $$;

--
-- Name: SCHEMA sales; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA sales TO b;
GRANT USAGE ON SCHEMA sales TO a;

--
-- Name: USER MAPPING app SERVER remote; Type: USER MAPPING; Schema: -; Owner: postgres
--

CREATE USER MAPPING FOR app SERVER remote OPTIONS (
    password 'secret'
);
\\unrestrict hQ7
";

    fn sections() -> BTreeMap<String, String> {
        of_schema(DUMP, |secret| secret.len().to_string())
    }

    #[test]
    fn each_object_has_its_section() {
        let sections = sections();
        let names: Vec<&str> = sections.keys().map(String::as_str).collect();
        let expected = [
            "acl schema sales",
            "function sales.f(integer)",
            SETTINGS,
            "user mapping app SERVER remote",
        ];
        assert_eq!(names, expected);
        let function = &sections["function sales.f(integer)"];
        assert!(
            function.ends_with("RETURNS integer\n    AS $$ select 1 $$;"),
            "{function}"
        );
    }

    #[test]
    fn a_comment_is_told_by_kind_and_name() {
        let of = |name: &str, schema: &str| {
            object(&format!(
                "-- Name: {name}; Type: COMMENT; Schema: {schema}; Owner: a"
            ))
            .unwrap()
        };
        assert_eq!(
            of("TEXT SEARCH PARSER p", "s"),
            "comment text search parser s.p"
        );
        assert_eq!(
            of("COLUMN orders.note", "s"),
            "comment column s.orders.note"
        );
        assert_eq!(of("TABLE \"A b\"", "s"), "comment table s.\"A b\"");
    }

    #[test]
    fn tokens_versions_and_the_order_of_grants_mean_nothing() {
        let other = DUMP
            .replace("hQ7", "zZ9")
            .replace("15.18", "15.19")
            .replace("sales TO b", "sales TO c")
            .replace("sales TO a", "sales TO b")
            .replace("sales TO c", "sales TO a");
        assert_eq!(
            of_schema(&other, |secret| secret.len().to_string()),
            sections()
        );
    }

    #[test]
    fn a_secret_does_not_show() {
        let mapping = &sections()["user mapping app SERVER remote"];
        assert!(mapping.contains("password 'digest 6'"), "{mapping}");
    }

    #[test]
    fn globals_are_told_by_role_and_tablespace() {
        let dump = "-- Roles\nCREATE ROLE \"odd one\";\nALTER ROLE \"odd one\" WITH NOLOGIN;\n\
            COMMENT ON ROLE \"odd one\" IS 'a\nb';\nGRANT writers TO app GRANTED BY postgres;\n\
            CREATE TABLESPACE fast OWNER app LOCATION '/one/fast';\nGRANT ALL ON TABLESPACE fast TO app;\n";
        let sections = of_globals(dump);
        let role = "CREATE ROLE \"odd one\";\nALTER ROLE \"odd one\" WITH NOLOGIN;\nCOMMENT ON ROLE \"odd one\" IS 'a\nb';";
        assert_eq!(sections["role \"odd one\""], role);
        assert_eq!(
            sections["tablespace fast"],
            "CREATE TABLESPACE fast OWNER app"
        );
        assert!(sections.contains_key("acl role writers"));
        assert!(sections.contains_key("acl tablespace fast"));
    }
}
