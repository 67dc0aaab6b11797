//! The list of changes: those of `changes.sql`, and what every kind of object can suffer.

use std::fmt;

use super::server::Server;

const CHANGES: &str = include_str!("changes.sql");

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// The database in which it is made.
    pub database: String,
    /// The statements that make it.
    pub sql: String,
}

/// Kinds of objects with one of each, and what can be done to all of a kind: `o` owner,
/// `r` rename, `s` schema, `c` comment, `d` drop.
const OBJECTS: [(&str, &str, &str); 37] = [
    ("ACCESS METHOD", "heap2", "cd"),
    ("AGGREGATE", "sales.total(int)", "orscd"),
    ("CAST", "(sales.pair AS text)", "c"),
    ("COLLATION", "sales.german", "orscd"),
    ("COLUMN", "sales.orders.state", "c"),
    ("CONVERSION", "sales.conv", "orscd"),
    ("DOMAIN", "sales.positive", "orscd"),
    ("EVENT TRIGGER", "ddl", "orcd"),
    ("EXTENSION", "hstore", "c"),
    ("FOREIGN DATA WRAPPER", "wrapper", "orcd"),
    ("FOREIGN TABLE", "sales.far", "orscd"),
    ("FUNCTION", "sales.many(int)", "orscd"),
    ("INDEX", "sales.orders_expr", "rcd"),
    ("LANGUAGE", "tongue", "orcd"),
    ("MATERIALIZED VIEW", "sales.counts", "orscd"),
    ("OPERATOR", "sales.=== (sales.pair, sales.pair)", "oscd"),
    ("OPERATOR CLASS", "sales.pair_class USING btree", "orscd"),
    ("OPERATOR FAMILY", "sales.pair_family USING btree", "orscd"),
    ("PROCEDURE", "sales.work(int)", "orscd"),
    ("PUBLICATION", "pub", "orcd"),
    ("SCHEMA", "sales", "orcd"),
    ("SEQUENCE", "sales.invoice_no", "orscd"),
    ("SERVER", "remote", "orcd"),
    ("STATISTICS", "sales.st", "orsc"),
    ("SUBSCRIPTION", "sub", "orcd"),
    ("TABLE", "sales.nokey", "orscd"),
    ("TABLESPACE", "agent_fast", "r"),
    ("TEXT SEARCH CONFIGURATION", "sales.ts", "orscd"),
    ("TEXT SEARCH DICTIONARY", "sales.dict", "orscd"),
    ("TEXT SEARCH PARSER", "sales.prs", "rscd"),
    ("TEXT SEARCH TEMPLATE", "sales.tmpl", "rscd"),
    ("TYPE", "sales.colour", "orscd"),
    ("TYPE", "sales.span", "orscd"),
    ("TYPE", "sales.pair", "orsc"),
    ("VIEW", "sales.open_orders", "orscd"),
    ("TABLE", "sales.parts", "orscd"),
    ("TABLE", "external_agent.messages", "orsc"),
];

/// Those that stand on something: comment, rename, drop.
const PARTS: [(&str, &str, &str); 4] = [
    ("CONSTRAINT", "known", "sales.orders"),
    ("POLICY", "mine", "sales.customers"),
    ("RULE", "nothing", "sales.nokey"),
    ("TRIGGER", "touching", "sales.orders"),
];

/// Fields of catalogs that can be changed as they are, one row each.
const FIELDS: &str = include_str!("fields.sql");

/// What is written down, and what every kind of object can suffer.
pub fn written() -> Vec<Change> {
    let lines = CHANGES.lines().filter(|line| !line.starts_with("--"));
    let objects = OBJECTS
        .iter()
        .flat_map(|&(kind, name, verbs)| verbs.chars().map(move |verb| done_to(kind, name, verb)));
    let parts = PARTS.iter().flat_map(|&(kind, name, on)| {
        let comment = format!("COMMENT ON {kind} {name} ON {on} IS 'another'");
        let drop = match kind {
            "CONSTRAINT" => format!("ALTER TABLE {on} DROP CONSTRAINT {name}"),
            _ => format!("DROP {kind} {name} ON {on}"),
        };
        [comment, drop]
    });
    let drilled = objects.chain(parts).map(|sql| Change {
        database: "postgres".into(),
        sql,
    });
    lines.map(of_line).chain(drilled).collect()
}

fn of_line(line: &str) -> Change {
    let (database, sql) = match line.strip_prefix('@') {
        Some(rest) => rest.split_once(' ').unwrap(),
        None => ("postgres", line),
    };
    Change {
        database: database.into(),
        sql: sql.into(),
    }
}

fn done_to(kind: &str, name: &str, verb: char) -> String {
    match verb {
        'o' => format!("ALTER {kind} {name} OWNER TO boss"),
        'r' => format!("ALTER {kind} {name} RENAME TO another"),
        's' => format!("ALTER {kind} {name} SET SCHEMA spare"),
        'c' => format!("COMMENT ON {kind} {name} IS 'another'"),
        _ => format!("DROP {kind} {name} CASCADE"),
    }
}

/// Every field of every catalog, changed in one row of a user's object.
pub async fn fields(server: &Server) -> Vec<Change> {
    let client = server.connect().await;
    let rows = client.query(FIELDS, &[]).await.unwrap();
    let change = |row: &tokio_postgres::Row| Change {
        database: "postgres".into(),
        sql: row.get(0),
    };
    rows.iter().map(change).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{} {}", self.database, self.sql)
    }
}

impl Change {
    /// Whether it is made in a catalog as it is, whatever becomes of the server.
    pub fn is_field(&self) -> bool {
        self.sql.starts_with("UPDATE pg_")
    }

    /// Words of it that a message can name: SQL's own are in capitals.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let words = self.sql.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| word.len() > 2 && word.chars().any(|c| c.is_ascii_lowercase()))
    }
}
