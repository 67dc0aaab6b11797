//! What a client does: the next transaction of its business, and what it learns from the outcome.
//!
//! A client changes and deletes only rows that it inserted itself and whose state it knows; it
//! refers only to loaded rows, so no transaction depends on another client's. Keys are never
//! used twice, and a deleted row is forgotten.

mod memory;
mod resolve;

use std::sync::Arc;

use rand::RngExt;

use memory::KnownRow;
pub use memory::Memory;

use super::{
    WorkloadError,
    rows::{Column, Source, Values},
    wire::{Call, Statement},
};
use crate::{
    ledger::{Key, Record},
    model::{columns::Filled, this_month},
    scenario::plan::Plan,
};

/// What the clients of a workload have in common: its business, names resolved.
#[derive(Debug)]
pub struct Script {
    pub role: String,
    /// The statements they use, by index.
    pub statements: Arc<[Statement]>,
    pub bursts: bool,
    pub workload: u8,
    pub source: Source,
    tables: Vec<Table>,
    kinds: Vec<Kind>,
    weights: u32,
    /// Whether a session names its tenant, by [`SET_TENANT`].
    names_tenant: bool,
}

#[derive(Debug)]
struct Table {
    columns: Vec<Column>,
    tenant: Option<usize>,
    /// A row of this version is not updated again.
    max_version: u32,
}

#[derive(Debug)]
struct Kind {
    weight: u32,
    writes: Option<Write>,
    values: Vec<Filled>,
    /// The value that names the tenant.
    tenant: Option<usize>,
    /// Each the index of a statement, and what its parameters are.
    calls: Vec<(usize, Vec<Parameter>)>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    table: usize,
    /// None: it inserts. Else the kind that does where there is no row yet.
    instead: Option<usize>,
    deletes: bool,
}

#[derive(Clone, Copy, Debug)]
enum Parameter {
    Key,
    Version,
    Column(usize),
    Value(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The row it writes; [`Key::NONE`] when it only reads.
    pub key: Key,
    /// The row's version after it.
    pub version: u32,
    /// The tenant; 0 where there is none.
    pub tenant: u32,
    /// Digest of the row after it; [`Record::TOMBSTONE`] when it deletes it.
    pub digest: u64,
    pub calls: Vec<Call>,
}

/// The index of the statement that names the tenant, where there are tenants.
const SET_TENANT: usize = 0;

impl Script {
    pub fn new(plan: &Plan, name: &str, index: u8, nonce: u64) -> Result<Self, WorkloadError> {
        let workload = &plan.workloads[name];
        let business = &workload.business;
        let broken = |cause| WorkloadError::Business {
            workload: name.to_owned(),
            cause,
        };
        let mut script = Self {
            role: business.role.clone(),
            statements: Arc::new([]),
            bursts: business.bursts,
            workload: index,
            source: Source {
                seed: plan.seed,
                nonce,
                until: this_month(),
            },
            tables: Vec::new(),
            kinds: Vec::new(),
            names_tenant: business.tenants.is_some(),
            weights: business.transactions.iter().map(|kind| kind.weight).sum(),
        };
        let database = plan.databases.get(&workload.database);
        let database = database.ok_or_else(|| broken("it works in no database".into()))?;
        script.resolve(business, &database.rows).map_err(broken)?;
        Ok(script)
    }

    pub fn next(&self, memory: &mut Memory) -> Transaction {
        let mut left = memory.rng.random_range(0..self.weights);
        let chosen = self
            .kinds
            .iter()
            .position(|kind| match left.checked_sub(kind.weight) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            });
        self.of_kind(chosen.unwrap_or_default(), memory)
    }

    fn of_kind(&self, kind: usize, memory: &mut Memory) -> Transaction {
        let kind = &self.kinds[kind];
        let Some(write) = kind.writes else {
            return self.transaction(kind, None, memory);
        };
        let max_version = self.tables[write.table].max_version;
        let row = match write.instead {
            None => KnownRow {
                key: self.new_key(memory, write.table),
                version: 0,
            },
            Some(inserts) => {
                let older_than = if write.deletes { u32::MAX } else { max_version };
                match memory.take(write.table as u8, older_than) {
                    Some(known) => known,
                    None => return self.of_kind(inserts, memory),
                }
            }
        };
        self.transaction(kind, Some((write, row)), memory)
    }

    /// `row`: what it writes, as it was before.
    fn transaction(
        &self,
        kind: &Kind,
        row: Option<(Write, KnownRow)>,
        memory: &mut Memory,
    ) -> Transaction {
        let mut transaction = Transaction::none();
        let (mut columns, mut before) = (Values::default(), 0);
        let mut tenant = None;
        if let Some((write, known)) = row {
            let table = &self.tables[write.table];
            let changed = u32::from(write.instead.is_some());
            let version = known.version + if write.deletes { 0 } else { changed };
            columns = self.source.row(&table.columns, known.key, version);
            before = known.version;
            transaction.key = known.key;
            transaction.version = known.version + changed;
            transaction.digest = match write.deletes {
                true => Record::TOMBSTONE,
                false => columns.digest(),
            };
            tenant = table.tenant.map(|at| columns.numbers[at]);
        }
        let mut values = Values::default();
        for value in &kind.values {
            self.source
                .push(&mut values, value, transaction.key, &mut memory.rng);
        }
        let tenant = tenant.or(kind.tenant.map(|at| values.numbers[at]));
        if let Some(tenant) = tenant {
            transaction.tenant = tenant as u32;
        }
        if let Some(tenant) = tenant.filter(|_| self.names_tenant) {
            transaction.calls.push(Call {
                statement: SET_TENANT,
                parameters: vec![Some(tenant.to_string())],
            });
        }
        for (statement, parameters) in &kind.calls {
            let text = |parameter: &Parameter| match parameter {
                Parameter::Key => Some(transaction.key.to_uuid(self.source.nonce).to_string()),
                Parameter::Version => Some(before.to_string()),
                Parameter::Column(at) => columns.texts[*at].clone(),
                Parameter::Value(at) => values.texts[*at].clone(),
            };
            let parameters = parameters.iter().map(text).collect();
            transaction.calls.push(Call {
                statement: *statement,
                parameters,
            });
        }
        transaction
    }

    fn new_key(&self, memory: &mut Memory, table: usize) -> Key {
        if memory.numbers.len() <= table {
            memory.numbers.resize(table + 1, 0);
        }
        memory.numbers[table] += 1;
        Key::new(
            self.workload,
            table as u8,
            memory.client,
            memory.numbers[table],
        )
    }
}

impl Transaction {
    pub fn none() -> Self {
        Self {
            key: Key::NONE,
            version: 0,
            tenant: 0,
            digest: 0,
            calls: Vec::new(),
        }
    }
}
