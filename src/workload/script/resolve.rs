//! A plan's business with its names resolved.

use std::collections::BTreeMap;

use super::{Kind, Parameter, Script, Table, Write};
use crate::{
    model::columns::Filled,
    postgres::literal,
    scenario::plan::{Business, LiveTable, Writes},
    workload::{rows::Column, wire::Statement},
};

impl Script {
    /// `rows`: that were loaded, by table.
    pub(super) fn resolve(
        &mut self,
        business: &Business,
        rows: &BTreeMap<String, u64>,
    ) -> Result<(), String> {
        if self.weights == 0 {
            return Err("its business has no transactions".into());
        }
        let tables = business.tables.iter().map(|table| Table::new(table, rows));
        self.tables = tables.collect::<Result<_, _>>()?;
        let mut statements = Vec::new();
        if let Some(tenants) = &business.tenants {
            statements.push(Statement::of(&format!(
                "SELECT set_config({}, $1, true)",
                literal(&tenants.setting)
            )));
        }
        for transaction in &business.transactions {
            let writes = transaction
                .writes
                .as_ref()
                .map(|writes| write(business, writes));
            let writes = writes.transpose()?;
            let values = transaction.values.iter().enumerate().map(|(at, value)| {
                let earlier = transaction.values[..at]
                    .iter()
                    .map(|value| value.name.as_str());
                Filled::new(&value.r#gen, earlier, rows)
            });
            let value = |name: &String| transaction.values.iter().position(|v| v.name == *name);
            let table = writes.map(|write| &business.tables[write.table]);
            let parameter = |name: &String| parameter(table, name, value(name));
            let mut calls = Vec::new();
            for (at, statement) in transaction.statements.iter().enumerate() {
                let changes = at == 0 && writes.is_some_and(|write| write.instead.is_some());
                let parameters = statement.parameters.iter().map(parameter);
                calls.push((statements.len(), parameters.collect::<Result<_, _>>()?));
                statements.push(Statement {
                    sql: statement.sql.clone(),
                    writes_one: changes,
                });
            }
            self.kinds.push(Kind {
                weight: transaction.weight,
                writes,
                values: values.collect::<Result<_, _>>()?,
                tenant: transaction.tenant.as_ref().and_then(value),
                calls,
            });
        }
        self.statements = statements.into();
        Ok(())
    }
}

impl Table {
    fn new(table: &LiveTable, rows: &BTreeMap<String, u64>) -> Result<Self, String> {
        let column = |at: usize| {
            let column = &table.columns[at];
            let filled = |generator| {
                let earlier = table.columns[..at]
                    .iter()
                    .map(|column| column.name.as_str());
                Filled::new(generator, earlier, rows)
            };
            Ok::<Column, String>(Column {
                inserted: filled(&column.r#gen)?,
                updated: column.update.as_ref().map(filled).transpose()?,
            })
        };
        let position = |name: &String| table.columns.iter().position(|c| c.name == *name);
        Ok(Self {
            columns: (0..table.columns.len())
                .map(column)
                .collect::<Result<_, _>>()?,
            tenant: table.tenant.as_ref().and_then(position),
            max_version: table.max_version.unwrap_or(u32::MAX),
        })
    }
}

fn write(business: &Business, writes: &Writes) -> Result<Write, String> {
    let name = writes.table();
    let table = business
        .table(name)
        .ok_or_else(|| format!("unknown table `{name}`"))?;
    let inserts = Some(Writes::Insert(name.to_owned()));
    let instead = business
        .transactions
        .iter()
        .position(|kind| kind.writes == inserts);
    Ok(Write {
        table,
        instead: match writes {
            Writes::Insert(_) => None,
            Writes::Update(_) | Writes::Delete(_) => {
                Some(instead.ok_or_else(|| format!("no transaction inserts into `{name}`"))?)
            }
        },
        deletes: matches!(writes, Writes::Delete(_)),
    })
}

/// What a parameter of this name is; `value`: where it is among the transaction's values.
fn parameter(
    table: Option<&LiveTable>,
    name: &str,
    value: Option<usize>,
) -> Result<Parameter, String> {
    let column = |table: &LiveTable| table.columns.iter().position(|column| column.name == name);
    match (name, table, value) {
        (_, _, Some(value)) => Ok(Parameter::Value(value)),
        ("key", Some(_), _) => Ok(Parameter::Key),
        ("version", Some(_), _) => Ok(Parameter::Version),
        (_, table, _) => {
            let column = table.and_then(column).map(Parameter::Column);
            column.ok_or_else(|| format!("unknown parameter `{name}`"))
        }
    }
}
