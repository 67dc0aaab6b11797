//! Whether a manifest that is well formed makes sense: files and tables that exist, references
//! that lead somewhere, parameters that are known.

mod business;

use super::{Folder, Manifest, Table, catalog::Catalog};
use crate::scenario::{
    Document, plan::Generator, problem::Problem, semantics::place_in, yaml::Node,
};

/// What the model's SQL makes, and all that is wrong with its manifest.
pub(super) fn check(document: &Document<Manifest>, folder: &Folder) -> (Catalog, Vec<Problem>) {
    let mut check = Check {
        manifest: &document.typed,
        root: &document.root,
        folder,
        catalog: Catalog::of(&document.typed),
        problems: Vec::new(),
    };
    check.files();
    check.tables();
    check.cycles();
    for (name, business) in &document.typed.businesses {
        check.business(name, business);
    }
    check.audit();
    check.business_checks();
    (check.catalog, check.problems)
}

struct Check<'a> {
    manifest: &'a Manifest,
    root: &'a Node,
    folder: &'a Folder,
    catalog: Catalog,
    problems: Vec<Problem>,
}

/// A path in the manifest, its parts parted by `/`.
type At<'p> = &'p str;

impl<'a> Check<'a> {
    fn problem(&mut self, at: At<'_>, problem: Problem) {
        let path: Vec<&str> = at.split('/').collect();
        let place = place_in(self.root, &path);
        self.problems.push(problem.placed(place));
    }

    fn wrong(&mut self, at: At<'_>, message: String) {
        self.problem(at, Problem::nowhere(message));
    }

    fn unknown<S: AsRef<str>>(
        &mut self,
        at: At<'_>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) {
        self.problem(at, Problem::unknown(what, name, known));
    }

    /// A file's content; none, and a problem, where it cannot be read.
    fn file(&mut self, at: At<'_>, name: &str) -> Option<String> {
        match self.folder.file(name) {
            Ok(content) => Some(String::from_utf8_lossy(&content).into_owned()),
            Err(problem) => {
                self.problem(at, problem);
                None
            }
        }
    }

    fn files(&mut self) {
        let files = &self.manifest.files;
        for (list, names) in [
            ("before-load", &files.before_load),
            ("after-load", &files.after_load),
        ] {
            for (index, name) in names.iter().enumerate() {
                self.file(&format!("files/{list}/{index}"), name);
            }
        }
        // Scripts may include further ones.
        for name in self.folder.names().unwrap_or_default() {
            if name.ends_with(".sql")
                && let Ok(sql) = self.folder.file(&name)
            {
                self.catalog.read(&String::from_utf8_lossy(&sql));
            }
        }
    }

    fn table_exists(&mut self, at: At<'_>, table: &str) {
        if !self.catalog.has_table(table) {
            let known = self.catalog.tables.clone();
            self.unknown(at, "table", table, known);
        }
    }

    fn role_logs_in(&mut self, at: At<'_>, role: &str) {
        let roles: &'a [String] = &self.manifest.login_roles;
        if !roles.iter().any(|known| known == role) {
            self.unknown(at, "login role", role, roles);
        }
    }

    fn tables(&mut self) {
        let tables: &'a [Table] = &self.manifest.tables;
        for (index, table) in tables.iter().enumerate() {
            let at = format!("tables/{index}");
            let name = &table.name;
            self.table_exists(&format!("{at}/name"), name);
            if tables[..index].iter().any(|other| other.name == *name) {
                self.wrong(&format!("{at}/name"), format!("`{name}` stands twice"));
            }
            let (file, rows, share) = (&table.file, table.rows, table.share);
            let said = [file.is_some(), rows.is_some(), share.is_some()];
            if said.iter().filter(|said| **said).count() != 1 {
                let message = format!("`{name}` must have one of `file`, `rows` and `share`");
                self.wrong(&at, message);
            }
            if let Some(file) = &table.file {
                self.file(&format!("{at}/file"), file);
            } else {
                self.generated(table, &at);
            }
        }
    }

    fn generated(&mut self, table: &'a Table, at: At<'_>) {
        if table.columns.is_empty() {
            let message = format!("`{}` has no `columns` to be filled", table.name);
            self.wrong(at, message);
        }
        if table.share.is_some() && table.row_bytes.is_none() {
            let message = format!("`{}` has a `share` and no `row-bytes`", table.name);
            self.wrong(at, message);
        }
        let mut earlier = Vec::new();
        for (index, column) in table.columns.iter().enumerate() {
            let at = format!("{at}/columns/{index}/gen");
            self.generator(&at, &column.r#gen, &earlier);
            earlier.push((column.name.as_str(), &column.r#gen));
        }
    }

    fn generator(
        &mut self,
        at: At<'_>,
        generator: &'a Generator,
        earlier: &[(&'a str, &'a Generator)],
    ) {
        if let Some(table) = generator.table() {
            self.refers(at, table);
        }
        if let Some(column) = generator.earlier() {
            let numbers = earlier.iter().filter(|(_, made)| made.is_number());
            let numbers: Vec<&str> = numbers.map(|(name, _)| *name).collect();
            if !numbers.contains(&column) {
                self.unknown(at, "earlier column of numbers", column, numbers);
            }
        }
        let (min, max) = match generator {
            Generator::Int(numbers) => (i64::from(numbers.min), i64::from(numbers.max)),
            Generator::Text(length) | Generator::Bytes(length) | Generator::Jsonb(length) => {
                (length.min as i64, length.max as i64)
            }
            _other => (0, 0),
        };
        if min > max {
            self.wrong(at, format!("`min` {min} is more than `max` {max}"));
        }
    }

    /// A table whose rows are numbered from 1.
    fn refers(&mut self, at: At<'_>, table: &str) {
        let tables: &'a [Table] = &self.manifest.tables;
        match tables.iter().find(|other| other.name == table) {
            Some(found) if found.file.is_none() => {}
            Some(_) => {
                let message =
                    format!("the rows of `{table}` come from a file and have no `serial`");
                let help = "say which there are: `{ int: { min: 1, max: 200 } }`";
                self.problem(at, Problem::nowhere(message).help(help));
            }
            None => {
                let names = tables.iter().map(|other| other.name.as_str());
                self.unknown(at, "filled table", table, names);
            }
        }
    }

    /// Foreign keys that lead back to where they began: such rows can't be numbered in any order.
    fn cycles(&mut self) {
        let tables: &'a [Table] = &self.manifest.tables;
        for (index, table) in tables.iter().enumerate() {
            for (place, column) in table.columns.iter().enumerate() {
                let Some(to) = column.r#gen.table() else {
                    continue;
                };
                let later = tables.iter().position(|other| other.name == to) > Some(index);
                if let Some(way) = self.way(to, &table.name).filter(|_| later) {
                    let message = format!(
                        "`{}` refers to `{}`, which leads back to it",
                        table.name,
                        way.join("` → `")
                    );
                    let help =
                        "leave one of these columns out, or fill it in a script of `after-load`";
                    let at = format!("tables/{index}/columns/{place}/gen");
                    self.problem(&at, Problem::nowhere(message).help(help));
                }
            }
        }
    }

    /// The tables by which references lead from one to another.
    fn way(&self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let tables = &self.manifest.tables;
        let mut ways = vec![vec![from]];
        while let Some(way) = ways.pop() {
            let last = way[way.len() - 1];
            if last == to {
                return Some(way);
            }
            let table = tables.iter().find(|table| table.name == last)?;
            let columns = table.columns.iter();
            let next = columns.filter_map(|column| column.r#gen.table());
            for next in next.filter(|next| !way.contains(next)) {
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
        None
    }

    fn audit(&mut self) {
        let Some(audit) = &self.manifest.audit else {
            return;
        };
        self.table_exists("audit/log", &audit.log);
        for (index, table) in audit.tables.iter().enumerate() {
            let at = format!("audit/tables/{index}");
            self.table_exists(&at, table);
            if self.manifest.live_table(table).is_none() {
                self.wrong(&at, format!("no business writes to `{table}`"));
            }
        }
    }

    fn business_checks(&mut self) {
        for (business, checks) in &self.manifest.checks {
            let known = self.manifest.businesses.get(business);
            if known.is_none() {
                let names = self.manifest.businesses.keys();
                self.unknown(&format!("checks/{business}"), "business", business, names);
            }
            for (index, check) in checks.iter().enumerate() {
                let at = format!("checks/{business}/{index}");
                self.role_logs_in(&format!("{at}/role"), &check.role);
                if check.tenant && known.is_some_and(|known| known.tenants.is_none()) {
                    let message = format!("`{business}` has no `tenants`");
                    self.wrong(&format!("{at}/tenant"), message);
                }
            }
        }
    }
}
