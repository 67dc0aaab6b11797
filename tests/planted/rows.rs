//! Changes of rows that clients wrote, in every table in which they left one: each column set to
//! something else and to NULL, a row gone, there twice and nobody's, and a row of the load beside
//! theirs, changed and gone.
//!
//! Triggers and foreign keys rest meanwhile; unique indexes and generated columns are talked out
//! of it, and look afterwards as they did before.

use std::collections::BTreeMap;

use pgdrill::{
    postgres::Server,
    scenario::plan::{LiveTable, Plan},
};
use tokio_postgres::Row;

use super::{
    changes::{Change, How},
    clients::Clients,
};

const COLUMNS: &str = include_str!("columns.sql");

struct Column {
    name: String,
    /// An expression of another value.
    other: String,
    generated: String,
    identity: String,
    nullable: bool,
    unique: bool,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    /// The table in the ledger's words; none where it is not the ledger's.
    in_ledger: Option<String>,
    /// The clients' first transaction.
    since: u64,
}

/// Every change of what clients wrote.
pub async fn of_clients(plan: &Plan, server: &Server, clients: &Clients) -> Vec<Change> {
    let client = server.connect().await.unwrap();
    let rows = client.query(COLUMNS, &[&clients.tables()]).await.unwrap();
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in &rows {
        tables.entry(row.get(0)).or_default().push(Column::of(row));
    }
    let since = clients.since();
    let businesses = plan.workloads.values().map(|workload| &workload.business);
    let ledgered = businesses.flat_map(|business| business.tables.iter().enumerate());
    let ledgered: Vec<(usize, &LiveTable)> = ledgered.collect();
    let changes = tables.into_iter().flat_map(|(name, columns)| {
        let known = ledgered.iter().find(|(_, table)| table.name == name);
        let table = Table {
            in_ledger: known.map(|(index, _)| format!("table {index},")),
            name,
            columns,
            since,
        };
        table.changes()
    });
    changes.collect()
}

impl Column {
    fn of(row: &Row) -> Self {
        Self {
            name: row.get(1),
            other: row.get(2),
            generated: row.get(3),
            identity: row.get(4),
            nullable: row.get(5),
            unique: row.get(6),
        }
    }
}

impl Table {
    fn changes(&self) -> Vec<Change> {
        let others = self.columns.iter().map(|column| self.set(column));
        let nullable = |column: &&Column| column.nullable && column.generated.is_empty();
        let nullable = self.columns.iter().filter(nullable);
        let nulls = nullable.map(|column| self.set_null(column));
        let rows = [self.delete(), self.twice(), self.nobodys()];
        let all = others.chain(nulls).chain(rows).chain(self.of_the_load());
        let change = |sql| Change {
            how: How::Rows(sql),
            named: Some(self.name.clone()),
            in_ledger: self.in_ledger.clone(),
            ..Change::default()
        };
        all.map(change).collect()
    }

    /// The row of a client that is as old as any, so that later commits survive it; where rows have
    /// versions a changed one, in which nothing hinders any other change.
    fn clients(&self, but: &str) -> String {
        let versioned = |column: &&Column| column.name.ends_with("_version");
        let versions = self.columns.iter().filter(versioned);
        let order: String = versions.map(|one| format!("{} DESC, ", one.name)).collect();
        format!(
            "(tableoid, ctid) = (SELECT tableoid, ctid FROM {} WHERE age(xmin) <= age('{}'::xid){but} ORDER BY {order}age(xmin) DESC LIMIT 1)",
            self.name,
            self.since & u64::from(u32::MAX),
        )
    }

    fn set(&self, column: &Column) -> String {
        let (name, of) = (&self.name, self.clients(""));
        let Column {
            name: field, other, ..
        } = column;
        let set = format!("UPDATE {name} t SET {field} = {other} WHERE {of}");
        let (generated, identity) = (&column.generated, &column.identity);
        if generated.is_empty() && identity.is_empty() {
            return set;
        }
        let guard = |generated: &str, identity: &str| {
            format!(
                "UPDATE pg_attribute SET attgenerated = '{generated}', attidentity = '{identity}' \
                 WHERE attrelid = '{name}'::regclass AND attname = '{field}'"
            )
        };
        format!("{}; {set}; {}", guard("", ""), guard(generated, identity))
    }

    fn set_null(&self, column: &Column) -> String {
        let field = &column.name;
        let of = self.clients(&format!(" AND {field} IS NOT NULL"));
        format!("UPDATE {} SET {field} = NULL WHERE {of}", self.name)
    }

    fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE {}", self.name, self.clients(""))
    }

    fn insert(&self, value: impl Fn(&Column) -> String) -> String {
        let stored = || self.columns.iter().filter(|one| one.generated.is_empty());
        let names: Vec<&str> = stored().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = stored().map(value).collect();
        format!(
            "INSERT INTO {name} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {name} t WHERE {}",
            names.join(", "),
            values.join(", "),
            self.clients(""),
            name = self.name,
        )
    }

    fn twice(&self) -> String {
        let insert = self.insert(|column| column.name.clone());
        if !self.columns.iter().any(|column| column.unique) {
            return insert;
        }
        let ready = |ready: bool| {
            format!(
                "UPDATE pg_index SET indisready = {ready} WHERE indisunique AND indrelid IN \
                 (SELECT '{name}'::regclass UNION SELECT relid FROM pg_partition_tree('{name}'))",
                name = self.name
            )
        };
        format!("{}; {insert}; {}", ready(false), ready(true))
    }

    /// What tells a row is another; where nothing does, everything.
    fn nobodys(&self) -> String {
        let told = self.columns.iter().any(|column| column.unique);
        self.insert(|column| match column.unique || !told {
            true => column.other.clone(),
            false => column.name.clone(),
        })
    }

    /// Changes of a row from before the clients.
    fn of_the_load(&self) -> impl Iterator<Item = String> {
        let name = &self.name;
        let of = format!(
            "(tableoid, ctid) = (SELECT tableoid, ctid FROM {name} WHERE age(xmin) > age('{}'::xid) LIMIT 1)",
            self.since & u64::from(u32::MAX),
        );
        let plain = |column: &&Column| {
            !column.unique && column.generated.is_empty() && column.identity.is_empty()
        };
        let column = self.columns.iter().find(plain);
        let set = column.map(
            |Column {
                 name: field, other, ..
             }| { format!("UPDATE {name} t SET {field} = {other} WHERE {of}") },
        );
        [format!("DELETE FROM {name} WHERE {of}")]
            .into_iter()
            .chain(set)
    }
}
