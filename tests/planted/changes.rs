//! The list of changes: those of `changes.sql` and `configuration.txt`, and what every kind of
//! object, every setting and every field of a catalog can suffer. What rows of clients can suffer
//! is `rows`.

use std::fmt;

use pgdrill::postgres::Server;

const CHANGES: &str = include_str!("changes.sql");
const CONFIGURATION: &str = include_str!("configuration.txt");

/// One change.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The database in which it is made.
    pub database: String,
    /// What makes it.
    pub how: How,
    /// What must be named in a message; none: any word of it.
    pub named: Option<String>,
    /// How the ledger names it.
    pub in_ledger: Option<String>,
    /// What makes it take effect.
    pub then: Then,
}

/// What makes a change.
#[derive(Clone, Debug)]
pub enum How {
    /// Statements.
    Sql(String),
    /// Statements that each must find a row, while triggers rest.
    Rows(String),
    /// A shell command on the node.
    Shell(String),
}

/// What makes a change take effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    #[default]
    AsIs,
    Reload,
    Restart,
}

impl Default for How {
    fn default() -> Self {
        Self::Sql(String::new())
    }
}

/// Settings that can be changed by a reload, with another value.
const SETTINGS: [(&str, &str); 23] = [
    ("allow_system_table_mods", "on"),
    ("archive_command", "'/bin/true'"),
    ("archive_timeout", "0"),
    ("authentication_timeout", "'5s'"),
    ("datestyle", "'SQL, DMY'"),
    ("default_transaction_read_only", "on"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("ignore_checksum_failure", "on"),
    ("log_destination", "'csvlog'"),
    ("log_min_error_statement", "panic"),
    ("log_min_messages", "panic"),
    ("password_encryption", "md5"),
    ("primary_conninfo", "'host=elsewhere password=pw-3'"),
    ("recovery_target_time", "'2026-01-01 00:00:00+00'"),
    ("restore_command", "'false'"),
    ("row_security", "off"),
    ("search_path", "'sales, public'"),
    ("session_replication_role", "replica"),
    ("statement_timeout", "'90s'"),
    ("synchronous_commit", "off"),
    ("timezone", "'Asia/Tokyo'"),
    ("zero_damaged_pages", "on"),
];

/// Settings that wait for a restart.
const AT_RESTART: [(&str, &str); 6] = [
    ("archive_mode", "off"),
    ("hot_standby", "off"),
    ("max_connections", "50"),
    ("max_wal_senders", "0"),
    ("shared_preload_libraries", "'auto_explain'"),
    ("wal_level", "logical"),
];

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

/// What is written down, and what every kind of object and every setting can suffer.
pub fn written() -> Vec<Change> {
    let lines = CHANGES.lines().filter(|line| !line.starts_with("--"));
    let all = lines.map(of_line).chain(objects()).chain(settings());
    all.chain(files()).collect()
}

fn objects() -> impl Iterator<Item = Change> {
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
    objects.chain(parts).map(Change::sql)
}

/// Each setting by ALTER SYSTEM and by a line in the file, as it is and in effect.
fn settings() -> impl Iterator<Item = Change> {
    let with = |then: Then| move |&(name, value): &(&str, &str)| by_each_way(name, value, then);
    let all = [&SETTINGS[..], &AT_RESTART[..]].concat();
    let pending: Vec<Change> = all.iter().flat_map(with(Then::AsIs)).collect();
    let reloaded = all.iter().flat_map(with(Then::Reload));
    let restarted = AT_RESTART.iter().flat_map(with(Then::Restart));
    let in_effect: Vec<Change> = reloaded.chain(restarted).collect();
    pending.into_iter().chain(in_effect)
}

fn by_each_way(name: &str, value: &str, then: Then) -> [Change; 2] {
    let set = How::Sql(format!("ALTER SYSTEM SET {name} = {value}"));
    let line = How::Shell(format!("echo \"{name} = {value}\" >> $conf"));
    [set, line].map(|how| Change {
        how,
        named: Some(name.to_owned()),
        then,
        ..Change::default()
    })
}

/// Changes of files.
fn files() -> impl Iterator<Item = Change> {
    let lines = CONFIGURATION.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap().to_owned();
        let (when, named, script) = (word(), word(), word());
        let thens: &[Then] = match when.as_str() {
            "as-is" => &[Then::AsIs],
            "reload" => &[Then::Reload],
            "restart" => &[Then::Restart],
            "both" => &[Then::AsIs, Then::Reload],
            other => panic!("`{other}` in configuration.txt"),
        };
        let change = |then: &Then| Change {
            how: How::Shell(script.clone()),
            named: Some(named.clone()),
            then: *then,
            ..Change::default()
        };
        thens.iter().map(change).collect::<Vec<_>>()
    })
}

fn of_line(line: &str) -> Change {
    match line
        .strip_prefix('@')
        .map(|rest| rest.split_once(' ').unwrap())
    {
        Some((database, sql)) => Change {
            database: database.into(),
            ..Change::sql(sql.into())
        },
        None => Change::sql(line.into()),
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
    let client = server.connect().await.unwrap();
    let rows = client.query(FIELDS, &[]).await.unwrap();
    rows.iter().map(|row| Change::sql(row.get(0))).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Sql(sql) if self.database.is_empty() => write!(f, "{sql}")?,
            How::Sql(sql) => write!(f, "@{} {sql}", self.database)?,
            How::Rows(sql) => write!(f, "{sql}")?,
            How::Shell(script) => write!(f, "$ {script}")?,
        }
        match self.then {
            Then::AsIs => Ok(()),
            Then::Reload => write!(f, " (reloaded)"),
            Then::Restart => write!(f, " (restarted)"),
        }
    }
}

impl Change {
    fn sql(sql: String) -> Self {
        Self {
            how: How::Sql(sql),
            ..Self::default()
        }
    }

    /// Whether it is made in a catalog as it is, whatever becomes of the server.
    pub fn is_field(&self) -> bool {
        matches!(&self.how, How::Sql(sql) if sql.starts_with("UPDATE pg_"))
    }

    /// Whether it was made up from the catalog: not every server allows each of them.
    pub fn is_generated(&self) -> bool {
        self.is_field() || matches!(self.how, How::Rows(_))
    }

    /// Whether a text names what was changed: SQL's own words are in capitals.
    pub fn is_named_in(&self, text: &str) -> bool {
        if let Some(named) = &self.named {
            let mut names = [Some(named), self.in_ledger.as_ref()].into_iter().flatten();
            return names.any(|name| text.contains(name.as_str()));
        }
        let (How::Sql(sql) | How::Rows(sql) | How::Shell(sql)) = &self.how;
        let mut words = sql.split(|c: char| !c.is_alphanumeric() && c != '_');
        let is_name = |word: &str| word.len() > 2 && word.chars().any(|c| c.is_ascii_lowercase());
        words.any(|word| is_name(word) && text.contains(word))
    }
}
