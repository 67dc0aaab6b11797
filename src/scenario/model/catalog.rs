//! What a data model's SQL makes, as far as scenarios name it: read from the SQL itself.

use std::collections::BTreeMap;

use super::Manifest;

/// Words that may stand before a name and say nothing about it.
const NOISE: [&str; 9] = [
    "IF",
    "NOT",
    "EXISTS",
    "ONLY",
    "CONCURRENTLY",
    "UNLOGGED",
    "UNIQUE",
    "OR",
    "REPLACE",
];

/// Where a name lies that says nothing of a schema.
const PUBLIC: &str = "public.";

/// Names that a data model creates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    pub database: String,
    pub schemas: Vec<String>,
    /// Tables, with their schemas.
    pub tables: Vec<String>,
    /// Those of them that are partitioned; a partition's name begins with its table's.
    pub partitioned: Vec<String>,
    /// Indexes, with their schemas.
    pub indexes: Vec<String>,
    pub roles: Vec<String>,
    /// Those of them that log in.
    pub login_roles: Vec<String>,
    /// The tables that businesses write, each with the column that holds the key.
    pub keys: BTreeMap<String, String>,
}

impl Catalog {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self {
            database: manifest.database.clone(),
            login_roles: manifest.login_roles.clone(),
            keys: manifest
                .businesses
                .values()
                .flat_map(|business| &business.tables)
                .map(|table| (table.name.clone(), table.key.clone()))
                .collect(),
            ..Self::default()
        }
    }

    /// Whether a table of this name exists; partitions count.
    pub fn has_table(&self, table: &str) -> bool {
        let partition_of = |t: &String| table.strip_prefix(t).is_some_and(|r| r.starts_with('_'));
        self.tables.iter().any(|t| t == table) || self.partitioned.iter().any(partition_of)
    }

    /// Adds what a script makes.
    pub(super) fn read(&mut self, sql: &str) {
        let mut text = String::new();
        let mut rows = false;
        for line in sql.lines() {
            // Rows that follow a `COPY … FROM stdin;` may look like anything.
            if rows || line.trim_start().starts_with("--") {
                rows &= line != "\\.";
                continue;
            }
            let upper = line.trim_end().to_uppercase();
            rows = upper.starts_with("COPY ") && upper.ends_with("FROM STDIN;");
            text.push_str(line);
            text.push('\n');
        }
        text.split(';')
            .for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, text: &str) {
        let words = words(text).filter(|word| !NOISE.contains(&word.to_uppercase().as_str()));
        let words: Vec<&str> = words.take(8).collect();
        let keywords: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
        let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
        match keywords.as_slice() {
            ["CREATE", "SCHEMA", ..] => {
                self.schemas.extend(words.get(2).map(|name| (*name).into()))
            }
            ["CREATE", "ROLE" | "USER" | "GROUP", ..] => {
                self.roles.extend(words.get(2).map(|name| (*name).into()));
            }
            ["CREATE", "TABLE", _, ..] => self.table(words[2], text),
            ["ALTER", "TABLE", _, "ADD", "PRIMARY", ..] => {
                self.indexes.push(primary_key(&qualified(words[2])));
            }
            // `UNIQUE` is among the noise.
            ["ALTER", "TABLE", _, "ADD", "CONSTRAINT", _, ..]
                if !["FOREIGN", "CHECK"].contains(keywords.get(6).unwrap_or(&"CHECK")) =>
            {
                self.index(words[2], words[5]);
            }
            ["CREATE", "INDEX", _, "ON", _, ..] => self.index(words[4], words[2]),
            _other => {}
        }
    }

    fn table(&mut self, name: &str, text: &str) {
        let (name, upper) = (qualified(name), text.to_uppercase());
        if upper.contains("PRIMARY KEY") {
            self.indexes.push(primary_key(&name));
        }
        if upper.contains("PARTITION BY") {
            self.partitioned.push(name.clone());
        }
        if name.starts_with(PUBLIC) && !self.schemas.iter().any(|schema| schema == "public") {
            self.schemas.push("public".into());
        }
        self.tables.push(name);
    }

    fn index(&mut self, table: &str, name: &str) {
        let table = qualified(table);
        if let Some((schema, _)) = table.split_once('.') {
            self.indexes.push(format!("{schema}.{name}"));
        }
    }
}

/// The words of a statement; a quoted name is one, with its spaces.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = move |c: char| {
        quoted ^= c == '"';
        !quoted && (c.is_whitespace() || c == '(')
    };
    text.split(parts).filter(|word| !word.is_empty())
}

/// With its schema; what has none lies in `public`.
fn qualified(name: &str) -> String {
    match name.contains('.') {
        true => name.to_owned(),
        false => format!("{PUBLIC}{name}"),
    }
}

/// What PostgreSQL calls a table's primary key: that of `public."order"` is `public.order_pkey`.
fn primary_key(table: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let unquoted = table.strip_suffix('"');
    match unquoted.and_then(|table| table.rsplit_once('"')) {
        None => format!("{table}_pkey"),
        Some((schema, name)) if name.chars().all(plain) => format!("{schema}{name}_pkey"),
        Some((schema, name)) => format!("{schema}\"{name}_pkey\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::model::{Model, names};

    #[test]
    fn the_dual_tenant_model_is_known() {
        let catalog = Model::open("dual-tenant").unwrap().catalog;
        assert_eq!(catalog.database, "postgres");
        assert_eq!(catalog.schemas, ["internal_oa", "external_agent"]);
        assert!(catalog.has_table("internal_oa.users"));
        assert!(catalog.has_table("internal_oa.audit_log_y2026m01"));
        assert!(catalog.has_table("external_agent.response_cache"));
        assert!(!catalog.has_table("internal_oa.user"));
        for index in [
            "internal_oa.users_pkey",
            "internal_oa.users_email_lower_key",
            "external_agent.agents_tenant_id_key",
            "external_agent.agent_data_agent_idx",
        ] {
            assert!(catalog.indexes.iter().any(|i| i == index), "{index}");
        }
        assert!(!catalog.indexes.iter().any(|i| i.ends_with("_fkey")));
        assert!(catalog.roles.iter().any(|r| r == "oa_app_user"));
        assert!(catalog.login_roles.iter().any(|r| r == "auditor"));
        assert!(!catalog.login_roles.iter().any(|r| r == "oa_writers"));
        assert_eq!(names(), ["cms", "dual-tenant", "shop"]);
    }

    #[test]
    fn what_pg_dump_writes_is_read() {
        let mut catalog = Catalog::default();
        catalog.read(
            "create table film(id int);\nCREATE TABLE public.actor (\n    actor_id integer NOT NULL\n);\n\
             COPY public.actor (actor_id) FROM stdin;\nCREATE TABLE no;\n\\.\n\
             ALTER TABLE ONLY public.actor\n    ADD CONSTRAINT actor_pk PRIMARY KEY (actor_id);\n\
             ALTER TABLE ONLY public.actor\n    ADD CONSTRAINT actor_film FOREIGN KEY (film) REFERENCES film;\n\
             CREATE UNIQUE INDEX IF NOT EXISTS film_key ON film USING btree (id);\n",
        );
        assert_eq!(catalog.tables, ["public.film", "public.actor"]);
        assert_eq!(catalog.indexes, ["public.actor_pk", "public.film_key"]);
    }

    #[test]
    fn quoted_names_are_one_word() {
        let mut catalog = Catalog::default();
        catalog.read(
            "CREATE TABLE public.\"order\" (id bigint PRIMARY KEY);\n\
             CREATE TABLE \"Loyalty Points\"(\"from\" text PRIMARY KEY);\n\
             ALTER TABLE public.\"user\" ADD PRIMARY KEY (id);\n\
             CREATE INDEX \"by customer\" ON public.\"Loyalty Points\" (\"customerId\");\n",
        );
        assert_eq!(
            catalog.tables,
            ["public.\"order\"", "public.\"Loyalty Points\""]
        );
        assert_eq!(
            catalog.indexes,
            [
                "public.order_pkey",
                "public.\"Loyalty Points_pkey\"",
                "public.user_pkey",
                "public.\"by customer\""
            ]
        );
    }
}
