//! Whether what the clients of a business do makes sense.

use super::{At, Check};
use crate::scenario::{
    plan::{Business, Generator, LiveTable, Statement, Transaction, Writes},
    problem::Problem,
};

impl<'a> Check<'a> {
    pub(super) fn business(&mut self, name: &str, business: &'a Business) {
        let at = format!("businesses/{name}");
        self.role_logs_in(&format!("{at}/role"), &business.role);
        if let Some(tenants) = &business.tenants {
            self.refers(&format!("{at}/tenants/table"), &tenants.table);
        }
        for (index, table) in business.tables.iter().enumerate() {
            self.live_table(table, &format!("{at}/tables/{index}"));
        }
        for (index, transaction) in business.transactions.iter().enumerate() {
            self.transaction(business, transaction, &format!("{at}/transactions/{index}"));
        }
    }

    fn live_table(&mut self, table: &'a LiveTable, at: At<'_>) {
        self.table_exists(&format!("{at}/name"), &table.name);
        let mut earlier = Vec::new();
        for (index, column) in table.columns.iter().enumerate() {
            let at = format!("{at}/columns/{index}");
            self.generator(&format!("{at}/gen"), &column.r#gen, &earlier);
            if let Some(update) = &column.update {
                self.generator(&format!("{at}/update"), update, &earlier);
            }
            earlier.push((column.name.as_str(), &column.r#gen));
        }
        self.tenant(at, "column of numbers", table.tenant.as_deref(), &earlier);
    }

    /// A tenant must be the number in one of these columns or values.
    fn tenant(
        &mut self,
        at: At<'_>,
        what: &str,
        tenant: Option<&str>,
        made: &[(&str, &Generator)],
    ) {
        let Some(tenant) = tenant else { return };
        let numbers =
            |(name, generator): &(&str, &Generator)| *name == tenant && generator.is_number();
        if !made.iter().any(numbers) {
            let names = made.iter().map(|(name, _)| *name);
            self.unknown(&format!("{at}/tenant"), what, tenant, names);
        }
    }

    fn transaction(&mut self, business: &'a Business, transaction: &'a Transaction, at: At<'_>) {
        let mut known: Vec<&str> = Vec::new();
        if let Some(writes) = &transaction.writes {
            known.push("key");
            known.extend(self.written(business, writes, at));
        }
        let mut earlier = Vec::new();
        for (index, value) in transaction.values.iter().enumerate() {
            self.generator(&format!("{at}/values/{index}/gen"), &value.r#gen, &earlier);
            earlier.push((value.name.as_str(), &value.r#gen));
            known.push(&value.name);
        }
        let tenant = transaction.tenant.as_deref();
        self.tenant(at, "value that is a number", tenant, &earlier);
        for (index, statement) in transaction.statements.iter().enumerate() {
            self.statement(statement, &known, &format!("{at}/statements/{index}"));
        }
    }

    /// What parameters a transaction that writes this table can have.
    fn written(&mut self, business: &'a Business, writes: &Writes, at: At<'_>) -> Vec<&'a str> {
        let at = format!("{at}/writes");
        let Some(index) = business.table(writes.table()) else {
            let tables = business.tables.iter().map(|table| table.name.as_str());
            self.unknown(&at, "table of the business", writes.table(), tables);
            return Vec::new();
        };
        let table = &business.tables[index];
        let inserts = Some(Writes::Insert(table.name.clone()));
        let mut transactions = business.transactions.iter();
        if !transactions.any(|other| other.writes == inserts) {
            let message = format!("no transaction inserts a row of `{}`", table.name);
            let help = "clients change and delete only rows that they inserted";
            self.problem(&at, Problem::nowhere(message).help(help));
        }
        if matches!(writes, Writes::Update(_)) && table.version.is_none() {
            let message = format!("`{}` is updated and has no `version`", table.name);
            let help = "a column that is 0 at first, and that each update raises by one";
            self.problem(&at, Problem::nowhere(message).help(help));
        }
        let columns = table.columns.iter().map(|column| column.name.as_str());
        columns.chain(["version"]).collect()
    }

    fn statement(&mut self, statement: &Statement, known: &[&str], at: At<'_>) {
        let sql = match statement.sql.ends_with(".sql") {
            true => self.file(&format!("{at}/sql"), &statement.sql),
            false => Some(statement.sql.clone()),
        };
        for (index, name) in statement.parameters.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let at = format!("{at}/parameters/{index}");
                self.unknown(&at, "parameter", name, known);
            }
        }
        let Some(sql) = sql else { return };
        let count = statement.parameters.len();
        let numbers = Statement::numbers(&sql);
        if !numbers.iter().copied().eq(1..=count) {
            let shown: Vec<String> = numbers.iter().map(|number| format!("${number}")).collect();
            let uses = match shown.as_slice() {
                [] => "none".into(),
                shown => shown.join(", "),
            };
            let message = format!("`parameters` are {count}, and the statement uses {uses}");
            self.wrong(&format!("{at}/sql"), message);
        }
    }
}
