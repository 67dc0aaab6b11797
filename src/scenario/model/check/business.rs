//! Whether what the clients of a business do makes sense.

use super::{At, Check};
use crate::scenario::{
    plan::{Business, LiveTable, Statement, Transaction, Writes},
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
            for (key, generator) in [
                ("gen", Some(&column.r#gen)),
                ("update", column.update.as_ref()),
            ] {
                if let Some(generator) = generator {
                    self.generator(&format!("{at}/{key}"), generator, &earlier);
                }
            }
            earlier.push((column.name.as_str(), &column.r#gen));
        }
        if let Some(tenant) = &table.tenant
            && !earlier
                .iter()
                .any(|(name, made)| name == tenant && made.is_number())
        {
            let columns = earlier.iter().map(|(name, _)| *name);
            self.unknown(
                &format!("{at}/tenant"),
                "column of numbers",
                tenant,
                columns,
            );
        }
    }

    fn transaction(&mut self, business: &'a Business, transaction: &'a Transaction, at: At<'_>) {
        let mut known: Vec<&str> = Vec::new();
        if let Some(writes) = &transaction.writes {
            known.push("key");
            match business.table(writes.table()) {
                Some(index) => known.extend(self.written(business, writes, index, at)),
                None => {
                    let tables = business.tables.iter().map(|table| table.name.as_str());
                    self.unknown(
                        &format!("{at}/writes"),
                        "table of the business",
                        writes.table(),
                        tables,
                    );
                }
            }
        }
        let mut earlier = Vec::new();
        for (index, value) in transaction.values.iter().enumerate() {
            self.generator(&format!("{at}/values/{index}/gen"), &value.r#gen, &earlier);
            earlier.push((value.name.as_str(), &value.r#gen));
            known.push(&value.name);
        }
        if let Some(tenant) = &transaction.tenant
            && !earlier
                .iter()
                .any(|(name, made)| name == tenant && made.is_number())
        {
            let values = earlier.iter().map(|(name, _)| *name);
            self.unknown(
                &format!("{at}/tenant"),
                "value that is a number",
                tenant,
                values,
            );
        }
        for (index, statement) in transaction.statements.iter().enumerate() {
            self.statement(statement, &known, &format!("{at}/statements/{index}"));
        }
    }

    /// What parameters a transaction that writes this table can have.
    fn written(
        &mut self,
        business: &'a Business,
        writes: &Writes,
        index: usize,
        at: At<'_>,
    ) -> Vec<&'a str> {
        let table = &business.tables[index];
        let inserts =
            |other: &Transaction| other.writes == Some(Writes::Insert(table.name.clone()));
        if !business.transactions.iter().any(inserts) {
            let message = format!("no transaction inserts a row of `{}`", table.name);
            let help = "clients change and delete only rows that they inserted";
            self.problem(
                &format!("{at}/writes"),
                Problem::nowhere(message).help(help),
            );
        }
        if matches!(writes, Writes::Update(_)) && table.version.is_none() {
            let message = format!("`{}` is updated and has no `version`", table.name);
            let help = "a column that is 0 at first, and that each update raises by one";
            self.problem(
                &format!("{at}/writes"),
                Problem::nowhere(message).help(help),
            );
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
                self.unknown(
                    &format!("{at}/parameters/{index}"),
                    "parameter",
                    name,
                    known.iter().copied(),
                );
            }
        }
        let Some(sql) = sql else { return };
        let count = statement.parameters.len();
        let numbers = Statement::numbers(&sql);
        if !numbers.iter().copied().eq(1..=count) {
            let shown: Vec<String> = numbers.iter().map(|number| format!("${number}")).collect();
            let uses = if shown.is_empty() {
                "none".into()
            } else {
                shown.join(", ")
            };
            let message = format!("`parameters` are {count}, and the statement uses {uses}");
            self.wrong(&format!("{at}/sql"), message);
        }
    }
}
