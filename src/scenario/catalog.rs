//! What a shipped data model holds, as far as scenarios name it: read from its own SQL.

use include_dir::{Dir, include_dir};

use super::yaml;

static MODELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/models");

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
}

/// Names of the shipped models, sorted.
pub fn names() -> Vec<&'static str> {
    let name = |dir: &'static Dir<'_>| dir.path().to_str();
    let mut names: Vec<&str> = MODELS.dirs().filter_map(name).collect();
    names.sort_unstable();
    names
}

/// The catalog of a shipped model.
pub fn named(model: &str) -> Option<Catalog> {
    let dir = MODELS.get_dir(model)?;
    let manifest = dir
        .get_file(format!("{model}/model.yaml"))?
        .contents_utf8()?;
    let manifest = yaml::parse(manifest).ok()?;
    let database = manifest.get("database")?.json();
    let logins = manifest.get("login_roles")?.items().iter();
    let mut catalog = Catalog {
        database: database.as_str()?.to_owned(),
        login_roles: logins
            .filter_map(|role| role.json().as_str().map(str::to_owned))
            .collect(),
        ..Catalog::default()
    };
    for file in dir
        .files()
        .filter(|f| f.path().extension().is_some_and(|e| e == "sql"))
    {
        catalog.read(file.contents_utf8()?);
    }
    Some(catalog)
}

impl Catalog {
    /// Whether a table of this name exists; partitions count.
    pub fn has_table(&self, table: &str) -> bool {
        let partition_of = |t: &String| table.strip_prefix(t).is_some_and(|r| r.starts_with('_'));
        self.tables.iter().any(|t| t == table) || self.partitioned.iter().any(partition_of)
    }

    fn read(&mut self, sql: &str) {
        let lines = sql.lines().filter(|l| !l.trim_start().starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        for statement in text.split(';') {
            let words: Vec<&str> = statement.split_whitespace().collect();
            self.statement(&words, statement);
        }
    }

    fn statement(&mut self, words: &[&str], text: &str) {
        match words {
            ["CREATE", "SCHEMA", name, ..] => self.schemas.push((*name).to_owned()),
            ["CREATE", "ROLE", name, ..] => self.roles.push((*name).to_owned()),
            ["CREATE", "TABLE", name, ..] | ["CREATE", "UNLOGGED", "TABLE", name, ..] => {
                self.table(name, text);
            }
            ["ALTER", "TABLE", name, "ADD", "PRIMARY", ..] => {
                self.indexes.push(format!("{name}_pkey"));
            }
            [
                "ALTER",
                "TABLE",
                table,
                "ADD",
                "CONSTRAINT",
                name,
                "UNIQUE",
                ..,
            ]
            | ["CREATE", "INDEX", name, "ON", table, ..]
            | ["CREATE", "UNIQUE", "INDEX", name, "ON", table, ..] => self.index(table, name),
            _ => {}
        }
    }

    fn table(&mut self, name: &str, text: &str) {
        self.tables.push(name.to_owned());
        if text.contains("PRIMARY KEY") {
            self.indexes.push(format!("{name}_pkey"));
        }
        if text.contains("PARTITION BY") {
            self.partitioned.push(name.to_owned());
        }
    }

    fn index(&mut self, table: &str, name: &str) {
        if let Some((schema, _)) = table.split_once('.') {
            self.indexes.push(format!("{schema}.{name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dual_tenant_model_is_known() {
        let catalog = named("dual-tenant").unwrap();
        assert_eq!(catalog.database, "postgres");
        assert_eq!(catalog.schemas, ["internal_oa", "external_agent"]);
        assert!(catalog.has_table("internal_oa.users"));
        assert!(catalog.has_table("internal_oa.audit_log_y2026m01"));
        assert!(catalog.has_table("external_agent.response_cache"));
        assert!(!catalog.has_table("internal_oa.user"));
        for index in [
            "internal_oa.users_pkey",
            "external_agent.agent_data_agent_idx",
        ] {
            assert!(catalog.indexes.iter().any(|i| i == index), "{index}");
        }
        assert!(catalog.roles.iter().any(|r| r == "oa_app_user"));
        assert!(catalog.login_roles.iter().any(|r| r == "auditor"));
        assert!(!catalog.login_roles.iter().any(|r| r == "oa_writers"));
        assert!(named("nothing").is_none());
        assert_eq!(names(), ["dual-tenant"]);
    }
}
