//! Definitions of missing objects, exactly as `pg_dump` describes them.
//!
//! The scratch server's whole schema is dumped, the entries that are missing are chosen
//! from the dump's list, and `pg_restore` writes them as SQL in an order that works:
//! with owners, grants, comments, policies.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use super::{SalvageError, objects::Id};
use crate::postgres::Server;

const DEADLINE: Duration = Duration::from_secs(600);

/// A dump of the scratch server's schema, in its node.
pub(super) struct Dump<'a> {
    from: &'a Server,
    file: String,
    list: PathBuf,
    entries: Vec<Entry>,
}

/// One entry of a dump's list, with the line itself.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    number: u32,
    /// Class and OID; zeros for what has none of its own (grants, comments, attachments).
    id: Id,
    line: String,
    depends_on: Vec<u32>,
}

impl<'a> Dump<'a> {
    pub async fn take(from: &'a Server) -> Result<Self, SalvageError> {
        let run = &from.node.layout().run;
        let dump = run.join("salvage.dump").display().to_string();
        let file = format!("--file={dump}");
        tool(
            from,
            "pg_dump",
            &["--schema-only", "--format=custom", &file],
        )
        .await?;
        let list = tool(from, "pg_restore", &["--list", "--verbose", &dump]).await?;
        Ok(Self {
            from,
            file: dump,
            list: run.join("salvage.list"),
            entries: entries(&list)?,
        })
    }

    /// SQL for types, functions, tables, views and their grants.
    pub async fn before_rows(&self, objects: &BTreeSet<Id>) -> Result<String, SalvageError> {
        let lines = chosen(&self.entries, objects, &BTreeSet::new());
        self.sql(Some("--section=pre-data"), &lines).await
    }

    /// SQL for what the list has under these tags: grants and comments of columns.
    pub async fn tagged(&self, tags: &[&str]) -> Result<String, SalvageError> {
        let tagged = |entry: &&Entry| tags.iter().any(|tag| entry.line.contains(tag));
        let entries = self.entries.iter().filter(tagged);
        let lines: Vec<&str> = entries.map(|entry| entry.line.as_str()).collect();
        self.sql(None, &lines).await
    }

    /// SQL for indexes, constraints, triggers, policies. `made`: what came along by itself.
    pub async fn after_rows(
        &self,
        objects: &BTreeSet<Id>,
        made: &BTreeSet<Id>,
    ) -> Result<String, SalvageError> {
        let lines = chosen(&self.entries, objects, made);
        self.sql(Some("--section=post-data"), &lines).await
    }

    async fn sql(&self, section: Option<&str>, lines: &[&str]) -> Result<String, SalvageError> {
        if lines.is_empty() {
            return Ok(String::new());
        }
        let chosen = lines.join("\n");
        self.from
            .node
            .put(&self.list, chosen.as_bytes(), 0o600)
            .await?;
        let list = format!("--use-list={}", self.list.display());
        let arguments = [&list, "--file=-", self.file.as_str()];
        let arguments: Vec<&str> = section.into_iter().chain(arguments).collect();
        let sql = tool(self.from, "pg_restore", &arguments).await?;
        Ok(without_psql_commands(&sql))
    }
}

async fn tool(from: &Server, program: &str, arguments: &[&str]) -> Result<String, SalvageError> {
    Ok(from.tool(program, arguments, DEADLINE).await?.text())
}

/// Reads `pg_restore --list --verbose`: lines `12; 1259 16389 TABLE …`, each perhaps
/// followed by `; depends on: 3 4` (a tab after the semicolon).
fn entries(list: &str) -> Result<Vec<Entry>, SalvageError> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in list.lines() {
        if let Some(numbers) = line.strip_prefix(";\tdepends on:") {
            let numbers = numbers
                .split_whitespace()
                .filter_map(|word| word.parse::<u32>().ok());
            if let Some(entry) = entries.last_mut() {
                entry.depends_on.extend(numbers);
            }
        } else if !line.starts_with(';') && !line.trim().is_empty() {
            let entry = entry(line).ok_or_else(|| SalvageError::Entry(line.to_owned()))?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn entry(line: &str) -> Option<Entry> {
    let (number, rest) = line.split_once("; ")?;
    let mut words = rest.split(' ');
    Some(Entry {
        number: number.parse().ok()?,
        id: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        line: line.to_owned(),
        depends_on: Vec::new(),
    })
}

/// Lines of the entries to restore: the lost objects but those made already, and what
/// belongs to them without being an object.
fn chosen<'a>(entries: &'a [Entry], objects: &BTreeSet<Id>, made: &BTreeSet<Id>) -> Vec<&'a str> {
    let numbers = |ids: &BTreeSet<Id>| -> BTreeSet<u32> {
        let of = entries.iter().filter(|entry| ids.contains(&entry.id));
        of.map(|entry| entry.number).collect()
    };
    let made = numbers(made);
    let mut chosen = &numbers(objects) - &made;
    loop {
        let before = chosen.len();
        for entry in entries.iter().filter(|entry| entry.id.0 == 0) {
            let among =
                |numbers: &BTreeSet<u32>| entry.depends_on.iter().any(|on| numbers.contains(on));
            if among(&chosen) && !among(&made) {
                chosen.insert(entry.number);
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    let lines = entries
        .iter()
        .filter(|entry| chosen.contains(&entry.number));
    lines.map(|entry| entry.line.as_str()).collect()
}

/// Newer versions bracket their output with `\restrict`, which is psql's and not SQL.
fn without_psql_commands(sql: &str) -> String {
    let psql = |line: &str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    let lines = sql.lines().filter(|line| !psql(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
;
; Archive created at 2026-11-21 03:02:42 UTC
;
4110; 0 0 ENCODING - ENCODING 
8; 2615 16474 SCHEMA - external_agent db_admin
4117; 0 0 ACL - SCHEMA external_agent db_admin
;\tdepends on: 8
279; 1259 16919 TABLE external_agent agent data db_admin
;\tdepends on: 8 950
4126; 0 0 ACL external_agent TABLE agent data db_admin
;\tdepends on: 279
4127; 0 0 ACL external_agent COLUMN agent data.payload db_admin
;\tdepends on: 4126
";

    #[test]
    fn grants_come_with_their_object_and_nothing_else_does() {
        let entries = entries(LIST).unwrap();
        let lost = BTreeSet::from([(1259, 16919)]);
        let numbers: Vec<_> = chosen(&entries, &lost, &BTreeSet::new())
            .iter()
            .map(|line| line.split(';').next().unwrap())
            .collect();
        assert_eq!(numbers, ["279", "4126", "4127"]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let error = entries("pg_restore: error").unwrap_err();
        assert!(error.to_string().contains("`pg_restore: error`"));
    }

    #[test]
    fn psql_commands_are_left_out() {
        let sql = "\\restrict abc\nSELECT 1;\n\\unrestrict abc\n";
        assert_eq!(without_psql_commands(sql), "SELECT 1;\n");
    }
}
